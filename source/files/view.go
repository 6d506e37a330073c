package files

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/source/files/still"
)

// What a view takes of the machine: some 6 MiB for entries ahead of the reader, and in each directory that is open the
// entries that are read in one piece of work.
const (
	viewAhead  = 4 << 10
	viewAtOnce = 1 << 10
)

// maxViewHandles bounds the directories that a view keeps open to reach what is in them. One that was closed is opened
// again from the one above it.
const maxViewHandles = 128

// view is one walk over the paths of a source.
type view struct {
	opt     Options
	filter  *filter
	meta    *metaReader
	pool    *restorePool
	targets []*viewTarget
	picture *still.Picture // nil: everything is read as it is
	close   func() error

	ahead, atOnce int // viewAhead and viewAtOnce, but in tests
}

func newView(opt Options, f *filter) *view {
	v := &view{
		opt: opt, filter: f, meta: newMetaReader(opt.AccessTime), pool: &restorePool{limit: maxViewHandles},
		ahead: viewAhead, atOnce: viewAtOnce,
	}
	v.close = sync.OnceValue(v.end)
	return v
}

func (v *view) Parallel() int { return v.opt.Parallel }

func (v *view) Close() error { return v.close() }

// end closes what is open, and then gives the snapshots back.
func (v *view) end() error {
	err := v.pool.closeAll()
	if v.picture == nil {
		return err
	}
	broken, left := v.picture.Close()
	if left != nil { // the backup is good
		v.opt.Notice(left.Error())
	}
	return errors.Join(err, broken)
}

func (v *view) Entries(ctx context.Context) iter.Seq2[entry.Entry, error] {
	return func(yield func(entry.Entry, error) bool) {
		w := newViewWalk(ctx, v)
		defer w.stop()
		if !w.deliver(w.root, yield) && ctx.Err() != nil && !w.left {
			yield(entry.Entry{}, context.Cause(ctx))
		}
	}
}

// viewDir is a directory that is walked, and the handle that leads to what is in it.
type viewDir struct {
	view   *view
	parent *viewDir // nil: opened by path
	path   string   // parent nil: in the file system; else name
	tree   string   // path in the tree, "" for the root
	names  *filterPath
	device uint64 // that it is on
	system uint64 // that its contents have to be on if the view stays on one file system
	handle *restoreHandle
}

// newViewDir makes the directory at path of the file system, where links are followed.
func newViewDir(v *view, path, tree string, names *filterPath) *viewDir {
	d := &viewDir{view: v, path: path, tree: tree, names: names}
	d.handle = newRestoreHandle(d.open)
	return d
}

// child makes the directory called name in d, which is called as in the tree.
func (d *viewDir) child(name, tree string, device uint64) *viewDir {
	c := &viewDir{view: d.view, parent: d, path: name, tree: tree, device: device, system: d.system}
	c.names = d.view.filter.enter(d.names, name)
	c.handle = newRestoreHandle(c.open)
	return c
}

func (d *viewDir) open() (fd int, err error) {
	if d.parent == nil {
		err = atRetry(func() error {
			fd, err = unix.Open(d.path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			return err
		})
		return fd, err
	}
	err = d.parent.use(func(above int) error {
		fd, err = atOpenDir(above, d.path)
		return err
	})
	return fd, err
}

func (d *viewDir) use(fn func(fd int) error) error { return d.view.pool.use(d.handle, fn) }

func (d *viewDir) join(name string) string {
	if d.tree == "" {
		return name
	}
	return d.tree + "/" + name
}

// viewItem is one name in a directory: the entry it makes, and the way to the rest of it.
type viewItem struct {
	dir   *viewDir
	name  string // in dir; "." is dir itself
	entry entry.Entry
	part  *viewPart // what is in it, for a directory that is walked
	lost  error
}

// stat fills the item with what st tells, and says whether it is one of those that are backed up.
func (it *viewItem) stat(st *unix.Stat_t, tree, name string) bool {
	it.entry.Path, it.entry.Name, it.entry.Content = tree, name, it
	it.lost = it.dir.view.meta.fill(&it.entry.Meta, st)
	it.entry.DeviceID = it.dir.view.picture.Device(it.entry.DeviceID)
	if it.lost != nil {
		it.lost = fmt.Errorf("read metadata: %w", it.lost)
	}
	return it.lost != nil || it.entry.Type != entry.Socket
}

// lose makes the item one that could not be read.
func (it *viewItem) lose(tree string, err error) {
	it.entry.Path, it.lost = tree, err
}

// deliver yields what p holds and what is in it. It returns false if that was not to its end.
func (w *viewWalk) deliver(p *viewPart, yield func(entry.Entry, error) bool) bool {
	for first := true; p != nil; first, p = false, p.rest {
		if !w.await(p) {
			return false
		}
		w.began(p)
		if p.err != nil && !first && !w.give(yield, entry.Entry{}, &entry.Error{Path: p.dir.tree, Err: p.err}) {
			return false
		}
		for i := range p.items {
			if !w.deliverItem(&p.items[i], yield) {
				return false
			}
		}
	}
	return true
}

func (w *viewWalk) deliverItem(it *viewItem, yield func(entry.Entry, error) bool) bool {
	part := it.part
	it.part = nil // or everything below would stay in memory as long as it does
	if part != nil {
		if !w.await(part) {
			return false
		}
		if errors.Is(part.err, unix.ENOENT) {
			return true // deleted meanwhile
		}
		it.lost = part.err
	}
	if w.ctx.Err() != nil {
		return false
	}
	if it.lost != nil {
		return w.give(yield, entry.Entry{}, &entry.Error{Path: it.entry.Path, Err: it.lost})
	}
	return w.give(yield, it.entry, nil) && (part == nil || w.deliver(part, yield))
}

// give yields, and remembers that the reader has left.
func (w *viewWalk) give(yield func(entry.Entry, error) bool, e entry.Entry, err error) bool {
	w.left = !yield(e, err)
	return !w.left
}
