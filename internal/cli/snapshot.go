package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/internal/client"
)

func (p *program) newSnapshot() *cobra.Command {
	n := nounOf("snapshot")
	return p.newNoun("snapshot", p.newSnapshotLs(n), p.newSnapshotDownload(n), p.newSnapshotDiff(n), p.newSnapshotTag(n),
		p.newDeed(n, deed{verb: "protect", short: "Keep a snapshot from every retention", op: client.Protect, done: says("snapshot %s is kept"),
			long: "Keep a snapshot, and its copies in other repositories, from every retention."}),
		p.newDeed(n, deed{verb: "unprotect", short: "Let retention decide about a snapshot again", op: client.Unprotect, done: says("retention decides about snapshot %s"),
			long: "Let retention decide about a snapshot again."}))
}

func (p *program) newModule() *cobra.Command {
	return p.newNoun("module", p.newDeed(nounOf("module"), deed{verb: "snapshots", short: "List the snapshots of a module's source", op: client.ModuleSnapshots,
		long: "List the newest snapshots of a module's source, also for who may see nothing but the module.",
		done: func(_ context.Context, s asker, _ found, answer json.RawMessage) error {
			var page struct{ Items []json.RawMessage }
			if err := json.Unmarshal(answer, &page); err != nil {
				return err
			}
			return s.printAll(page.Items, nounOf("snapshot").columns)
		}}))
}

// printItems prints the texts that an operation answers.
func printItems(_ context.Context, s asker, _ found, answer json.RawMessage) error {
	var page struct{ Items []string }
	if err := json.Unmarshal(answer, &page); err != nil {
		return err
	}
	if s.flags.json {
		return s.printJSON(page.Items)
	}
	for _, item := range page.Items {
		if err := s.printf("%s\n", s.name(item)); err != nil {
			return err
		}
	}
	return nil
}

// remoteEntry is a name in a folder of a snapshot on the server.
type remoteEntry struct {
	Path, Type, Mode, User, Group string
	Size                          uint64
	ModTime                       time.Time `json:"modified_at"`
	LinkTarget                    string    `json:"link_target"`
}

func (p *program) newSnapshotLs(n noun) *cobra.Command {
	var long bool
	cmd := &cobra.Command{
		Use:     "ls ID [FOLDER]",
		Short:   "List what is in a folder of a snapshot",
		Long:    "List what is in a folder of a snapshot of the server, or at its top. You see what your rights let you see, and each look is an event of the audit trail.",
		Example: "  backstay snapshot ls ID\n  backstay snapshot ls ID /home/anna --long",
		Args:    wants(1, 2, "a snapshot and a folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				f, err := s.find(ctx, n.Path, args[0], "")
				if err != nil {
					return err
				}
				query := url.Values{"path": {"/"}}
				if len(args) == 2 {
					query.Set("path", args[1])
				}
				return s.entries(ctx, f.id, query, long)
			})
		},
	}
	cmd.Flags().BoolVarP(&long, "long", "l", false, "show mode, owner, size and time too")
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (s asker) entries(ctx context.Context, id string, query url.Values, long bool) error {
	for item, err := range client.PagesOf[json.RawMessage](ctx, s.Client, client.Entries, client.Request{ID: id, Query: query}, "cursor") {
		if err != nil {
			return err
		}
		if s.flags.json {
			if err := s.printJSON(item); err != nil {
				return err
			}
			continue
		}
		var e remoteEntry
		if err := json.Unmarshal(item, &e); err != nil {
			return err
		}
		if err := s.printEntry(e, long); err != nil {
			return err
		}
	}
	return nil
}

func (s asker) printEntry(e remoteEntry, long bool) error {
	name := s.name(e.Path)
	if e.Type == "dir" {
		name += "/"
	}
	if e.LinkTarget != "" {
		name += " -> " + s.name(e.LinkTarget)
	}
	if !long {
		return s.printf("%s\n", name)
	}
	return s.printf("%s %-8s %-8s %10s  %s  %s\n", e.Mode, s.name(e.User), s.name(e.Group), show.Size(e.Size), show.Time(e.ModTime.Local()), name)
}

func (p *program) newSnapshotDownload(n noun) *cobra.Command {
	var format, file string
	cmd := &cobra.Command{
		Use:   "download ID [PATH]...",
		Short: "Download a file of a snapshot, or files and folders as an archive",
		Long: `Download a file of a snapshot of the server to standard output or, with --target, into a new file. With --archive any files and folders come as one
archive, or the whole snapshot if none is named; a tar archive keeps owners, links and attributes. What can't be read is named in the file
NOT-COMPLETE.txt at the end of an archive. Each download is an event of the audit trail.`,
		Example: "  backstay snapshot download ID /etc/fstab\n  backstay snapshot download ID /home/anna --archive zip --target anna.zip",
		Args:    wants(1, -1, "a snapshot and paths in it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			op, query := client.Download, url.Values{"path": args[1:], "format": {format}}
			switch {
			case format == "" && len(args) != 2:
				return backstay.Errorf(backstay.Invalid, "just one file is downloaded as it is").WithHint("Name one, or give --archive zip or --archive tar.")
			case format == "":
				op, query = client.Content, url.Values{"path": args[1:]}
			case !slices.Contains([]string{"zip", "tar"}, format):
				return usageError(cmd, "archive %q is neither tar nor zip", format)
			case file == "" && isTerminal(p.sys.Stdout):
				return backstay.Errorf(backstay.Invalid, "an archive is nothing to look at").WithHint("Send it to a file or a program, or give --target FILE.")
			}
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				f, err := s.find(ctx, n.Path, args[0], "")
				if err != nil {
					return err
				}
				return s.download(ctx, op, client.Request{ID: f.id, Query: query}, file)
			})
		},
	}
	cmd.Flags().StringVarP(&format, "archive", "a", "", "`format` of an archive: tar or zip")
	cmd.Flags().StringVarP(&file, "target", "t", "", "write to a new `file` instead")
	return withCodes(cmd, 0, 1, 2, 5, 6, 130)
}

// download copies an answer to standard output, or to a new file, which goes again if not all of it came.
func (s asker) download(ctx context.Context, op client.Operation, r client.Request, file string) error {
	if file == "" {
		return s.Copy(ctx, op, r, s.out)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create target: %w", err)
	}
	if err := errors.Join(s.Copy(ctx, op, r, io.Writer(f)), f.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}

func (p *program) newSnapshotDiff(n noun) *cobra.Command {
	var metadata bool
	var limit int
	cmd := &cobra.Command{
		Use:     "diff ID ID",
		Short:   "Compare two snapshots, from the first to the other",
		Long:    "Compare two snapshots of the server that lie in one repository, from the first to the other.",
		Example: "  backstay snapshot diff ID ID\n  backstay snapshot diff ID ID --metadata --json",
		Args:    wants(2, 2, "two snapshots"),
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{"metadata": {strconv.FormatBool(metadata)}, "limit": {strconv.Itoa(max(1, min(limit, 10000)))}}
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				from, err := s.find(ctx, n.Path, args[0], "")
				if err != nil {
					return err
				}
				to, err := s.find(ctx, n.Path, args[1], "")
				if err != nil {
					return err
				}
				return s.diff(ctx, client.Request{ID: from.id, Other: to.id, Query: query})
			})
		},
	}
	cmd.Flags().BoolVar(&metadata, "metadata", false, "show too what differs in times, mode, owner or attributes only")
	cmd.Flags().IntVar(&limit, "limit", 1000, "`number` of paths to show at most, up to 10000")
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

// kindSigns are how the kinds of differences are shown, as 'backstay diff' does.
var kindSigns = map[string]string{"added": "+", "removed": "-", "modified": "M", "metadata": "U", "retyped": "T"}

func (s asker) diff(ctx context.Context, r client.Request) error {
	var answer json.RawMessage
	if err := s.Do(ctx, client.Diff, r, &answer); err != nil {
		return err
	}
	if s.flags.json {
		return s.printJSON(answer)
	}
	var c struct {
		Items []struct {
			Path, Kind string
			Silent     bool
		}
		More   bool
		Counts map[string]uint64
		Lost   uint64
	}
	if err := json.Unmarshal(answer, &c); err != nil {
		return err
	}
	for _, d := range c.Items {
		sign := kindSigns[d.Kind]
		if d.Silent {
			sign = "?" // the content differs and nothing else does
		}
		if err := s.printf("%-3s%s\n", sign, s.name(d.Path)); err != nil {
			return err
		}
	}
	if c.More {
		if err := s.say("There is more: raise --limit, up to 10000."); err != nil {
			return err
		}
	}
	err := s.say("\n%d added, %d removed, %d modified, %d of another type", c.Counts["added"], c.Counts["removed"], c.Counts["modified"], c.Counts["retyped"])
	if err == nil && c.Lost > 0 {
		err = backstay.Errorf(backstay.Partial, "%s could not be read in one of the two", show.Plural(c.Lost, "path")).WithHint("Verify the repository: backstay repository verify NAME --level full")
	}
	return err
}
