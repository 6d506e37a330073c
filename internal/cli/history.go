package cli

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/differ"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/storage"
)

func (p *program) newHistory() *cobra.Command {
	var sel selection
	cmd := &cobra.Command{
		Use:   "history PATH",
		Short: "List the versions of a file or folder",
		Long: `List the versions of one path through the snapshots: a line for each time that it was new, changed or gone, with the first and
last snapshot that has that version. The snapshots of several hosts are followed one host after the other.`,
		Example: `  backstay history /home/anna/thesis.odt -r /srv/backup`,
		Args:    wants(1, 1, "a path"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withRepo(cmd, reading, func(ctx context.Context, r *repo.Repo) error {
				all, unread, err := p.findSnapshots(ctx, r, sel, nil)
				if err != nil {
					return err
				}
				if err := r.LoadIndex(ctx); err != nil {
					return err
				}
				versions, lost, err := p.versions(ctx, r, all, args[0])
				if err != nil {
					return err
				}
				if len(versions) == 0 && lost == 0 {
					return errors.Join(unread, neverThere(args[0], len(all)))
				}
				if err := p.printVersions(clean(args[0]), versions); err != nil {
					return err
				}
				return errors.Join(unread, unreadable(lost))
			})
		},
	}
	sel.register(cmd.Flags())
	p.registerNoLock(cmd)
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

// neverThere is about a path that none of so many snapshots has.
func neverThere(name string, snapshots int) error {
	return backstay.Errorf(backstay.NotFound, "none of %s has %q", show.Plural(snapshots, "snapshot"), "/"+clean(name)).
		WithHint(fmt.Sprintf("Look where it is: backstay find %q", path.Base(clean(name))))
}

// pathVersion is a path as it was in a row of snapshots of one host. Node is nil where it was gone.
type pathVersion struct {
	change      string // "new", "changed" (content or target), "attributes" or "gone", against the version before
	first, last *snapshot.Snapshot
	node        *tree.Node
}

// versions follows a path. Where it can't be read in a snapshot, that is reported, counted as lost and passed over.
func (p *program) versions(ctx context.Context, r *repo.Repo, all []*snapshot.Snapshot, name string) (versions []pathVersion, lost int, err error) {
	for _, g := range snapshot.Split(all, snapshot.GroupBy{Host: true}) {
		start := len(versions)
		for _, s := range g.Snapshots {
			n, err := findNode(ctx, r, s, name)
			switch {
			case context.Cause(ctx) != nil:
				return nil, 0, context.Cause(ctx)
			case errors.Is(err, storage.ErrNotFound):
				n = nil
			case err != nil:
				lost++
				p.event(progress.Event{Kind: progress.Failed, Item: "/" + clean(name), Err: err})
				continue
			}
			var before *tree.Node
			if len(versions) > start {
				before = versions[len(versions)-1].node
			}
			if change := changeOf(before, n); change != "" {
				versions = append(versions, pathVersion{change: change, first: s, last: s, node: n})
			} else if len(versions) > start {
				versions[len(versions)-1].last = s
			}
		}
	}
	return versions, lost, nil
}

// changeOf says in a word how a path differs between two snapshots; "" if not at all. A folder is changed with what it holds.
func changeOf(before, n *tree.Node) string {
	switch kind := differ.Compare(before, n); {
	case before == nil && n == nil:
		return ""
	case kind == differ.Added:
		return "new"
	case kind == differ.Removed:
		return "gone"
	case kind == differ.Retyped, kind == differ.Modified, before.Subtree != n.Subtree:
		return "changed"
	case kind == differ.Metadata:
		return "attributes"
	}
	return ""
}

// versionJSON is a version as one line of JSON.
type versionJSON struct {
	MessageType   string    `json:"message_type"` // "version"
	Change        string    `json:"change"`
	Hostname      string    `json:"hostname"`
	FirstSnapshot crypto.ID `json:"first_snapshot"`
	FirstTime     time.Time `json:"first_time"`
	LastSnapshot  crypto.ID `json:"last_snapshot"`
	LastTime      time.Time `json:"last_time"`
	Node          *nodeJSON `json:"node,omitempty"`
}

func (p *program) printVersions(name string, versions []pathVersion) error {
	table := show.NewTable("Change", "From", "To", "Since", "Host", "Modified", ">Size")
	for _, v := range versions {
		if p.flags.json {
			row := versionJSON{"version", v.change, v.first.Hostname, v.first.ID, v.first.Time, v.last.ID, v.last.Time, nil}
			if v.node != nil {
				n := newNodeJSON(name, v.node)
				row.Node = &n
			}
			if err := p.printJSON(row); err != nil {
				return err
			}
			continue
		}
		modified, size := "", ""
		if v.node != nil {
			modified = show.Time(v.node.ModTime.Local())
		}
		if v.node != nil && v.node.Type == entry.File {
			size = show.Size(v.node.Size)
		}
		table.Add(v.change, v.first.ID.Short(), v.last.ID.Short(), show.Time(v.first.Time.Local()), show.Name(v.first.Hostname), modified, size)
	}
	if p.flags.json {
		return nil
	}
	_, err := table.WriteTo(p.out)
	return err
}
