package corrupt

import (
	"slices"
	"strings"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
)

// model is what is in a snapshot, directories before what they hold.
type model struct {
	snapshot string
	nodes    []node
}

type node struct {
	path    string
	tree    string
	content []string
}

// Variant is one way to damage a Lab.
type Variant struct {
	Name string
	// Damage damages the repository, and returns what a check that reads all data has to find.
	Damage func(l *Lab) []checker.Finding
	// DataOnly: a check of the structure need not see it.
	DataOnly bool
}

// find makes a Finding with the snapshots and paths that lose something with the blobs.
func (l *Lab) find(kind checker.Kind, severity checker.Severity, o checker.Object, lost ...string) checker.Finding {
	f := checker.Finding{Kind: kind, Severity: severity, Object: o}
	for _, m := range slices.Backward(l.model) {
		hit, below := false, "\x00"
		for _, n := range m.nodes {
			if strings.HasPrefix(n.path, below) {
				continue
			}
			gone := n.tree != "" && slices.Contains(lost, n.tree)
			if gone {
				below = strings.TrimSuffix(n.path, "/") + "/"
			}
			if gone || slices.ContainsFunc(n.content, func(b string) bool { return slices.Contains(lost, b) }) {
				hit = true
				if !slices.Contains(f.Paths, n.path) {
					f.Paths = append(f.Paths, n.path)
				}
			}
		}
		if hit {
			f.Snapshots = append(f.Snapshots, l.Snapshots[m.snapshot])
		}
	}
	slices.Sort(f.Paths)
	return f
}

// in makes a Finding about the snapshot "third", at the paths.
func (l *Lab) in(kind checker.Kind, severity checker.Severity, o checker.Object, paths ...string) checker.Finding {
	return checker.Finding{Kind: kind, Severity: severity, Object: o, Snapshots: []crypto.ID{l.Snapshots["third"]}, Paths: paths}
}

func (l *Lab) pack(name string) checker.Object {
	return checker.Object{Type: "pack", ID: l.Packs[name]}
}

func object(t string, id crypto.ID) checker.Object { return checker.Object{Type: t, ID: id} }

func hint(kind checker.Kind, o checker.Object) checker.Finding {
	return checker.Finding{Kind: kind, Severity: checker.Hint, Object: o}
}

func warning(kind checker.Kind, o checker.Object) checker.Finding {
	return checker.Finding{Kind: kind, Severity: checker.Warning, Object: o}
}

func failure(kind checker.Kind, o checker.Object) checker.Finding {
	return checker.Finding{Kind: kind, Severity: checker.Error, Object: o}
}

// names returns the names of the blobs of a pack for which fn is true.
func (l *Lab) names(packName string, fn func(b pack.Blob) bool) []string {
	var names []string
	for _, b := range l.Places[packName] {
		if !fn(b) {
			continue
		}
		for name, h := range l.Blobs {
			if h == b.Handle {
				names = append(names, name)
			}
		}
	}
	return names
}

func all(pack.Blob) bool { return true }

// place returns where a named blob lies in a pack.
func (l *Lab) place(packName, blob string) pack.Blob {
	i := slices.IndexFunc(l.Places[packName], func(b pack.Blob) bool { return b.Handle == l.Blobs[blob] })
	return l.Places[packName][i]
}

// reindex replaces index1 by one that says of a pack what fn makes of it.
func (l *Lab) reindex(packName string, fn func(e *Entry)) {
	l.Remove(repo.Index, l.Index["index1"])
	var entries []Entry
	for _, name := range []string{"data1", "trees1"} {
		e := l.Entry(name)
		if name == packName {
			fn(&e)
		}
		entries = append(entries, e)
	}
	l.IndexFile("index1", entries...)
}

// third saves the snapshot "third" with a tree of any bytes as its root.
func (l *Lab) third(text string) checker.Object {
	h := l.TreeJSON("root3", text)
	l.Pack("trees3", "root3")
	l.IndexFile("index3", l.Entry("trees3"))
	l.Snapshot("third", "root3", 3)
	return object("tree", h.ID)
}
