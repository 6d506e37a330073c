package files

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/source/files/filesystem"
)

// restoreMode is the mode that a thing of this owner gets. The setuid and setgid bits lend the owner's rights, so without
// the owner of the snapshot they are left out.
func restoreMode(e *entry.Entry, uid, gid uint32) uint32 {
	mode := atMode(e.Mode)
	if uid != e.UID {
		mode &^= unix.S_ISUID
	}
	if gid != e.GID {
		mode &^= unix.S_ISGID
	}
	return mode
}

// restoreOwns says whether an attribute of this name that the snapshot does not have is to go. Others, such as
// security labels, are set by the system as it likes.
func restoreOwns(attribute string) bool {
	return strings.HasPrefix(attribute, "user.") || strings.HasPrefix(attribute, "system.posix_acl_")
}

func restoreHas(e *entry.Entry, attribute string) bool {
	return slices.ContainsFunc(e.Attributes, func(a entry.Attribute) bool { return a.Name == attribute })
}

// restoreKnown is what is known of a thing before its metadata is set, so that what is right already costs no call. The zero value
// is nothing.
type restoreKnown struct {
	made     bool // this restore made it, with the owner and mode here
	uid, gid uint32
	mode     uint32
	bare     bool // it has no attributes that a snapshot would have
}

func (k restoreKnown) has(uid, gid, mode uint32) bool {
	return k.made && k.uid == uid && k.gid == gid && k.mode == mode
}

// restoreKept is what of an entry could not be kept although nothing went wrong.
type restoreKept struct {
	without entry.Loss
	notice  string // "" none
}

// setMeta gives thing, which is on the file system, the metadata of e. After an error it goes on: what can be set is set.
//
// The order matters: a new owner takes setuid bits and capabilities away, and an access list changes the mode.
func (r *restorer) setMeta(system *filesystem.System, thing atThing, e *entry.Entry, now restoreKnown) (kept restoreKept, err error) {
	m := restoreMeta{r: r, system: system, thing: thing, entry: e, now: now}
	uid, gid, ownerErr := m.setOwner()
	attributesErr := m.setAttributes()
	modeErr := m.setMode(uid, gid)
	timesErr := m.setTimes()
	return restoreKept{without: m.without, notice: strings.Join(m.notices, "; ")}, errors.Join(ownerErr, attributesErr, modeErr, timesErr)
}

// restoreMeta sets the metadata of one thing.
type restoreMeta struct {
	r       *restorer
	system  *filesystem.System
	thing   atThing
	entry   *entry.Entry
	now     restoreKnown
	notices []string
	without entry.Loss
}

// tried returns err, but nil where the file system may refuse what it can't hold: then that is a loss.
func (m *restoreMeta) tried(holds filesystem.Answer, loss entry.Loss, err error) error {
	if err == nil || holds != filesystem.Tried || !refusal(err) {
		return err
	}
	m.without |= loss
	return nil
}

// setOwner sets owner and group as far as options and rights allow and returns those that thing has now.
func (m *restoreMeta) setOwner() (uid, gid uint32, err error) {
	e, holds := m.entry, m.system.Owner
	if m.now.made && m.now.uid == e.UID && m.now.gid == e.GID {
		return m.now.uid, m.now.gid, nil
	}
	if !m.r.t.opt.NoOwner && holds != filesystem.No {
		err = m.thing.chown(int(e.UID), int(e.GID))
		if err == nil && holds == filesystem.Yes {
			return e.UID, e.GID, nil
		}
		if err == unix.EPERM && m.r.t.uid != 0 {
			err = m.thing.chown(-1, int(e.GID)) // a group that the user is in
		}
		if err == unix.EPERM && m.r.t.uid != 0 {
			err = nil
		}
		if err = m.tried(holds, entry.LossOwner, err); err != nil {
			err = fmt.Errorf("set owner %d:%d: %w", e.UID, e.GID, err)
		}
	}
	st, statErr := m.thing.stat()
	if statErr != nil {
		// Of an owner that isn't known nothing may be lent.
		return ^e.UID, ^e.GID, errors.Join(err, fmt.Errorf("read owner: %w", statErr))
	}
	if holds == filesystem.Tried && !m.r.t.opt.NoOwner && m.r.t.uid == 0 && (st.Uid != e.UID || st.Gid != e.GID) {
		m.without |= entry.LossOwner // some take any owner and forget it
	}
	return st.Uid, st.Gid, err
}

// setMode sets the mode of a thing of this owner.
func (m *restoreMeta) setMode(uid, gid uint32) error {
	e, holds := m.entry, m.system.Mode
	if e.Type == entry.Symlink || holds == filesystem.No {
		return nil
	}
	mode := restoreMode(e, uid, gid)
	if mode != atMode(e.Mode) {
		m.notices = append(m.notices, "without its setuid or setgid bit, since its owner is another")
	}
	if m.now.has(uid, gid, mode) {
		return nil
	}
	if err := m.tried(holds, entry.LossMode, m.thing.chmod(mode)); err != nil {
		return fmt.Errorf("set mode: %w", err)
	}
	if holds == filesystem.Tried {
		if st, err := m.thing.stat(); err == nil && st.Mode&0o7777 != mode {
			m.without |= entry.LossMode
		}
	}
	return nil
}

// setAttributes makes the extended attributes of thing those of e.
func (m *restoreMeta) setAttributes() error {
	var names []string
	var err error
	if !m.now.bare {
		names, err = m.thing.attributeNames()
	}
	if err != nil {
		err = fmt.Errorf("list attributes: %w", err)
	}
	for _, name := range names { // such as the access list that a directory hands down
		if !restoreOwns(name) || restoreHas(m.entry, name) {
			continue
		}
		if cause := m.thing.removeAttribute(name); cause != nil && cause != unix.ENODATA {
			err = errors.Join(err, fmt.Errorf("remove attribute %q: %w", name, cause))
		}
	}
	for _, a := range m.entry.Attributes {
		cause := m.thing.setAttribute(a.Name, a.Value)
		switch {
		case cause == nil && m.keeps(a):
		case cause == nil || cause == unix.ENOTSUP:
			m.without |= entry.LossOf(a.Name)
		case cause == unix.EPERM && m.r.t.uid != 0 && !restoreOwns(a.Name):
			kind, _, _ := strings.Cut(a.Name, ".")
			m.notices = append(m.notices, m.r.once(fmt.Sprintf("only root may set %q attributes", kind))...)
		default:
			err = errors.Join(err, fmt.Errorf("set attribute %q: %w", a.Name, cause))
		}
	}
	return err
}

// keeps says whether the file system has kept an attribute that was set: some take any and forget it.
func (m *restoreMeta) keeps(a entry.Attribute) bool {
	holds := m.system.Attributes
	if entry.LossOf(a.Name) == entry.LossACL {
		holds = m.system.ACLs
	}
	if holds != filesystem.Tried {
		return true
	}
	kept, err := m.thing.hasAttribute(a.Name, a.Value)
	return kept || err != nil // which tells nothing
}

// setTimes sets the modification time, and the access time if it is asked for, and looks whether the file system took
// one that not each of its kind can hold.
func (m *restoreMeta) setTimes() error {
	e := m.entry
	access := unix.Timespec{Nsec: unix.UTIME_OMIT}
	if m.r.t.opt.AccessTime {
		access = atTime(e.AccessTime)
	} else if m.system.FUSE() { // programs built on libfuse 2 set both times or, without a word, none
		if st, err := m.thing.stat(); err == nil {
			access = st.Atim
		}
	}
	if err := m.thing.setTimes(access, atTime(e.ModTime)); err != nil {
		return fmt.Errorf("set times: %w", err)
	}
	if s := e.ModTime.Unix(); s >= 0 && s < 1<<31 {
		return nil
	}
	if st, err := m.thing.stat(); err == nil && st.Mtim.Sec != e.ModTime.Unix() {
		m.without |= entry.LossTime
	}
	return nil
}

// restoreDevice is what mknod takes as its mode.
func restoreDevice(t entry.Type) (mode uint32) {
	switch t {
	case entry.Device:
		return unix.S_IFBLK
	case entry.CharDev:
		return unix.S_IFCHR
	default:
		return unix.S_IFIFO
	}
}
