package archiver

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
)

// walker is the goroutine that ranges over the view.
type walker struct {
	archive *archive
	dir     *dir // where it is
}

// dir is a directory being archived.
type dir struct {
	up      *dir // nil: the root
	path    string
	sides   []side       // by group
	pending atomic.Int64 // things in it that aren't done, and one for the walker as long as it is in it
}

// side is what a directory is for one group.
type side struct {
	node     *tree.Node   // of the directory itself, in up.children; its Subtree is set when all is done
	children []*tree.Node // appended by the walker, filled by whoever finishes them; Type "" marks one that was lost
	parent   []tree.Node  // what the parent's directory holds, in order
	next     int          // how far the merge with parent is
	old      crypto.ID    // tree of the parent's directory; null: none
	fresh    atomic.Bool  // something differs from the parent's directory
	ahead    prefetch
}

func (w *walker) begin() error {
	w.dir = &dir{sides: make([]side, len(w.archive.groups))}
	w.dir.pending.Store(1)
	for i, g := range w.archive.groups {
		w.dir.sides[i].node = &tree.Node{}
		if root := g.parentRoot(); !root.IsNull() {
			w.dir.sides[i].compare(g, g.loadTree(root))
		}
	}
	return nil
}

// compare sets what the directory is compared with, if there is something.
func (s *side) compare(g *group, l *listing) {
	if l == nil {
		return
	}
	s.old, s.parent = l.id, l.nodes
	s.fresh.Store(l.flawed)
	s.ahead = newPrefetch(g, l.nodes)
}

// end leaves all directories that are still open.
func (w *walker) end() {
	for w.dir != nil {
		w.leave()
	}
}

func (w *walker) leave() {
	d := w.dir
	w.dir = d.up
	for i := range d.sides {
		if s := &d.sides[i]; s.next < len(s.parent) {
			s.fresh.Store(true) // something was deleted
		}
	}
	w.archive.done(d)
}

// take archives one entry. The only error is an entry out of order.
func (w *walker) take(e entry.Entry) error {
	for w.dir.up != nil && !inside(e.Path, w.dir.path) {
		w.leave()
	}
	if e.Path != w.dir.join(e.Name) {
		return fmt.Errorf("entry %q comes out of order: its directory was not announced or has been left", e.Path)
	}
	if e.Type == entry.Dir {
		w.enter(e)
		return nil
	}
	w.leaf(e)
	return nil
}

func (d *dir) join(name string) string {
	if d.up == nil {
		return name
	}
	return d.path + "/" + name
}

func inside(name, dir string) bool {
	return len(name) > len(dir) && name[len(dir)] == '/' && strings.HasPrefix(name, dir)
}

// match moves the merge on to name and returns the parent's node of that name, or nil.
func (s *side) match(name string) *tree.Node {
	for s.next < len(s.parent) && s.parent[s.next].Name < name {
		s.next++
		s.fresh.Store(true)
	}
	if s.next < len(s.parent) && s.parent[s.next].Name == name {
		s.next++
		return &s.parent[s.next-1]
	}
	s.fresh.Store(true)
	return nil
}

func (w *walker) enter(e entry.Entry) {
	d := &dir{up: w.dir, path: e.Path, sides: make([]side, len(w.archive.groups))}
	d.pending.Store(1)
	w.dir.pending.Add(1)
	for i, g := range w.archive.groups {
		up, s := &w.dir.sides[i], &d.sides[i]
		old := up.match(e.Name)
		s.node = w.node(e, old)
		if !unchanged(&e.Meta, old) || !sameMeta(&e.Meta, &old.Meta) {
			up.fresh.Store(true)
		}
		if old != nil && old.Type == entry.Dir {
			s.compare(g, up.ahead.take(old.Subtree))
		}
		up.children = append(up.children, s.node)
	}
	w.dir = d
}

// node returns a node of the entry without its content. What costs calls is taken from the parent's node where its
// times say that nothing changed.
func (w *walker) node(e entry.Entry, old *tree.Node) *tree.Node {
	n := &tree.Node{Meta: e.Meta}
	if unchanged(&e.Meta, old) {
		n.Attributes, n.LinkTarget, n.Generic = old.Attributes, old.LinkTarget, old.Generic
		return n
	}
	n.Attributes, n.Error = w.archive.attributes(&e)
	return n
}

// attributes returns the extended attributes of an entry, and what its node says if not all could be read: then the next
// run reads them again.
func (a *archive) attributes(e *entry.Entry) (list []entry.Attribute, flaw string) {
	list, err := e.Content.Attributes()
	if err != nil {
		err = fmt.Errorf("read extended attributes: %w", err)
		a.lose(e.Path, err)
		flaw = err.Error()
	}
	return list, flaw
}

// unchanged reports whether an entry is as it was when old was made, as far as its inode tells. Without a node, or with one
// that lacks something, it isn't.
func unchanged(m *entry.Meta, old *tree.Node) bool {
	return old != nil && old.Error == "" && m.Type == old.Type && m.Inode == old.Inode && m.Size == old.Size &&
		m.ModTime.Equal(old.ModTime) && m.ChangeTime.Equal(old.ChangeTime) &&
		!strings.Contains(old.LinkTarget, "\ufffd") // restic before 0.16 put that in the place of what is no UTF-8
}

// sameMeta reports whether two entries have the same metadata, provided that they are unchanged.
func sameMeta(a, b *entry.Meta) bool {
	return a.Type == b.Type && a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID && a.User == b.User && a.Group == b.Group &&
		a.Inode == b.Inode && a.DeviceID == b.DeviceID && a.Links == b.Links && a.Device == b.Device && a.Size == b.Size &&
		a.ModTime.Equal(b.ModTime) && a.ChangeTime.Equal(b.ChangeTime) && a.AccessTime.Equal(b.AccessTime)
}

// leaf archives what is no directory.
func (w *walker) leaf(e entry.Entry) {
	a := w.archive
	nodes := make([]*tree.Node, len(a.groups))
	same, changed := true, false
	for i, g := range a.groups {
		s := &w.dir.sides[i]
		old := s.match(e.Name)
		changed = changed || old != nil
		if !unchanged(&e.Meta, old) || e.Type == entry.File && !g.known(pack.Data, old.Content...) {
			same = false
			s.fresh.Store(true)
			continue
		}
		nodes[i] = old
		if !sameMeta(&e.Meta, &old.Meta) {
			s.fresh.Store(true)
			nodes[i] = w.node(e, old)
			nodes[i].Content = old.Content
		}
	}
	for i := range nodes {
		if !same {
			nodes[i] = &tree.Node{Meta: e.Meta}
			w.dir.sides[i].fresh.Store(true)
		}
		w.dir.sides[i].children = append(w.dir.sides[i].children, nodes[i])
	}
	if same {
		a.counts.filesUnmodified.Add(1)
		a.kept(e)
		return
	}
	l := &leaf{entry: e, dir: w.dir, nodes: nodes, changed: changed}
	if e.Type == entry.File {
		w.file(l)
		return
	}
	a.special(l)
}

// version is a file, whatever its name is, as one lstat saw it. Another name under which it looks different is read by
// itself: its metadata must not go with content that is older.
type version struct {
	device, inode, size uint64
	modTime, changeTime time.Time
}

// linked is the content of a file with several names.
type linked struct {
	content *content
	left    uint64 // names that are to come
}

// file has the content of a file read, or waits for the reading of another name of it.
func (w *walker) file(l *leaf) {
	a := w.archive
	l.dir.pending.Add(1)
	c := newContent(l)
	if m := &l.entry.Meta; m.Links > 1 {
		key := version{m.DeviceID, m.Inode, m.Size, m.ModTime, m.ChangeTime}
		if first := a.links[key]; first != nil {
			if first.left--; first.left == 0 {
				delete(a.links, key)
			}
			first.content.then(a, l)
			return
		}
		a.links[key] = &linked{c, m.Links - 1}
	}
	select {
	case a.files <- fileTask{l.entry, c}:
	case <-a.ctx.Done():
	}
}

// leaf is an entry that is no directory, on its way to its nodes.
type leaf struct {
	entry   entry.Entry
	dir     *dir
	nodes   []*tree.Node // by group
	changed bool         // the parent has something of that name
}

// special archives a link, a device, a pipe or a socket.
func (a *archive) special(l *leaf) {
	var target string
	if l.entry.Type == entry.Symlink {
		var err error
		if target, err = l.entry.Content.LinkTarget(); err != nil {
			a.lost(l, err)
			return
		}
	}
	attributes, flaw := a.attributes(&l.entry)
	for _, n := range l.nodes {
		n.LinkTarget, n.Attributes, n.Error = target, attributes, flaw
	}
	a.archived(l)
}

// lost takes the leaf out of its directory.
func (a *archive) lost(l *leaf, err error) {
	for _, n := range l.nodes {
		*n = tree.Node{}
	}
	a.lose(l.entry.Path, err)
}

// archived counts a leaf that was new or changed.
func (a *archive) archived(l *leaf) {
	state := "new"
	if l.changed {
		state = "changed"
		a.counts.filesChanged.Add(1)
	} else {
		a.counts.filesNew.Add(1)
	}
	a.count(l.entry.Path, state, &l.nodes[0].Meta)
}

func (a *archive) kept(e entry.Entry) { a.count(e.Path, "unmodified", &e.Meta) }

func (a *archive) count(path, state string, m *entry.Meta) {
	a.counts.files.Add(1)
	a.counts.bytes.Add(int64(m.Size))
	a.finished(path, state, m.Size)
}
