package files

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
)

// restoreDir is a directory that is restored into. It is finished, and then its parent may be, when it was left and
// nothing in it is in work any more.
type restoreDir struct {
	*atDir
	above  *restoreDir
	item   *restoreItem // nil: on the way to entries, but none itself
	made   bool         // it is there, or its entry says so
	lost   error        // why nothing can be restored into it
	opened sync.Once    // lets its owner write

	pending atomic.Int64 // 1 until it is left, and 1 for each thing in it that is in work
	touched atomic.Bool  // something in it was changed, and so its times
}

// enter makes the directory at path the last level. Directories on the way that are no entries are made only when
// something is put into them.
func (r *restorer) enter(path string) *restoreDir {
	r.leaveTo(path)
	last := r.levels[len(r.levels)-1]
	for last.path != path {
		last = r.push(last, firstName(path, last.path), nil)
	}
	return last
}

func (r *restorer) push(above *restoreDir, name string, item *restoreItem) *restoreDir {
	d := &restoreDir{atDir: above.child(name), above: above, item: item, made: item != nil, lost: above.lost}
	d.pending.Store(1)
	above.pending.Add(1)
	r.levels = append(r.levels, d)
	return d
}

// leaveTo leaves the directories that path is not in.
func (r *restorer) leaveTo(path string) {
	for !atBelow(path, r.levels[len(r.levels)-1].path) {
		r.release(r.levels[len(r.levels)-1])
		r.levels = r.levels[:len(r.levels)-1]
	}
}

// descend makes a directory and goes into it. It stays private until all in it is restored.
func (r *restorer) descend(it *restoreItem) {
	var err error
	switch it.change.Action {
	case entry.Create, entry.Overwrite:
		if err = r.make(it.dir); err == nil {
			err = it.dir.change(r, func(fd int) error { return makeDir(fd, it) })
		}
	case entry.Update, entry.Unchanged, entry.Skip, entry.Conflict, entry.Failed:
	default:
		err = fmt.Errorf("a directory of the snapshot can't have the action %q", it.change.Action)
	}
	d := r.push(it.dir, it.entry.Name, it)
	if err != nil {
		r.lose(it.change, err)
		d.lost, d.item = fmt.Errorf("directory %q is not there: %w", d.path, err), nil
	}
}

func makeDir(parent int, it *restoreItem) error {
	if it.change.Action == entry.Overwrite {
		if err := atRemove(parent, it.entry.Name, false); err != nil {
			return fmt.Errorf("remove what is in the way: %w", err)
		}
	}
	// Where another directory appeared meanwhile it is as good; a link there fails when it is opened.
	if err := unix.Mkdirat(parent, it.entry.Name, 0o700); err != nil && err != unix.EEXIST {
		return fmt.Errorf("make directory: %w", err)
	}
	return nil
}

// make makes a directory that is no entry itself, and those above it. It is called before something is put into d.
func (r *restorer) make(d *restoreDir) error {
	if d.made || d.lost != nil {
		return d.lost
	}
	if err := r.make(d.above); err != nil {
		return err
	}
	err := d.above.change(r, func(fd int) error { return unix.Mkdirat(fd, d.name, 0o700) })
	if err != nil && !errors.Is(err, unix.EEXIST) {
		d.lost = fmt.Errorf("make directory %q: %w", d.path, err)
	}
	d.made = true
	return d.lost
}

// change calls fn, which changes something in the directory. It may be called from any goroutine.
func (d *restoreDir) change(r *restorer, fn func(fd int) error) error {
	if d.lost != nil {
		return d.lost
	}
	return d.use(func(fd int) (err error) {
		d.opened.Do(func() { err = d.unlock(r, fd) })
		if err != nil {
			return err
		}
		d.touched.Store(true)
		return fn(fd)
	})
}

// unlock lets an owner other than root write into a read-only directory, whose mode is set again when it is finished.
func (d *restoreDir) unlock(r *restorer, fd int) error {
	if r.t.uid == 0 || d.item == nil || d.item.change.Action != entry.Update && d.item.change.Action != entry.Unchanged {
		return nil
	}
	thing := atPath(fd)
	st, err := thing.stat()
	if err == nil && int(st.Uid) == r.t.uid && st.Mode&0o300 != 0o300 {
		err = thing.chmod(st.Mode&0o7777 | 0o700)
	}
	if err != nil {
		return fmt.Errorf("make directory writable: %w", err)
	}
	return nil
}

// release says that one thing in d is done, and finishes d and those above it that wait for nothing else. It may be
// called from any goroutine.
func (r *restorer) release(d *restoreDir) {
	for ; d != nil && d.pending.Add(-1) == 0; d = d.above {
		if r.ctx.Err() == nil {
			r.finishDir(d)
		}
	}
}

func (r *restorer) finishDir(d *restoreDir) {
	var kept restoreKept
	var err error
	if d.item != nil && (restorePuts(d.item.change.Action) || d.item.change.Action == entry.Unchanged && d.touched.Load()) {
		err = d.use(func(fd int) error {
			var err error
			kept, err = r.setMeta(d.system, atPath(fd), &d.item.entry, restoreKnown{})
			return err
		})
	}
	err = errors.Join(err, r.dirs.close(d.handle))
	if d.item != nil {
		r.finish(d.item.change, kept, err)
	}
}
