package files

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
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

// setMeta gives thing the metadata of e. It returns what could not be kept although nothing went wrong, "" for none.
// After an error it goes on: what can be set is set.
//
// The order matters: a new owner takes setuid bits and capabilities away, and an access list changes the mode.
func (r *restorer) setMeta(thing atThing, e *entry.Entry, now restoreKnown) (notice string, err error) {
	uid, gid, ownerErr := r.setOwner(thing, e, now)
	notices, attributesErr := r.setAttributes(thing, e, now)
	var modeErr, timesErr error
	if e.Type != entry.Symlink {
		mode := restoreMode(e, uid, gid)
		if mode != atMode(e.Mode) {
			notices = append(notices, "without its setuid or setgid bit, since its owner is another")
		}
		if !now.has(uid, gid, mode) {
			modeErr = thing.chmod(mode)
		}
		if modeErr != nil {
			modeErr = fmt.Errorf("set mode: %w", modeErr)
		}
	}
	access := unix.Timespec{Nsec: unix.UTIME_OMIT}
	if r.t.opt.AccessTime {
		access = atTime(e.AccessTime)
	}
	if timesErr = thing.setTimes(access, atTime(e.ModTime)); timesErr != nil {
		timesErr = fmt.Errorf("set times: %w", timesErr)
	}
	notices = append(notices, r.checkTime(thing, e)...)
	return strings.Join(notices, "; "), errors.Join(ownerErr, attributesErr, modeErr, timesErr)
}

// setOwner sets owner and group as far as options and rights allow and returns those that thing has now.
func (r *restorer) setOwner(thing atThing, e *entry.Entry, now restoreKnown) (uid, gid uint32, err error) {
	if now.made && now.uid == e.UID && now.gid == e.GID {
		return now.uid, now.gid, nil
	}
	if !r.t.opt.NoOwner {
		err = thing.chown(int(e.UID), int(e.GID))
		if err == nil {
			return e.UID, e.GID, nil
		}
		if err == unix.EPERM && r.t.uid != 0 {
			err = thing.chown(-1, int(e.GID)) // a group that the user is in
		}
		if err == unix.EPERM && r.t.uid != 0 {
			err = nil
		}
		if err != nil {
			err = fmt.Errorf("set owner %d:%d: %w", e.UID, e.GID, err)
		}
	}
	st, statErr := thing.stat()
	if statErr != nil {
		// Of an owner that isn't known nothing may be lent.
		return ^e.UID, ^e.GID, errors.Join(err, fmt.Errorf("read owner: %w", statErr))
	}
	return st.Uid, st.Gid, err
}

// setAttributes makes the extended attributes of thing those of e.
func (r *restorer) setAttributes(thing atThing, e *entry.Entry, now restoreKnown) (notices []string, err error) {
	var names []string
	if !now.bare {
		names, err = thing.attributeNames()
	}
	if err != nil {
		err = fmt.Errorf("list attributes: %w", err)
	}
	for _, name := range names { // such as the access list that a directory hands down
		if !restoreOwns(name) || restoreHas(e, name) {
			continue
		}
		if cause := thing.removeAttribute(name); cause != nil && cause != unix.ENODATA {
			err = errors.Join(err, fmt.Errorf("remove attribute %q: %w", name, cause))
		}
	}
	for _, a := range e.Attributes {
		kind, _, _ := strings.Cut(a.Name, ".")
		cause := thing.setAttribute(a.Name, a.Value)
		switch {
		case cause == nil:
		case cause == unix.ENOTSUP:
			notices = append(notices, r.once(fmt.Sprintf("the target's file system holds no %q attributes", kind))...)
		case cause == unix.EPERM && r.t.uid != 0 && !restoreOwns(a.Name):
			notices = append(notices, r.once(fmt.Sprintf("only root may set %q attributes", kind))...)
		default:
			err = errors.Join(err, fmt.Errorf("set attribute %q: %w", a.Name, cause))
		}
	}
	return notices, err
}

// checkTime looks whether the file system took a time that not every file system can hold.
func (r *restorer) checkTime(thing atThing, e *entry.Entry) []string {
	if s := e.ModTime.Unix(); s >= 0 && s < 1<<31 {
		return nil
	}
	if st, err := thing.stat(); err != nil || st.Mtim.Sec == e.ModTime.Unix() {
		return nil
	}
	return r.once(fmt.Sprintf("the target's file system can't hold the year %d", e.ModTime.Year()))
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
