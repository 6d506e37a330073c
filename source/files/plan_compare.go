package files

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/source/files/filesystem"
)

// decide plans e, and returns what stands in its place if something does.
func (p *planner) decide(level *planLevel, e *entry.Entry) (entry.Change, *unix.Stat_t, error) {
	c := entry.Change{Path: e.Path, Type: e.Type, Action: entry.Create, Size: e.Size}
	switch e.Type {
	case entry.Socket:
		level.release(e.Name)
		c.Action, c.Reason = entry.Skip, "a socket belongs to the program that opens it"
		return c, nil, nil
	case entry.File, entry.Dir, entry.Symlink, entry.Device, entry.CharDev, entry.Fifo:
	default:
		return c, nil, fmt.Errorf("unknown type %q", e.Type)
	}
	if level.blocked != "" {
		c.Action, c.Reason = level.blocked, level.reason
		return c, nil, nil
	}
	st, err := p.stat(level, e.Name)
	if err != nil {
		return c, nil, err
	}
	if err := p.refuse(level, e); err != nil {
		return c, nil, err
	}
	if st != nil {
		err = level.dir.use(func(fd int) error { return p.compare(level.system, fd, e, st, &c) })
	}
	if err == nil && e.Links > 1 {
		p.link(level.system, e, st, &c)
	}
	if restorePuts(c.Action) {
		c.Without |= p.t.without(level.system, e)
	}
	return c, st, err
}

// compare fills in what becomes of st, which stands in the place of e in the directory dir on the file system.
func (p *planner) compare(system *filesystem.System, dir int, e *entry.Entry, st *unix.Stat_t, c *entry.Change) error {
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		c.Old = uint64(st.Size)
	}
	if p.t.opt.Overwrite == Never {
		c.Action, c.Reason = entry.Skip, "something is there already"
		return nil
	}
	if p.t.opt.Overwrite == IfNewer && (!e.ModTime.After(modTime(st)) || system.SameTime(modTime(st), e.ModTime)) {
		c.Action, c.Reason = entry.Skip, "what is there is not older"
		return nil
	}
	c.Action = entry.Overwrite
	if is := atType(st); is != e.Type {
		c.Reason = fmt.Sprintf("takes the place of a %s", is)
		return nil
	}
	if equal, err := p.equalContent(system, dir, e, st); err != nil || !equal {
		return err
	}
	differs, err := p.differs(system, dir, e, st)
	if err != nil {
		return err
	}
	switch {
	case differs == "":
		c.Action = entry.Unchanged
	case e.Type != entry.Dir && uint64(st.Nlink) > max(e.Links, 1):
		c.Reason = differs + ", and it has other names that are to stay as they are"
	default:
		c.Action, c.Reason = entry.Update, differs
	}
	return nil
}

// link plans that the names of one inode are names of one inode at the target, too, where the file system has such.
func (p *planner) link(system *filesystem.System, e *entry.Entry, st *unix.Stat_t, c *entry.Change) {
	kept := c.Action == entry.Update || c.Action == entry.Unchanged
	if !kept && c.Action != entry.Create && c.Action != entry.Overwrite {
		return
	}
	id := atID{dev: e.DeviceID, inode: e.Inode}
	first := p.links[id]
	if first == nil {
		first = &planLink{path: e.Path, left: e.Links}
		if kept {
			first.id = atIDOf(st)
		}
		p.links[id] = first
	} else if system.HardLinks == filesystem.No {
		if !kept {
			c.Without |= entry.LossLink
		}
	} else if kept && first.id != atIDOf(st) {
		c.Action, c.Reason = entry.Overwrite, fmt.Sprintf("is not a hard link to %q", first.path)
	}
	if first.left--; first.left == 0 {
		delete(p.links, id)
	}
}

// equalContent says whether what stands there has the bytes, the link target or the device number of e.
func (p *planner) equalContent(system *filesystem.System, dir int, e *entry.Entry, st *unix.Stat_t) (bool, error) {
	switch e.Type {
	case entry.Symlink:
		target, err := atReadlink(dir, e.Name)
		return target == e.LinkTarget, err
	case entry.Device, entry.CharDev:
		return uint64(st.Rdev) == e.Device, nil
	case entry.File:
		trusted := p.t.opt.Overwrite == IfChanged || p.t.opt.Overwrite == Ask
		if uint64(st.Size) != e.Size || e.Size == 0 || trusted && system.SameTime(modTime(st), e.ModTime) {
			return uint64(st.Size) == e.Size, nil
		}
		return p.match(dir, e)
	}
	return true, nil
}

func (p *planner) match(dir int, e *entry.Entry) (equal bool, err error) {
	f, err := atOpenRead(dir, e.Name)
	if err != nil {
		return false, nil // what can't be read is replaced, or tells why not when it is
	}
	defer func() { err = errors.Join(err, unix.Close(int(f))) }()
	ranges, err := p.contents.Match(p.ctx, *e, f)
	if err != nil {
		return false, fmt.Errorf("compare contents: %w", err)
	}
	return len(ranges) == 0, nil
}

// differs tells which metadata of st is not as in e, in words; "" for none. What the user could not set, or the file system
// can't hold, is not compared.
func (p *planner) differs(system *filesystem.System, dir int, e *entry.Entry, st *unix.Stat_t) (string, error) {
	var what []string
	if system.Owner != filesystem.No && !p.t.opt.NoOwner && p.t.uid == 0 && (st.Uid != e.UID || st.Gid != e.GID) {
		what = append(what, "owner")
	}
	if system.Mode != filesystem.No && e.Type != entry.Symlink && st.Mode&0o7777 != restoreMode(e, st.Uid, st.Gid) {
		what = append(what, "mode")
	}
	if system.InRange(e.ModTime) && !system.SameTime(modTime(st), e.ModTime) {
		what = append(what, "time")
	}
	equal, err := p.equalAttributes(system, dir, e)
	if err != nil {
		return "", fmt.Errorf("read attributes of what is there: %w", err)
	}
	if !equal {
		what = append(what, "attributes")
	}
	if what == nil {
		return "", nil
	}
	return strings.Join(what, ", ") + " differ", nil
}

func (p *planner) equalAttributes(system *filesystem.System, dir int, e *entry.Entry) (bool, error) {
	names, err := atAttributeNames(dir, e.Name)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		if restoreOwns(name) && !restoreHas(e, name) {
			return false, nil
		}
	}
	for _, a := range e.Attributes {
		if p.t.uid != 0 && !restoreOwns(a.Name) || !system.HoldsAttribute(a.Name) {
			continue
		}
		equal := slices.Contains(names, a.Name)
		if equal {
			equal, err = atHasAttribute(dir, e.Name, a.Name, a.Value)
		}
		if err != nil || !equal {
			return false, err
		}
	}
	return true, nil
}

func atIsDir(st *unix.Stat_t) bool { return st != nil && st.Mode&unix.S_IFMT == unix.S_IFDIR }

func modTime(st *unix.Stat_t) time.Time { return time.Unix(st.Mtim.Unix()) }

// atType is the kind of thing st is.
func atType(st *unix.Stat_t) entry.Type {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return entry.File
	case unix.S_IFDIR:
		return entry.Dir
	case unix.S_IFLNK:
		return entry.Symlink
	case unix.S_IFBLK:
		return entry.Device
	case unix.S_IFCHR:
		return entry.CharDev
	case unix.S_IFIFO:
		return entry.Fifo
	default:
		return entry.Socket
	}
}
