package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
)

// useSearch looks for the places at which snapshots use some blobs and trees.
type useSearch struct {
	*wanted
	p        *program
	showPack bool
	header   findText // in text: says which snapshot the uses are of
	total    int      // uses that were printed

	snapshot *snapshot.Snapshot
	open     []folder   // the root and the folders on the way to the present node
	barren   *index.Set // trees below which nothing is wanted, to be entered once and not again
}

type folder struct {
	name string
	tree crypto.ID
	used bool // it has something that is wanted, or a folder below it has
}

// findUses prints the uses snapshot by snapshot, and then what was not found.
func (p *program) findUses(ctx context.Context, r *repo.Repo, all []*snapshot.Snapshot, kind string, ids []string, showPack bool) error {
	w, err := newWanted(ctx, r, kind, ids)
	if err != nil {
		return err
	}
	u := useSearch{wanted: w, p: p, showPack: showPack, header: findText{p: p}, barren: r.Index().NewSet()}
	missed := 0
	for _, s := range all {
		enter, err := u.begin(s)
		if err != nil {
			return err
		}
		if !enter {
			continue
		}
		lost, err := p.walk(ctx, r, s, u.leaves, u.node)
		if err != nil {
			return err
		}
		u.finish(lost)
		missed += lost
	}
	if err := u.end(); err != nil {
		return err
	}
	return errors.Join(unreadable(missed), w.judge(p, missed == 0))
}

// begin reports whether there may be anything below the root of a snapshot.
func (u *useSearch) begin(s *snapshot.Snapshot) (enter bool, err error) {
	u.snapshot, u.open = s, append(u.open[:0], folder{tree: s.Tree})
	root := pack.Handle{ID: s.Tree, Type: pack.Tree}
	if u.wants(root) {
		err = u.print(root, "", crypto.ID{})
	}
	return !u.barren.Has(root), err
}

func (u *useSearch) leaves(_ string, n *tree.Node) bool {
	return u.barren.Has(pack.Handle{ID: n.Subtree, Type: pack.Tree})
}

func (u *useSearch) node(name string, n *tree.Node) error {
	u.leave(name)
	if n.Type == entry.Dir {
		var err error
		if h := (pack.Handle{ID: n.Subtree, Type: pack.Tree}); u.wants(h) {
			err = u.object(h, name)
		}
		u.open = append(u.open, folder{name: name, tree: n.Subtree})
		return err
	}
	var told map[crypto.ID]bool // a file may have a blob many times
	for _, id := range n.Content {
		h := pack.Handle{ID: id, Type: pack.Data}
		if told[id] || !u.wants(h) {
			continue
		}
		if told == nil {
			told = make(map[crypto.ID]bool)
		}
		told[id] = true
		if err := u.object(h, name); err != nil {
			return err
		}
	}
	return nil
}

// object takes in what is wanted and in the folder that was opened last.
func (u *useSearch) object(h pack.Handle, name string) error {
	in := &u.open[len(u.open)-1]
	in.used = true
	return u.print(h, name, in.tree)
}

// leave closes the folders that name is not in.
func (u *useSearch) leave(name string) {
	for last := len(u.open) - 1; last > 0 && !below(name, u.open[last].name); last-- {
		if f := u.open[last]; f.used {
			u.open[last-1].used = true
		} else {
			u.barren.Add(pack.Handle{ID: f.tree, Type: pack.Tree})
		}
		u.open = u.open[:last]
	}
}

// finish ends a snapshot. One of which something could not be read proves nothing barren.
func (u *useSearch) finish(lost int) {
	u.leave("")
	if root := u.open[0]; !root.used {
		u.barren.Add(pack.Handle{ID: root.tree, Type: pack.Tree})
	}
	if lost > 0 {
		u.barren = u.index.NewSet()
	}
}

// useJSON has the fields that programs made for restic's output know, and the packs.
type useJSON struct {
	ObjectType string      `json:"object_type"`
	ID         crypto.ID   `json:"id"`
	Path       string      `json:"path"`
	ParentTree crypto.ID   `json:"parent_tree,omitzero"` // a root has none
	Snapshot   crypto.ID   `json:"snapshot"`
	Time       time.Time   `json:"time"`
	Packs      []crypto.ID `json:"packs,omitempty"`
}

func (u *useSearch) print(h pack.Handle, name string, parent crypto.ID) error {
	u.used[h] = true
	use := useJSON{ObjectType: kindOf(h), ID: h.ID, Path: "/" + name, ParentTree: parent, Snapshot: u.snapshot.ID, Time: u.snapshot.Time}
	if u.showPack {
		for _, l := range u.index.Lookup(h) {
			use.Packs = append(use.Packs, l.Pack)
		}
	}
	u.total++
	if !u.p.flags.json {
		return cmp.Or(u.header.begin(u.snapshot), u.p.printf("%s\n", u.text(use)))
	}
	before := ","
	if u.total == 1 {
		before = "["
	}
	return cmp.Or(u.p.printf("%s", before), u.p.printJSON(use))
}

func (u *useSearch) text(use useJSON) string {
	text := fmt.Sprintf("%s %s of %s", use.ObjectType, use.ID, u.p.name(use.Path))
	if !use.ParentTree.IsNull() {
		text += fmt.Sprintf(", in tree %s", use.ParentTree)
	}
	for _, id := range use.Packs {
		text += fmt.Sprintf(", in pack %s", id)
	}
	return text
}

func (u *useSearch) end() error {
	switch {
	case !u.p.flags.json:
		return nil
	case u.total == 0:
		return u.p.printf("[]\n")
	}
	return u.p.printf("]\n")
}
