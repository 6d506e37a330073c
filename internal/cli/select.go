package cli

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/storage"
)

// selection is the flags that say which snapshots are meant where they aren't named.
type selection struct{ hosts, tags, paths []string }

func (s *selection) register(flags *pflag.FlagSet) {
	flags.StringArrayVarP(&s.hosts, "host", "H", nil, "only snapshots of this `host`; may be repeated")
	flags.StringArrayVar(&s.tags, "tag", nil, "only snapshots with all of these `tags`, as tag,tag; repeated: or of those")
	flags.StringArrayVar(&s.paths, "path", nil, "only snapshots with this absolute `path` among their paths; repeated: and that one")
}

func (s selection) filter() snapshot.Filter {
	f := snapshot.Filter{Hosts: s.hosts, Paths: s.paths}
	for _, tags := range s.tags {
		f.Tags = append(f.Tags, snapshot.ParseTags(tags))
	}
	return f
}

// registerNoLock gives a command that only reads its flag for repositories that can't be written to.
func (p *program) registerNoLock(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.flags.noLock, "no-lock", false, "take no lock, as in a repository that can't be written to; what is deleted meanwhile will be missed")
}

// errUnread is how a command ends that had to leave out snapshots.
func errUnread(n int) error {
	return backstay.Errorf(backstay.Damaged, "%d of the snapshot files could not be read", n).WithHint("The others are complete. Find out more: backstay check")
}

// findSnapshot returns the snapshot of the given name: an id, the first digits of one, or 'latest' of the selection.
func (p *program) findSnapshot(ctx context.Context, r *repo.Repo, sel selection, name string) (*snapshot.Snapshot, error) {
	s, err := snapshot.Find(ctx, r, name, sel.filter())
	if s != nil && err != nil { // perhaps one that can't be read is later still
		p.notice(err.Error())
		return s, nil
	}
	if errors.Is(err, storage.ErrNotFound) {
		return nil, backstay.Errorf(backstay.NotFound, "%w", err).WithHint("List the snapshots: backstay snapshots")
	}
	return s, err
}

// findSnapshots returns the snapshots of the given names, in that order; without names those of the selection, oldest first. Files
// that can't be read are reported, and the error returned beside the others is what the command should end with.
func (p *program) findSnapshots(ctx context.Context, r *repo.Repo, sel selection, names []string) (all []*snapshot.Snapshot, unread, err error) {
	for _, name := range names {
		s, err := p.findSnapshot(ctx, r, sel, name)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, s)
	}
	if len(names) > 0 {
		return all, nil, nil
	}
	bad := 0
	for s, err := range snapshot.List(ctx, r, sel.filter()) {
		var file *snapshot.FileError
		switch {
		case err == nil:
			all = append(all, s)
		case errors.As(err, &file):
			bad++
			p.event(progress.Event{Kind: progress.Failed, Item: repo.Snapshots.Name(file.ID), Err: err})
		default:
			return nil, nil, err
		}
	}
	slices.SortFunc(all, snapshot.Compare)
	if bad > 0 {
		unread = errUnread(bad)
	}
	return all, unread, nil
}

// clean makes a path of the command line one of a tree: no slash at its ends, "" for the root.
func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// findNode returns what is at a path of a snapshot. The root is a folder without a name. The index must be loaded.
func findNode(ctx context.Context, r *repo.Repo, s *snapshot.Snapshot, name string) (*tree.Node, error) {
	n := &tree.Node{Meta: entry.Meta{Type: entry.Dir}, Subtree: s.Tree}
	if name = clean(name); name == "" {
		return n, nil
	}
	for _, element := range strings.Split(name, "/") {
		if n.Subtree.IsNull() {
			return nil, notInSnapshot(s, name)
		}
		nodes, err := tree.Load(ctx, r, n.Subtree)
		i := slices.IndexFunc(nodes, func(n tree.Node) bool { return n.Name == element })
		if i < 0 {
			if err == nil {
				err = notInSnapshot(s, name)
			}
			return nil, err
		}
		n = &nodes[i]
	}
	return n, nil
}

func notInSnapshot(s *snapshot.Snapshot, name string) error {
	return backstay.Errorf(backstay.NotFound, "path %q in snapshot %s: %w", "/"+name, s.ID.Short(), storage.ErrNotFound).
		WithHint(fmt.Sprintf("Look what is there: backstay ls %s", s.ID.Short()))
}

func notFolder(name string) error {
	return backstay.Errorf(backstay.Invalid, "%q is no folder", "/"+clean(name))
}
