package files

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/source/files/filesystem"
)

// planDirs is how many directories a plan holds open: most trees are not deeper, and deeper ones are walked again.
const planDirs = 64

// Plan implements source.Restorer. Entries that must not be restored, whatever the target holds, are planned as Failed.
// It holds the directories from the target to the entry in work, with their names where something may be deleted.
func (t *Target) Plan(ctx context.Context, entries iter.Seq2[entry.Entry, error], contents entry.Contents) iter.Seq2[entry.Change, error] {
	return func(yield func(entry.Change, error) bool) {
		p := planner{t: t, ctx: ctx, contents: contents, dirs: &restorePool{limit: planDirs}, links: map[atID]*planLink{}}
		p.emit = func(c entry.Change) error {
			if !yield(c, nil) {
				return errPlanStopped
			}
			return context.Cause(ctx)
		}
		if err := p.run(entries); err != nil && !errors.Is(err, errPlanStopped) {
			yield(entry.Change{}, err)
		}
	}
}

// errPlanStopped says that nobody wants the rest of the plan.
var errPlanStopped = errors.New("stopped")

// planner merges the entries with what is at the target.
type planner struct {
	t        *Target
	ctx      context.Context
	contents entry.Contents
	emit     func(entry.Change) error // an error ends the plan
	dirs     *restorePool
	levels   []*planLevel // from the target to the directory of the entry in work
	order    restoreOrder
	links    map[atID]*planLink // by inode in the snapshot
}

// planLevel is a directory of the target on the way to the entry in work.
type planLevel struct {
	dir     *atDir
	absent  bool         // not there yet
	blocked entry.Action // what becomes of everything below, since this is no directory and stays so; "" none
	reason  string       // of blocked
	names   []string     // at the target, not yet passed; only where something may be deleted
	lossy   bool         // not all of its entries could be read
	system  *filesystem.System
	folded  map[string]string // the name that has the place of each, by FoldName; "" if it is not restored. nil where none are one
}

// planLink is the first name of an inode with several.
type planLink struct {
	path string
	id   atID   // at the target if it stays there, else zero
	left uint64 // names that are still to come
}

func (p *planner) run(entries iter.Seq2[entry.Entry, error]) (err error) {
	if err := p.t.check(); err != nil {
		return err
	}
	fd, err := p.t.open()
	if err == nil {
		defer func() { err = errors.Join(err, p.dirs.closeAll(), unix.Close(fd)) }()
	} else if !errors.Is(err, unix.ENOENT) {
		return err
	}
	root := &planLevel{dir: newAtRoot(p.dirs, p.t.systems(), fd), absent: err != nil}
	p.levels = []*planLevel{root}
	if root.absent {
		if root.dir.system, err = root.dir.systems.above(p.t.dir); err != nil {
			return err
		}
	}
	if err := p.begin(root); err != nil {
		return err
	}
	for e, err := range entries {
		if err := p.step(e, err); err != nil {
			return err
		}
	}
	if err := p.leaveTo(""); err != nil {
		return err
	}
	return p.passAll(p.levels[0])
}

// step plans one entry, and before it the deletion of what is passed on the way.
func (p *planner) step(e entry.Entry, err error) error {
	if lost := (*entry.Error)(nil); errors.As(err, &lost) {
		return p.lose(lost)
	}
	if err != nil {
		return err
	}
	failed := entry.Change{Path: e.Path, Type: e.Type, Action: entry.Failed, Size: e.Size}
	if err := p.order.check(&e); err != nil {
		p.refused(e.Path)
		failed.Reason = err.Error()
		return p.emit(failed)
	}
	level, err := p.enter(e.Path)
	if err != nil {
		return err
	}
	change, st, err := p.decide(level, &e)
	if err != nil {
		failed.Reason = err.Error()
		change, st = failed, nil
	}
	if change.Action == entry.Overwrite && atIsDir(st) {
		if change, err = p.clear(level, &e, change); err != nil {
			return err
		}
	}
	if p.t.opt.Overwrite == Ask && (change.Action == entry.Overwrite || change.Action == entry.Update) {
		change.Action = entry.Conflict
	}
	if err := p.emit(change); err != nil || e.Type != entry.Dir {
		return err
	}
	return p.descend(level, &e, change, st)
}

// lose passes over what could not be read of the snapshot: a name, or the inside of a directory whose entry came before.
func (p *planner) lose(lost *entry.Error) error {
	for _, l := range p.levels {
		l.lossy = l.lossy || atBelow(l.dir.path, lost.Path)
	}
	_, name := atSplit(lost.Path)
	if restoreSafe(&entry.Entry{Path: lost.Path, Meta: entry.Meta{Name: name}}) == nil {
		if _, err := p.enter(lost.Path); err != nil {
			return err
		}
	}
	return p.emit(entry.Change{Path: lost.Path, Action: entry.Failed, Reason: lost.Err.Error()})
}

// refused stops deletions in the directories around a refused entry: what else they hold is not sure.
func (p *planner) refused(path string) {
	for _, l := range p.levels {
		l.lossy = l.lossy || atBelow(path, l.dir.path)
	}
}

// enter makes the directory of path the last level and plans the deletion of the names passed there.
func (p *planner) enter(path string) (*planLevel, error) {
	dir, name := atSplit(path)
	if err := p.leaveTo(dir); err != nil {
		return nil, err
	}
	level := p.levels[len(p.levels)-1]
	for level.dir.path != dir { // parents that are no entries themselves
		e := entry.Entry{Meta: entry.Meta{Name: firstName(dir, level.dir.path), Type: entry.Dir}}
		e.Path = atJoin(level.dir.path, e.Name)
		if err := p.pass(level, e.Name); err != nil {
			return nil, err
		}
		change := entry.Change{Action: entry.Update}
		st, err := p.stat(level, e.Name)
		if st == nil {
			change.Action = entry.Create
		}
		if err != nil || st != nil && !atIsDir(st) {
			change.Action = entry.Failed
		}
		if err := p.refuse(level, &e); err != nil {
			change.Action, change.Reason = entry.Failed, err.Error()
		}
		if err := p.descend(level, &e, change, st); err != nil {
			return nil, err
		}
		level = p.levels[len(p.levels)-1]
	}
	return level, p.pass(level, name)
}

// firstName is the first name of path below dir.
func firstName(path, dir string) string {
	if dir != "" {
		path = path[len(dir)+1:]
	}
	for i := range len(path) {
		if path[i] == '/' {
			return path[:i]
		}
	}
	return path
}

// descend makes e, a directory with what was planned for it and st in its place, the last level.
func (p *planner) descend(above *planLevel, e *entry.Entry, change entry.Change, st *unix.Stat_t) error {
	level := &planLevel{dir: above.dir.child(e.Name), absent: above.absent, blocked: above.blocked, reason: above.reason}
	p.levels = append(p.levels, level)
	switch {
	case above.blocked != "":
	case change.Action == entry.Failed || !above.absent && !restorePuts(change.Action) && !atIsDir(st):
		level.blocked = change.Action
		level.reason = fmt.Sprintf("its directory %q is not restored", e.Path)
		if change.Path == "" && change.Reason != "" { // that directory is no entry, and has no line where it stands
			level.reason += ": " + change.Reason
		}
	case above.absent || change.Action == entry.Create || change.Action == entry.Overwrite:
		level.absent = true
	}
	return p.begin(level)
}

// begin finds out what level is on, and what may have to be deleted from it.
func (p *planner) begin(level *planLevel) error {
	there := !level.absent && level.blocked == ""
	var err error
	if there {
		err = level.dir.use(func(fd int) (err error) {
			if p.t.opt.Delete != nil {
				level.names, err = atNames(fd)
			}
			return err
		})
	}
	level.system = level.dir.fileSystem()
	if level.system.Fold {
		level.folded = map[string]string{}
	}
	if err != nil && p.t.opt.Delete != nil {
		reason := fmt.Sprintf("nothing in it is deleted: %v", err)
		return p.emit(entry.Change{Path: level.dir.path, Type: entry.Dir, Action: entry.Skip, Reason: reason})
	}
	return nil // what can't be opened tells so when it is used
}

// stat returns what stands at name, nil for nothing.
func (p *planner) stat(level *planLevel, name string) (st *unix.Stat_t, err error) {
	if level.absent || level.blocked != "" {
		return nil, nil
	}
	err = level.dir.use(func(fd int) error {
		st, err = atStat(fd, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look at what is there: %w", err)
	}
	return st, nil
}

// leaveTo leaves the directories that path is not in, planning the deletion of what is left in them.
func (p *planner) leaveTo(path string) error {
	for {
		last := p.levels[len(p.levels)-1]
		if atBelow(path, last.dir.path) {
			return nil
		}
		if err := p.passAll(last); err != nil {
			return err
		}
		if err := p.dirs.close(last.dir.handle); err != nil {
			return fmt.Errorf("close directory %q: %w", last.dir.path, err)
		}
		p.levels = p.levels[:len(p.levels)-1]
	}
}

// pass plans the deletion of the names before name, and takes name itself out of the list. Where names may be one, another
// that stands there may be meant by a name yet to come: there the deletions wait for the end.
func (p *planner) pass(level *planLevel, name string) error {
	if level.folded != nil {
		level.claim(name)
		return nil
	}
	i, found := slices.BinarySearch(level.names, name)
	passed := level.names[:i]
	if found {
		i++
	}
	level.names = level.names[i:]
	return p.deleteNames(level, passed)
}

func (p *planner) passAll(level *planLevel) error {
	names := level.names
	level.names = nil
	if level.folded != nil {
		names = slices.DeleteFunc(names, func(name string) bool {
			_, claimed := level.folded[level.system.FoldName(name)]
			return claimed
		})
	}
	return p.deleteNames(level, names)
}
