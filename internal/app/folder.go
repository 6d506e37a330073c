package app

import (
	"context"
	"errors"
	"sort"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/differ"
	"github.com/backstay/backstay/engine/restorer"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage"
)

// Listing says which part of a folder of a snapshot is wanted.
type Listing struct {
	Dir   string
	From  int    // the place of the first entry, from 0
	Limit int    // entries
	Find  string // begin with the next entry whose name begins so, in any case of letters; the first one again after the last
	Than  string // the id of a snapshot of the same repository to compare with; "" for none
}

// Folder is a part of a folder of a snapshot.
type Folder struct {
	Snapshot backstay.Snapshot
	Than     backstay.Snapshot // what it was compared with
	Dir      string
	Total    int // entries that may be seen
	From     int
	Entries  []FolderEntry
	Damaged  bool // some entries can't be read
}

// FolderEntry is an entry, and how it differs from the one in the other snapshot.
type FolderEntry struct {
	SnapshotEntry
	Differs differ.Kind // "" where it doesn't; of a folder Modified if anything in it does
}

// ListFolder returns a part of what is directly in a folder of a snapshot, by the bytes of the names.
func (a *App) ListFolder(ctx context.Context, who backstay.Actor, id string, l Listing) (f Folder, err error) {
	f.Dir = "/" + clean(l.Dir)
	var see sight
	err = a.change(ctx, who, "snapshot.browsed", func(t *task) error {
		t.quiet = l.From > 0 || l.Find != "" // the first part was told of
		if f.Snapshot, see, err = t.sight(id, backstay.BrowseSnapshots); err != nil {
			return err
		}
		if l.Than != "" {
			if f.Than, _, err = t.sight(l.Than, backstay.BrowseSnapshots); err != nil {
				return err
			}
			t.on("snapshot", id, a.Snapshots.name(&f.Snapshot))
		}
		return t.changed(nil, map[string]string{"path": strings.ToValidUTF8(f.Dir, "\uFFFD")})
	})
	if err != nil {
		return f, err
	}
	wanted := []backstay.Snapshot{f.Snapshot}
	if l.Than != "" {
		if wanted = append(wanted, f.Than); f.Than.Repository != f.Snapshot.Repository {
			return f, backstay.Errorf(backstay.Invalid, "the two snapshots are in different repositories").WithHint("Compare with the copy that lies in the same one.")
		}
	}
	dir := clean(l.Dir)
	if !see.shows(dir, true) {
		return f, errUnseen(dir)
	}
	err = a.readingAll(ctx, wanted, func(ctx context.Context, r *opened, roots []*snapshot.Snapshot) error {
		nodes, damaged, err := a.folder(ctx, r, roots[0], dir)
		if err != nil {
			return err
		}
		f.Damaged = damaged
		var others []tree.Node
		if len(roots) > 1 {
			if others, _, err = a.folder(ctx, r, roots[1], dir); err != nil && !errors.Is(err, storage.ErrNotFound) {
				return err
			}
		}
		f.fill(see.visible(dir, nodes), others, l)
		return nil
	})
	return f, err
}

// fill takes the part that is wanted. The others are those of the same folder in the snapshot to compare with.
func (f *Folder) fill(nodes, others []tree.Node, l Listing) {
	f.Total, f.From = len(nodes), min(max(l.From, 0), len(nodes))
	if l.Find != "" {
		f.From = nextNamed(nodes, f.From, l.Find)
	}
	for i := f.From; i < min(f.From+l.Limit, len(nodes)); i++ {
		e := FolderEntry{SnapshotEntry: newEntry(clean(f.Dir), &nodes[i])}
		if l.Than != "" {
			e.Differs = difference(&nodes[i], nodeNamed(others, nodes[i].Name))
		}
		f.Entries = append(f.Entries, e)
	}
}

// nextNamed is the place of the next node at or after one whose name begins with a text; of the first one if none follows, and the number of all if
// there is none.
func nextNamed(nodes []tree.Node, from int, text string) int {
	text = strings.ToLower(text)
	for n := range nodes {
		i := (from + n) % len(nodes)
		if strings.HasPrefix(strings.ToLower(nodes[i].Name), text) {
			return i
		}
	}
	return len(nodes)
}

// difference is how a node differs from the one of the same name in the other snapshot, which may be nil.
func difference(n, other *tree.Node) differ.Kind {
	kind := differ.Compare(other, n)
	if other != nil && n.Type == entry.Dir && n.Subtree != other.Subtree {
		return differ.Modified
	}
	return kind
}

// nodeNamed finds a name in nodes that are in the order of their names.
func nodeNamed(nodes []tree.Node, name string) *tree.Node {
	i := sort.Search(len(nodes), func(i int) bool { return nodes[i].Name >= name })
	if i < len(nodes) && nodes[i].Name == name {
		return &nodes[i]
	}
	return nil
}

// visible are those nodes of a folder that appear.
func (s sight) visible(dir string, nodes []tree.Node) []tree.Node {
	if s.only == nil && len(s.without) == 0 {
		return nodes
	}
	var all []tree.Node
	for i := range nodes {
		if s.shows(clean(dir+"/"+nodes[i].Name), nodes[i].Type == entry.Dir) {
			all = append(all, nodes[i])
		}
	}
	return all
}

// folder returns the nodes of a folder, and whether some of them can't be read.
func (a *App) folder(ctx context.Context, r *opened, root *snapshot.Snapshot, dir string) (nodes []tree.Node, damaged bool, err error) {
	id, err := restorer.Folder(ctx, r.Repo, root.Tree, dir)
	if err != nil {
		return nil, false, err
	}
	if nodes = a.openRepositories.kept(id, a.now()); nodes != nil {
		return nodes, false, nil
	}
	nodes, err = tree.Load(ctx, r.Repo, id)
	if err != nil && len(nodes) == 0 {
		return nil, true, err
	}
	if err == nil {
		a.openRepositories.keep(id, nodes, a.now())
	}
	return nodes, err != nil, nil
}

// FindEntry returns one path of a snapshot.
func (a *App) FindEntry(ctx context.Context, who backstay.Actor, id, name string) (s backstay.Snapshot, e SnapshotEntry, err error) {
	var see sight
	name = clean(name)
	err = a.change(ctx, who, "snapshot.browsed", func(t *task) error {
		if s, see, err = t.sight(id, backstay.BrowseSnapshots); err != nil {
			return err
		}
		return t.changed(nil, map[string]string{"path": strings.ToValidUTF8("/"+name, "\uFFFD")})
	})
	if err != nil {
		return s, e, err
	}
	if !see.shows(name, true) {
		return s, e, errUnseen(name)
	}
	err = a.reading(ctx, s, func(ctx context.Context, r *opened, root *snapshot.Snapshot) error {
		n, err := restorer.Find(ctx, r.Repo, root.Tree, name)
		if err != nil {
			return err
		}
		if take, _ := see.sees(name, n.Type == entry.Dir); !take && n.Type != entry.Dir {
			return errUnseen(name)
		}
		n.Name = name[strings.LastIndexByte(name, '/')+1:]
		e = newEntry(strings.TrimSuffix(name, n.Name), n)
		return nil
	})
	return s, e, err
}

// Measured is how much some paths of a snapshot hold.
type Measured struct {
	Files int64
	Bytes uint64
	More  bool // there is more: counting it would have taken too long
}

// measurePatience is how long a person waits to be told how much they have chosen.
const measurePatience = time.Second

// MeasurePaths counts the files in some paths of a snapshot.
func (a *App) MeasurePaths(ctx context.Context, who backstay.Actor, id string, paths []string) (m Measured, err error) {
	var s backstay.Snapshot
	var see sight
	err = a.look(ctx, who, "snapshot.browsed", func(t *task) (err error) {
		s, see, err = t.sight(id, backstay.BrowseSnapshots)
		return err
	})
	if err != nil {
		return m, err
	}
	see = see.narrow(cleanAll(paths))
	end := a.now().Add(measurePatience)
	err = a.reading(ctx, s, func(ctx context.Context, r *opened, root *snapshot.Snapshot) error {
		for e, err := range restorer.Entries(ctx, r.Repo, root.Tree, restorer.Options{Select: see.sees}) {
			var one *entry.Error
			if err != nil && !errors.As(err, &one) {
				return err
			}
			if err == nil && e.Type != entry.Dir {
				m.Files, m.Bytes = m.Files+1, m.Bytes+e.Size
			}
			if m.More = a.now().After(end); m.More {
				return nil
			}
		}
		return nil
	})
	return m, err
}
