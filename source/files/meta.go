package files

import (
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
)

// metaReader turns what lstat tells into metadata. It may be used from any goroutine.
type metaReader struct {
	accessTime    bool
	users, groups nameCache
}

func newMetaReader(accessTime bool) *metaReader {
	return &metaReader{
		accessTime: accessTime,
		users: nameCache{find: func(id string) (string, error) {
			u, err := user.LookupId(id)
			if err != nil {
				return "", err
			}
			return u.Username, nil
		}},
		groups: nameCache{find: func(id string) (string, error) {
			g, err := user.LookupGroupId(id)
			if err != nil {
				return "", err
			}
			return g.Name, nil
		}},
	}
}

// fill sets what st tells. The times are in the local zone, which is the one they are stored in.
func (r *metaReader) fill(m *entry.Meta, st *unix.Stat_t) error {
	t, bits, err := metaType(st.Mode)
	if err != nil {
		return err
	}
	m.Type = t
	m.Mode = bits | metaMode(st.Mode)
	m.ModTime = time.Unix(st.Mtim.Unix())
	m.AccessTime = m.ModTime
	if r.accessTime {
		m.AccessTime = time.Unix(st.Atim.Unix())
	}
	m.ChangeTime = time.Unix(st.Ctim.Unix())
	m.UID, m.GID = st.Uid, st.Gid
	m.User, m.Group = r.users.name(st.Uid), r.groups.name(st.Gid)
	m.Inode, m.DeviceID = st.Ino, st.Dev
	switch t {
	case entry.File:
		m.Size, m.Links = uint64(st.Size), uint64(st.Nlink)
	case entry.Symlink:
		m.Links = uint64(st.Nlink)
	case entry.Device, entry.CharDev:
		m.Device, m.Links = st.Rdev, uint64(st.Nlink)
	}
	return nil
}

func metaType(mode uint32) (entry.Type, fs.FileMode, error) {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return entry.File, 0, nil
	case unix.S_IFDIR:
		return entry.Dir, fs.ModeDir, nil
	case unix.S_IFLNK:
		return entry.Symlink, fs.ModeSymlink, nil
	case unix.S_IFBLK:
		return entry.Device, fs.ModeDevice, nil
	case unix.S_IFCHR:
		return entry.CharDev, fs.ModeDevice | fs.ModeCharDevice, nil
	case unix.S_IFIFO:
		return entry.Fifo, fs.ModeNamedPipe, nil
	case unix.S_IFSOCK:
		return entry.Socket, fs.ModeSocket, nil
	default:
		return "", 0, fmt.Errorf("mode %#o is of no known type", mode)
	}
}

// metaMode returns the permissions, setuid, setgid and sticky bits as Go has them.
func metaMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode) & fs.ModePerm
	if mode&unix.S_ISUID != 0 {
		m |= fs.ModeSetuid
	}
	if mode&unix.S_ISGID != 0 {
		m |= fs.ModeSetgid
	}
	if mode&unix.S_ISVTX != 0 {
		m |= fs.ModeSticky
	}
	return m
}

// nameCache remembers the names of users or groups. An id without a name, or whose name can't be found out, has the
// name "": the id is what counts.
type nameCache struct {
	find  func(id string) (string, error)
	names sync.Map // uint32: string
}

func (c *nameCache) name(id uint32) string {
	if name, ok := c.names.Load(id); ok {
		return name.(string)
	}
	name, err := c.find(strconv.FormatUint(uint64(id), 10))
	if err != nil {
		name = ""
	}
	c.names.Store(id, name)
	return name
}
