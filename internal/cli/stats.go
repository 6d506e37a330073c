package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/cli/show"
)

func (p *program) newStats() *cobra.Command {
	var sel selection
	var mode string
	modes := []string{"restore-size", "files-by-contents", "raw-data"}
	cmd := &cobra.Command{
		Use:   "stats [SNAPSHOT...]",
		Short: "Say how large snapshots are",
		Long: `Add up the sizes of the snapshots that are named, or of all that the flags select. What is added up is said by --mode:

  restore-size        what a restore of each snapshot would write; a file with several names counts once in a snapshot
  files-by-contents   each content once, however many files of any snapshot have it
  raw-data            what the repository holds for them: each blob once, compressed`,
		Example: `  backstay stats latest -r /srv/backup
  backstay stats --mode raw-data -r /srv/backup`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(modes, mode) {
				return usageError(cmd, "mode %q is none of %s", mode, strings.Join(modes, ", "))
			}
			return p.withRepo(cmd, reading, func(ctx context.Context, r *repo.Repo) error {
				all, unread, err := p.findSnapshots(ctx, r, sel, args)
				if err != nil {
					return err
				}
				if err := r.LoadIndex(ctx); err != nil {
					return err
				}
				c := newCounter(r, mode)
				lost, err := p.count(ctx, r, all, c)
				if err != nil {
					return err
				}
				return cmp.Or(p.printStats(mode, c.result(len(all))), unread, unreadable(lost+c.unknown))
			})
		},
	}
	sel.register(cmd.Flags())
	p.registerNoLock(cmd)
	cmd.Flags().StringVar(&mode, "mode", modes[0], "what is added `up`: "+strings.Join(modes, ", "))
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

// stats has the fields that programs made for restic's output know.
type stats struct {
	TotalSize         uint64  `json:"total_size"`
	TotalUncompressed uint64  `json:"total_uncompressed_size,omitempty"`
	CompressionRatio  float64 `json:"compression_ratio,omitempty"`
	SpaceSaving       float64 `json:"compression_space_saving,omitempty"` // percent
	TotalFiles        uint64  `json:"total_file_count"`
	TotalBlobs        uint64  `json:"total_blob_count,omitempty"`
	Snapshots         int     `json:"snapshots_count"`
}

// counter adds up. What it remembers is a few bytes for each different content or blob.
type counter struct {
	r       *repo.Repo
	mode    string
	sums    stats
	seen    map[pack.Handle]struct{} // trees walked, blobs counted
	files   map[[sha256.Size]byte]struct{}
	links   map[[2]uint64]struct{} // files with several names, by device and inode, of one snapshot
	unknown int                    // blobs that no index names
}

func newCounter(r *repo.Repo, mode string) *counter {
	return &counter{r: r, mode: mode, seen: make(map[pack.Handle]struct{}), files: make(map[[sha256.Size]byte]struct{}), links: make(map[[2]uint64]struct{})}
}

func (p *program) count(ctx context.Context, r *repo.Repo, all []*snapshot.Snapshot, c *counter) (lost int, err error) {
	for _, s := range all {
		clear(c.links)
		if c.mode != "restore-size" && !c.blob(pack.Handle{ID: s.Tree, Type: pack.Tree}) {
			continue
		}
		bad, err := p.walk(ctx, r, s, c.leaves, c.node)
		if err != nil {
			return 0, err
		}
		lost += bad
	}
	return lost, nil
}

// leaves keeps the walk from entering a tree twice, where each counts once.
func (c *counter) leaves(_ string, n *tree.Node) bool {
	return c.mode != "restore-size" && !c.blob(pack.Handle{ID: n.Subtree, Type: pack.Tree})
}

func (c *counter) node(_ string, n *tree.Node) error {
	switch c.mode {
	case "restore-size":
		c.sums.TotalFiles++
		if n.Type == entry.File && !c.linked(n) {
			c.sums.TotalSize += n.Size
		}
	case "files-by-contents":
		if n.Type == entry.File {
			c.content(n.Content)
		}
	case "raw-data":
		for _, id := range n.Content {
			c.blob(pack.Handle{ID: id, Type: pack.Data})
		}
	}
	return nil
}

// linked reports whether a file was counted under another name.
func (c *counter) linked(n *tree.Node) bool {
	if n.Links < 2 {
		return false
	}
	key := [2]uint64{n.DeviceID, n.Inode}
	_, seen := c.links[key]
	c.links[key] = struct{}{}
	return seen
}

func (c *counter) content(ids []crypto.ID) {
	h, size := sha256.New(), uint64(0)
	for _, id := range ids {
		h.Write(id[:])
		n, ok := c.r.Index().Size(pack.Handle{ID: id, Type: pack.Data})
		if !ok {
			c.unknown++
		}
		size += uint64(n)
	}
	key := [sha256.Size]byte(h.Sum(nil))
	if _, seen := c.files[key]; !seen {
		c.files[key] = struct{}{}
		c.sums.TotalFiles++
		c.sums.TotalSize += size
	}
}

// blob counts a blob, in the mode that counts them, and reports whether it is met for the first time.
func (c *counter) blob(h pack.Handle) bool {
	if _, seen := c.seen[h]; seen {
		return false
	}
	c.seen[h] = struct{}{}
	if c.mode == "raw-data" {
		at, ok := c.r.Index().First(h)
		if !ok {
			c.unknown++
			return true
		}
		c.sums.TotalBlobs++
		c.sums.TotalSize += uint64(at.Length)
		c.sums.TotalUncompressed += uint64(at.PlainLength()) + crypto.Overhead
	}
	return true
}

func (c *counter) result(snapshots int) stats {
	s := c.sums
	s.Snapshots = snapshots
	if s.TotalSize > 0 && s.TotalUncompressed > 0 {
		s.CompressionRatio = float64(s.TotalUncompressed) / float64(s.TotalSize)
		s.SpaceSaving = 100 * (1 - 1/s.CompressionRatio)
	}
	return s
}

func (p *program) printStats(mode string, s stats) error {
	if p.flags.json {
		return p.printJSON(s)
	}
	rows := [][2]string{{"Snapshots", show.Count(s.Snapshots)}}
	if mode != "raw-data" {
		rows = append(rows, [2]string{"Files", show.Count(s.TotalFiles)})
	} else {
		rows = append(rows, [2]string{"Blobs", show.Count(s.TotalBlobs)}, [2]string{"Before compression", show.Size(s.TotalUncompressed)})
	}
	rows = append(rows, [2]string{"Size", show.Size(s.TotalSize)})
	for _, row := range rows {
		if err := p.printf("%-20s %s\n", row[0]+":", row[1]); err != nil {
			return err
		}
	}
	return nil
}
