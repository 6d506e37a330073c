package files

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
)

const (
	applyDirs  = 128 // directories held open
	applyFiles = 256 // unfinished files held open; a fetch may have more in work
)

// Apply implements source.Restorer. It fetches files in batches of up to 8,192 and reports each when it has its name,
// so reports come in another order than the plan. Directories get their metadata, and are reported, after all in them.
// A Conflict is left alone like a Skip. A Create fails where something has appeared since the plan.
//
// A full or read-only file system ends the restore, since every further file would be lost, too. When Apply returned nil
// everything is written to the disk.
func (t *Target) Apply(ctx context.Context, plan iter.Seq2[entry.Change, error], entries iter.Seq2[entry.Entry, error],
	contents entry.Contents, report func(entry.Change)) (err error) {
	if err := t.check(); err != nil {
		return err
	}
	fd, err := t.lock()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &restorer{
		t: t, ctx: ctx, cancel: cancel, contents: contents, report: report,
		dirs: &restorePool{limit: applyDirs}, files: &restorePool{limit: applyFiles},
		links: map[atID]*restoreLink{}, said: map[string]bool{},
	}
	defer func() { err = errors.Join(err, r.files.closeAll(), r.dirs.closeAll(), unix.Close(fd)) }()
	r.levels = []*restoreDir{{atDir: newAtRoot(r.dirs, t.systems(), fd), made: true}}
	if err := r.merge(plan, entries); err != nil {
		return fmt.Errorf("target %q: %w", t.dir, err)
	}
	if err := unix.Syncfs(fd); err != nil {
		return fmt.Errorf("write out target %q: %w", t.dir, err)
	}
	return nil
}

// restorer applies one plan. One goroutine merges plan and entries and makes all but the bytes of files; those come
// from the goroutines of a fetch while it waits.
type restorer struct {
	t        *Target
	ctx      context.Context
	cancel   context.CancelCauseFunc // ends the restore with a reason
	contents entry.Contents
	dirs     *restorePool
	files    *restorePool
	levels   []*restoreDir // from the target to the directory of the entry in work
	order    restoreOrder
	batch    restoreBatch
	waiting  []*restoreItem // hard links to files of the batch

	mu     sync.Mutex // guards what follows
	report func(entry.Change)
	links  map[atID]*restoreLink // by inode in the snapshot
	said   map[string]bool       // notices that were given
}

// restoreItem is an entry with what is to be done about it.
type restoreItem struct {
	entry  entry.Entry
	change entry.Change
	dir    *restoreDir
}

// merge does what plan says, entry by entry, and what is left in the batch at the end.
func (r *restorer) merge(plan iter.Seq2[entry.Change, error], entries iter.Seq2[entry.Entry, error]) error {
	next, stop := iter.Pull2(entries)
	defer stop()
	e, lost, more, err := nextEntry(next)
	for c, planErr := range plan {
		if err = errors.Join(err, planErr, context.Cause(r.ctx)); err != nil {
			return err
		}
		for more && restorePuts(c.Action) && atCompare(e.Path, c.Path) < 0 {
			r.unplanned(&e, lost)
			if e, lost, more, err = nextEntry(next); err != nil {
				return err
			}
		}
		if !more || e.Path != c.Path {
			r.alone(c)
			continue
		}
		if lost == nil {
			err = r.apply(&restoreItem{entry: e, change: c})
		} else {
			r.lose(entry.Change{Path: e.Path, Type: c.Type, Size: c.Size}, lost)
		}
		if err == nil {
			e, lost, more, err = nextEntry(next)
		}
	}
	for ; more && err == nil; e, lost, more, err = nextEntry(next) {
		r.unplanned(&e, lost)
	}
	if err != nil {
		return err
	}
	if err := r.flush(); err != nil {
		return err
	}
	r.leaveTo("")
	return context.Cause(r.ctx)
}

// nextEntry returns the next entry, or of a lost one its path and why it is lost.
func nextEntry(next func() (entry.Entry, error, bool)) (e entry.Entry, lost error, more bool, err error) {
	e, err, more = next()
	if err == nil {
		return e, nil, more, nil
	}
	if one := (*entry.Error)(nil); errors.As(err, &one) {
		return entry.Entry{Path: one.Path}, one.Err, true, nil
	}
	return e, nil, false, err
}

// restorePuts says whether the action puts an entry in its place.
func restorePuts(a entry.Action) bool {
	return a == entry.Create || a == entry.Overwrite || a == entry.Update
}

// unplanned reports an entry that the plan does not name.
func (r *restorer) unplanned(e *entry.Entry, lost error) {
	if lost == nil {
		lost = errors.New("the plan does not have it")
	}
	r.lose(entry.Change{Path: e.Path, Type: e.Type, Size: e.Size}, lost)
}

// alone does what is planned for a path that no entry has.
func (r *restorer) alone(c entry.Change) {
	switch {
	case c.Action == entry.Delete:
		if err := r.remove(c); err != nil {
			r.lose(c, err)
			return
		}
	case restorePuts(c.Action):
		r.lose(c, errors.New("the snapshot does not yield it any more"))
		return
	}
	r.tell(c)
}

func (r *restorer) remove(c entry.Change) error {
	dir, name := atSplit(c.Path)
	if err := restoreSafe(&entry.Entry{Path: c.Path, Meta: entry.Meta{Name: name}}); err != nil {
		return err
	}
	err := r.enter(dir).change(r, func(fd int) error { return atRemove(fd, name, c.Type == entry.Dir) })
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("delete: %w", err)
	}
	return nil
}

// apply does what is planned for an entry. Its error ends the restore.
func (r *restorer) apply(it *restoreItem) error {
	if err := r.order.check(&it.entry); err != nil {
		r.lose(it.change, err)
		return nil
	}
	dir, _ := atSplit(it.entry.Path)
	it.dir = r.enter(dir)
	if it.entry.Type == entry.Dir {
		r.descend(it)
		return nil
	}
	switch it.change.Action {
	case entry.Create, entry.Overwrite:
		return r.put(it)
	case entry.Update:
		r.update(it)
	case entry.Unchanged:
		if err := r.keepLink(it); err != nil {
			r.lose(it.change, fmt.Errorf("look at what is there: %w", err))
			return nil
		}
		r.tell(it.change)
	case entry.Skip, entry.Conflict, entry.Failed:
		r.tell(it.change)
	default:
		r.lose(it.change, fmt.Errorf("an entry of the snapshot can't have the action %q", it.change.Action))
	}
	return nil
}

// tell reports c, one at a time.
func (r *restorer) tell(c entry.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report(c)
}

// lose reports that c could not be done. What no other file would survive either ends the restore.
func (r *restorer) lose(c entry.Change, err error) {
	c.Action, c.Reason = entry.Failed, err.Error()
	r.tell(c)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EROFS) {
		r.cancel(fmt.Errorf("restore %q: %w", c.Path, err))
	}
}

// finish reports that c was done, with what was not kept or what of its metadata could not be set.
func (r *restorer) finish(c entry.Change, kept restoreKept, incomplete error) {
	c.Without |= kept.without
	switch {
	case incomplete != nil:
		c.Action, c.Reason = entry.Failed, fmt.Sprintf("it is in place, but: %v", incomplete)
	case kept.notice != "":
		c.Reason = kept.notice
	}
	r.tell(c)
}

// once returns the notice the first time it is given.
func (r *restorer) once(notice string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.said[notice] {
		return nil
	}
	r.said[notice] = true
	return []string{notice}
}
