package files

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
)

// deleteNames plans to delete what the directory holds and the snapshot does not.
func (p *planner) deleteNames(level *planLevel, names []string) error {
	for _, name := range names {
		path := atJoin(level.dir.path, name)
		if level.lossy || restoreIsTemp(name) || !p.t.opt.Delete(path) {
			continue
		}
		if level.dir.mounted() {
			// What is mounted here may be another disk, or no files at all as in /proc.
			if err := p.emit(entry.Change{Path: path, Action: entry.Skip, Reason: "not deleted: it is below a mount point"}); err != nil {
				return err
			}
			continue
		}
		if _, err := p.deleteTree(level.dir, name); err != nil {
			return err
		}
	}
	return nil
}

// deleteTree plans to delete name and what is in it, bottom up; gone says that nothing stays.
func (p *planner) deleteTree(dir *atDir, name string) (gone bool, err error) {
	c := entry.Change{Path: atJoin(dir.path, name), Action: entry.Delete}
	st, names, sub, err := p.look(dir, name)
	if st != nil {
		c.Type = atType(st)
	}
	if err != nil {
		c.Action, c.Reason = entry.Skip, fmt.Sprintf("not deleted: %v", err)
		return false, p.emit(c)
	}
	gone = true
	for _, n := range names {
		below := false
		if p.t.opt.Delete(atJoin(c.Path, n)) {
			if below, err = p.deleteTree(sub, n); err != nil {
				return false, err
			}
		}
		gone = gone && below
	}
	if sub != nil {
		if err := p.dirs.close(sub.handle); err != nil {
			return false, fmt.Errorf("close directory %q: %w", sub.path, err)
		}
	}
	if !gone || st == nil {
		return gone, nil
	}
	if c.Type == entry.File {
		c.Old = uint64(st.Size)
	}
	if p.t.opt.Overwrite == Ask {
		c.Action, c.Reason = entry.Conflict, "the snapshot does not have it"
	}
	return true, p.emit(c)
}

// look returns what name is, and of a directory its names. A mount point is not looked into.
func (p *planner) look(dir *atDir, name string) (st *unix.Stat_t, names []string, sub *atDir, err error) {
	err = dir.use(func(fd int) error {
		st, err = atStat(fd, name)
		return err
	})
	if err != nil || !atIsDir(st) {
		return st, nil, nil, err
	}
	sub = dir.child(name)
	err = sub.use(func(fd int) error {
		if sub.mounted() {
			return errors.New("a mount point")
		}
		names, err = atNames(fd)
		return err
	})
	return st, names, sub, err
}

// doomed says whether deleteTree would leave nothing of name.
func (p *planner) doomed(dir *atDir, name string) bool {
	if p.t.opt.Delete == nil || !p.t.opt.Delete(atJoin(dir.path, name)) {
		return false
	}
	_, names, sub, err := p.look(dir, name)
	if err != nil {
		return false
	}
	for _, n := range names {
		if !p.doomed(sub, n) {
			return false
		}
	}
	return sub == nil || p.dirs.close(sub.handle) == nil
}

// clear plans to empty the directory that stands in the place of e, which is none. Something in it that is to stay is
// a conflict: the file that is restored can't be had beside it.
func (p *planner) clear(level *planLevel, e *entry.Entry, c entry.Change) (entry.Change, error) {
	_, names, sub, err := p.look(level.dir, e.Name)
	for i := 0; err == nil && i < len(names); i++ {
		if !p.doomed(sub, names[i]) {
			err = fmt.Errorf("something in it is to stay: %q", atJoin(e.Path, names[i]))
		}
	}
	if err != nil {
		c.Action, c.Reason = entry.Conflict, fmt.Sprintf("a directory stands there: %v", err)
		return c, nil
	}
	for _, n := range names {
		if _, err := p.deleteTree(sub, n); err != nil {
			return c, err
		}
	}
	if sub == nil { // gone since it was looked at
		return c, nil
	}
	if err := p.dirs.close(sub.handle); err != nil {
		return c, fmt.Errorf("close directory %q: %w", sub.path, err)
	}
	return c, nil
}
