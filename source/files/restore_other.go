package files

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
)

// put restores an entry that is no directory. Its error ends the restore.
func (r *restorer) put(it *restoreItem) error {
	if err := r.make(it.dir); err != nil {
		r.lose(it.change, err)
		return nil
	}
	if it.entry.Links > 1 && r.link(it) {
		if len(r.waiting) < restoreBatchFiles {
			return nil
		}
		return r.flush()
	}
	if it.entry.Type == entry.File && it.entry.Size > 0 {
		return r.queue(it)
	}
	if it.entry.Type == entry.File {
		it.dir.pending.Add(1)
		f := newRestoreFile(r, it)
		f.settle(nil)
		return nil
	}
	r.special(it)
	return nil
}

// special restores a symbolic link, a fifo or a device.
func (r *restorer) special(it *restoreItem) {
	temp := restoreTemp(&it.entry)
	var kept restoreKept
	var incomplete error
	err := it.dir.change(r, func(dir int) error {
		err := makeSpecial(dir, temp, &it.entry)
		if err == unix.EEXIST { // a restore that was killed left it
			if err = atRemove(dir, temp, false); err == nil {
				err = makeSpecial(dir, temp, &it.entry)
			}
		}
		if err != nil {
			return fmt.Errorf("make %s: %w", it.entry.Type, err)
		}
		st, err := openThing(dir, temp, &it.entry, func(thing atThing) {
			kept, incomplete = r.setMeta(it.dir.system, thing, &it.entry, restoreKnown{})
		})
		if err == nil {
			err = it.commit(dir, temp)
		}
		if err != nil {
			return errors.Join(err, atRemove(dir, temp, false))
		}
		r.addLink(it, atIDOf(st))
		return nil
	})
	if err != nil {
		r.dropLink(it)
		r.lose(it.change, err)
		return
	}
	r.finish(it.change, kept, incomplete)
}

func makeSpecial(dir int, name string, e *entry.Entry) error {
	if e.Type == entry.Symlink {
		return unix.Symlinkat(e.LinkTarget, dir, name)
	}
	return unix.Mknodat(dir, name, restoreDevice(e.Type)|0o600, int(e.Device))
}

// update sets the metadata of what is there already.
func (r *restorer) update(it *restoreItem) {
	var kept restoreKept
	var incomplete error
	err := it.dir.use(func(dir int) error {
		st, err := openThing(dir, it.entry.Name, &it.entry, func(thing atThing) {
			kept, incomplete = r.setMeta(it.dir.system, thing, &it.entry, restoreKnown{})
		})
		if err == nil && it.entry.Links > 1 {
			r.addLink(it, atIDOf(st))
		}
		return err
	})
	if err != nil {
		r.lose(it.change, err)
		return
	}
	r.finish(it.change, kept, incomplete)
}

// openThing opens name for its metadata if it is what e is, and has no names that e does not have: through these the
// metadata would be set of a file that may be anywhere.
func openThing(dir int, name string, e *entry.Entry, fn func(atThing)) (st *unix.Stat_t, err error) {
	fd, err := atOpen(dir, name, unix.O_PATH, 0)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	thing := atPath(fd)
	if st, err = thing.stat(); err != nil {
		return nil, fmt.Errorf("stat: %w", err)
	}
	if atType(st) != e.Type || uint64(st.Nlink) > max(e.Links, 1) {
		return nil, errors.New("something else has appeared there since the plan")
	}
	fn(thing)
	return st, nil
}

// restoreLink is the first name that was restored of an inode with several.
type restoreLink struct {
	dir  *restoreDir
	name string
	id   atID   // at the target; zero while it is in work
	left uint64 // names that may still come
}

// link makes it a hard link to the first name of its inode. It returns false where this is the first, or where
// linking is impossible: then the entry is restored on its own.
func (r *restorer) link(it *restoreItem) bool {
	key := atID{dev: it.entry.DeviceID, inode: it.entry.Inode}
	if key == (atID{}) {
		return false
	}
	r.mu.Lock()
	first := r.links[key]
	if first == nil {
		r.links[key] = &restoreLink{dir: it.dir, name: it.entry.Name, left: it.entry.Links - 1}
	}
	r.mu.Unlock()
	if first == nil {
		return false
	}
	if first.id == (atID{}) { // it is in the batch, whose files are finished only by flush
		it.dir.pending.Add(1)
		r.waiting = append(r.waiting, it)
		return true
	}
	if err := r.linkTo(first, it); err != nil {
		it.change.Without |= entry.LossLink
		it.change.Reason = fmt.Sprintf("a file of its own: link to %q: %v", atJoin(first.dir.path, first.name), err)
		return false
	}
	if first.left--; first.left == 0 {
		r.dropLink(it)
	}
	r.tell(it.change)
	return true
}

func (r *restorer) linkTo(first *restoreLink, it *restoreItem) error {
	temp := restoreTemp(&it.entry)
	return it.dir.change(r, func(dir int) error {
		if err := atRemove(dir, temp, false); err != nil {
			return err
		}
		err := first.dir.use(func(from int) error { return unix.Linkat(from, first.name, dir, temp, 0) })
		if err != nil {
			return err
		}
		st, err := atStat(dir, temp)
		if err == nil && (st == nil || atIDOf(st) != first.id) {
			err = errors.New("it was replaced since it was restored")
		}
		if err == nil {
			err = it.commit(dir, temp)
		}
		// Renaming one name of a file to another of its names does nothing, and so the first is still there.
		return errors.Join(err, atRemove(dir, temp, false))
	})
}

// addLink notes that the first name of an inode is in its place.
func (r *restorer) addLink(it *restoreItem, id atID) {
	if it.entry.Links <= 1 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := atID{dev: it.entry.DeviceID, inode: it.entry.Inode}
	if first := r.links[key]; first != nil && first.dir == it.dir && first.name == it.entry.Name {
		first.id = id
	} else if first == nil && key != (atID{}) {
		r.links[key] = &restoreLink{dir: it.dir, name: it.entry.Name, id: id, left: it.entry.Links - 1}
	}
}

// keepLink notes the same of a name that needs no work. Where it can't be looked at others are restored on their own.
func (r *restorer) keepLink(it *restoreItem) error {
	if it.entry.Links <= 1 {
		return nil
	}
	return it.dir.use(func(dir int) error {
		st, err := atStat(dir, it.entry.Name)
		if err == nil && st != nil && atType(st) == it.entry.Type {
			r.addLink(it, atIDOf(st))
		}
		return err
	})
}

// dropLink forgets the first name of an inode: it was lost, or no other is to come.
func (r *restorer) dropLink(it *restoreItem) {
	if it.entry.Links <= 1 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.links, atID{dev: it.entry.DeviceID, inode: it.entry.Inode})
}
