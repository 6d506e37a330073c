package cli

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/progress"
)

func (p *program) newLs() *cobra.Command {
	var sel selection
	var long, recursive, human bool
	cmd := &cobra.Command{
		Use:   "ls SNAPSHOT [PATH...]",
		Short: "List the files of a snapshot",
		Long: `List all that a snapshot holds; or, for each PATH, the thing itself and, of a folder, what is directly in it, with --recursive
all below it.`,
		Example: `  backstay ls latest -r /srv/backup
  backstay ls -l latest /home/anna -r /srv/backup
  backstay ls 02fa565f /etc --recursive -r /srv/backup`,
		Args: wants(1, -1, "a snapshot, and paths in it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withRepo(cmd, reading, func(ctx context.Context, r *repo.Repo) error {
				s, err := p.findSnapshot(ctx, r, sel, args[0])
				if err != nil {
					return err
				}
				if err := r.LoadIndex(ctx); err != nil {
					return err
				}
				l := lister{p: p, long: long || human, human: human, within: newWithin(args[1:], recursive || len(args) == 1)}
				return l.list(ctx, r, s)
			})
		},
	}
	sel.register(cmd.Flags())
	p.registerNoLock(cmd)
	cmd.Flags().BoolVarP(&long, "long", "l", false, "show mode, owner, size and time")
	cmd.Flags().BoolVar(&human, "human-readable", false, "as --long, with sizes in KiB, MiB and so on")
	cmd.Flags().BoolVar(&recursive, "recursive", false, "list all below each path")
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

type lister struct {
	p           *program
	long, human bool
	within      within
}

func (l *lister) list(ctx context.Context, r *repo.Repo, s *snapshot.Snapshot) error {
	for _, name := range l.within.paths {
		if _, err := findNode(ctx, r, s, name); err != nil {
			return err
		}
	}
	if err := l.p.snapshotHeader(s); err != nil {
		return err
	}
	lost, err := l.p.walk(ctx, r, s, l.within.leaves, func(name string, n *tree.Node) error {
		switch {
		case !l.within.has(name):
			return nil
		case l.p.flags.json:
			row := newNodeJSON(name, n)
			row.MessageType, row.StructType = "node", "node"
			return l.p.printJSON(row)
		}
		return l.p.printNode(name, n, l.long, l.human)
	})
	return cmp.Or(err, unreadable(lost))
}

func (p *program) snapshotHeader(s *snapshot.Snapshot) error {
	if p.flags.json {
		row := newSnapshotJSON(s)
		row.MessageType, row.StructType = "snapshot", "snapshot"
		return p.printJSON(row)
	}
	return p.say("snapshot %s of %s on %s, %s", s.ID.Short(), show.Name(strings.Join(s.Paths, ", ")), show.Name(s.Hostname), show.Time(s.Time.Local()))
}

// walk calls fn for each node of a snapshot, with its path. What can't be read is reported, counted as lost, and left out.
func (p *program) walk(ctx context.Context, r *repo.Repo, s *snapshot.Snapshot, skip func(string, *tree.Node) bool, fn func(string, *tree.Node) error) (lost int, err error) {
	for item, err := range tree.Walk(ctx, r, s.Tree, skip) {
		if cause := context.Cause(ctx); cause != nil {
			return lost, cause
		}
		if err != nil {
			lost++
			p.event(progress.Event{Kind: progress.Failed, Item: "/" + item.Path, Err: fmt.Errorf("snapshot %s: %w", s.ID.Short(), err)})
			continue
		}
		if err := fn(item.Path, item.Node); err != nil {
			return lost, err
		}
	}
	return lost, nil
}

// unreadable is how a command ends that had to leave out files or folders; nil if there are none.
func unreadable(lost int) error {
	if lost == 0 {
		return nil
	}
	return backstay.Errorf(backstay.Damaged, "%s in the snapshots can't be read", show.Plural(lost, "node")).
		WithHint("The rest is complete. Find out more: backstay check")
}

// within says which paths of a snapshot are wanted.
type within struct {
	paths     []string // cleaned; "" is the root
	recursive bool
}

func newWithin(paths []string, recursive bool) within {
	w := within{recursive: recursive}
	for _, name := range paths {
		w.paths = append(w.paths, clean(name))
	}
	return w
}

// has reports whether a path is to be shown.
func (w within) has(name string) bool {
	return len(w.paths) == 0 || slices.ContainsFunc(w.paths, func(wanted string) bool {
		return name == wanted || clean(path.Dir(name)) == wanted || w.recursive && below(name, wanted)
	})
}

// leaves reports whether nothing in a folder is to be shown.
func (w within) leaves(name string, _ *tree.Node) bool {
	return len(w.paths) > 0 && !slices.ContainsFunc(w.paths, func(wanted string) bool {
		return name == wanted || below(wanted, name) || w.recursive && below(name, wanted)
	})
}

func below(name, dir string) bool { return dir == "" || strings.HasPrefix(name, dir+"/") }

// nodeJSON has the fields that programs made for restic's output know.
type nodeJSON struct {
	Name        string      `json:"name"`
	Type        entry.Type  `json:"type"`
	Path        string      `json:"path"`
	UID         uint32      `json:"uid"`
	GID         uint32      `json:"gid"`
	Size        *uint64     `json:"size,omitempty"` // of files, 0 included
	Mode        fs.FileMode `json:"mode"`
	Permissions string      `json:"permissions"`
	ModTime     time.Time   `json:"mtime"`
	AccessTime  time.Time   `json:"atime"`
	ChangeTime  time.Time   `json:"ctime"`
	Inode       uint64      `json:"inode,omitempty"`
	User        string      `json:"user,omitempty"`
	Group       string      `json:"group,omitempty"`
	Links       uint64      `json:"links,omitempty"`
	LinkTarget  string      `json:"linktarget,omitempty"`
	MessageType string      `json:"message_type,omitempty"`
	StructType  string      `json:"struct_type,omitempty"`
}

func newNodeJSON(name string, n *tree.Node) nodeJSON {
	row := nodeJSON{Name: n.Name, Type: n.Type, Path: "/" + name, UID: n.UID, GID: n.GID, Mode: n.Mode, Permissions: n.Mode.String(), ModTime: n.ModTime,
		AccessTime: n.AccessTime, ChangeTime: n.ChangeTime, Inode: n.Inode, User: n.User, Group: n.Group, Links: n.Links, LinkTarget: n.LinkTarget}
	if n.Type == entry.File {
		row.Size = &n.Size
	}
	return row
}

func (p *program) printNode(name string, n *tree.Node, long, human bool) error {
	text := p.name("/" + name)
	if long {
		text = p.long(n, human) + " " + text
		if n.LinkTarget != "" {
			text += " -> " + p.name(n.LinkTarget)
		}
	}
	return p.printf("%s\n", text)
}

// long is what --long shows before the name.
func (p *program) long(n *tree.Node, human bool) string {
	size := fmt.Sprint(n.Size)
	if human {
		size = show.Size(n.Size)
	}
	return fmt.Sprintf("%s %-8s %-8s %12s %s", n.Mode, p.owner(n.User, n.UID), p.owner(n.Group, n.GID), size, n.ModTime.Local().Format(time.DateTime))
}

func (p *program) owner(name string, number uint32) string {
	if name == "" {
		return fmt.Sprint(number)
	}
	return p.name(name)
}
