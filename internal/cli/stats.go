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
	modes := []string{"restore-size", "files-by-contents", "blobs-per-file", "raw-data"}
	cmd := &cobra.Command{
		Use:   "stats [SNAPSHOT...]",
		Short: "Say how large snapshots are",
		Long: `Add up the sizes of the snapshots that are named, or of all that the flags select. What is added up is said by --mode:

  restore-size        what a restore of each snapshot would write; a file with several names counts once in a snapshot
  files-by-contents   each content once, however many files of any snapshot have it
  blobs-per-file      of the files of files-by-contents, each under the path where it was first met, the blobs: those that several
                      versions of a path share count once, those that different paths share count for each
  raw-data            what the repository holds for them: each blob once, compressed`,
		Example: `  backstay stats latest -r /srv/backup
  backstay stats --mode raw-data -r /srv/backup
  backstay stats --mode blobs-per-file --host web1 -r /srv/backup`,
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
	cmd.Flags().StringVar(&mode, "mode", modes[0], "what is added up: `mode` is "+strings.Join(modes, ", "))
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

// stats has the fields that programs made for restic's output know.
type stats struct {
	TotalSize         uint64  `json:"total_size"`
	TotalUncompressed uint64  `json:"total_uncompressed_size,omitempty"`
	CompressionRatio  float64 `json:"compression_ratio,omitempty"`        // of the blobs that are compressed
	Progress          float64 `json:"compression_progress,omitempty"`     // percent that are, by their size before
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
	seen    map[pack.Handle]struct{}       // trees walked, blobs counted
	met     map[[sha256.Size]byte]struct{} // hashes of contents; of paths, and of blobs with their paths
	links   map[[2]uint64]struct{}         // files with several names, by device and inode, of one snapshot
	unknown int                            // blobs that no index names

	compressed, before uint64 // sizes of the blobs that are compressed, now and before
}

func newCounter(r *repo.Repo, mode string) *counter {
	return &counter{r: r, mode: mode, seen: make(map[pack.Handle]struct{}), met: make(map[[sha256.Size]byte]struct{}), links: make(map[[2]uint64]struct{})}
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

func (c *counter) node(name string, n *tree.Node) error {
	switch c.mode {
	case "restore-size":
		c.sums.TotalFiles++
		if n.Type == entry.File && !c.linked(n) {
			c.sums.TotalSize += n.Size
		}
	case "files-by-contents":
		if n.Type == entry.File && c.first(content(n)) {
			c.sums.TotalFiles++
			c.sums.TotalSize += c.size(n.Content...)
		}
	case "blobs-per-file":
		if n.Type == entry.File && c.first(content(n)) {
			c.references(name, n.Content)
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

// references counts a file's blobs, of those that its path had before only the new ones.
func (c *counter) references(name string, ids []crypto.ID) {
	if len(ids) > 0 && c.first([]byte("/"+name)) {
		c.sums.TotalFiles++
	}
	for _, id := range ids {
		if c.first(append([]byte("/"+name+"\x00"), id[:]...)) {
			c.sums.TotalBlobs++
			c.sums.TotalSize += c.size(id)
		}
	}
}

// content is what two files of the same content have in common.
func content(n *tree.Node) []byte {
	p := make([]byte, 0, len(n.Content)*len(crypto.ID{}))
	for _, id := range n.Content {
		p = append(p, id[:]...)
	}
	return p
}

// first reports whether it is called with p for the first time.
func (c *counter) first(p []byte) bool {
	key := sha256.Sum256(p)
	_, seen := c.met[key]
	c.met[key] = struct{}{}
	return !seen
}

// size adds up the blobs.
func (c *counter) size(ids ...crypto.ID) (size uint64) {
	for _, id := range ids {
		n, ok := c.r.Index().Size(pack.Handle{ID: id, Type: pack.Data})
		if !ok {
			c.unknown++
		}
		size += uint64(n)
	}
	return size
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
		before := uint64(at.PlainLength()) + crypto.Overhead
		c.sums.TotalUncompressed += before
		if at.UncompressedLength > 0 {
			c.compressed += uint64(at.Length)
			c.before += before
		}
	}
	return true
}

func (c *counter) result(snapshots int) stats {
	s := c.sums
	s.Snapshots = snapshots
	if c.r.Config().Version < 2 { // nothing can be compressed
		s.TotalUncompressed = 0
	}
	if c.compressed > 0 {
		s.CompressionRatio = float64(c.before) / float64(c.compressed)
	}
	if s.TotalUncompressed > 0 {
		s.Progress = 100 * float64(c.before) / float64(s.TotalUncompressed)
		s.SpaceSaving = 100 * (1 - float64(s.TotalSize)/float64(s.TotalUncompressed))
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
	}
	if s.TotalBlobs > 0 {
		rows = append(rows, [2]string{"Blobs", show.Count(s.TotalBlobs)})
	}
	if s.TotalUncompressed > 0 {
		rows = append(rows, [2]string{"Before compression", show.Size(s.TotalUncompressed)})
	}
	rows = append(rows, [2]string{"Size", show.Size(s.TotalSize)})
	for _, row := range rows {
		if err := p.printf("%-20s %s\n", row[0]+":", row[1]); err != nil {
			return err
		}
	}
	return nil
}
