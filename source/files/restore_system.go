package files

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/source/files/filesystem"
)

// systems are the file systems that were met, by device.
type systems struct {
	find func(fd int) *filesystem.System
	mu   sync.Mutex
	on   map[uint64]*filesystem.System
}

func (t *Target) systems() *systems {
	return &systems{find: t.systemOf, on: map[uint64]*filesystem.System{}}
}

// of returns the file system of an open directory on the device.
func (s *systems) of(fd int, device uint64) *filesystem.System {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.on[device] == nil {
		s.on[device] = s.find(fd)
	}
	return s.on[device]
}

// above returns the file system that dir, which is not there yet, will be on.
func (s *systems) above(dir string) (*filesystem.System, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the file system of %q: %w", dir, err)
	}
	for {
		dir = filepath.Dir(dir)
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err == nil {
			return s.find(fd), unix.Close(fd)
		}
		if !errors.Is(err, unix.ENOENT) {
			return nil, fmt.Errorf("find the file system of %q: %w", dir, err)
		}
	}
}

// without returns what of e is surely lost on the file system, as far as it would be set at all.
func (t *Target) without(system *filesystem.System, e *entry.Entry) entry.Loss {
	lost := system.Without(e)
	if t.opt.NoOwner || t.uid != 0 {
		lost &^= entry.LossOwner
	}
	return lost
}

// refusal says whether err may be how a file system says that it doesn't hold what was set.
func refusal(err error) bool {
	return err == unix.EPERM || err == unix.ENOTSUP || err == unix.ENOSYS || err == unix.EINVAL
}
