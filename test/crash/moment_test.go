//go:build linux

package crash

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// moment is when a process is killed: some time after its start, or as soon as it has made that many changes in the folders of the
// repository, where kills hit most.
type moment struct {
	after   time.Duration
	changes int64 // 0: by time
}

// course is what an operation does if nobody kills it.
type course struct {
	takes   time.Duration
	changes int64
}

// moment returns one that the random numbers decide.
func (c course) moment(rng *rand.Rand, byTime bool) moment {
	if byTime || c.changes == 0 {
		return moment{after: time.Duration(rng.Int64N(int64(c.takes)))}
	}
	return moment{after: 10 * c.takes, changes: 1 + rng.Int64N(c.changes)}
}

// watch counts the files that are made, renamed or removed in the folders that dir has now, and calls reached at the n-th.
func watch(t *testing.T, dir string, n int64, reached func()) (count *atomic.Int64, stop func()) {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_, err = unix.InotifyAddWatch(fd, path, unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_DELETE)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	events := os.NewFile(uintptr(fd), "inotify")
	count = new(atomic.Int64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 64<<10)
		for {
			size, err := events.Read(buf) // ends with an error when it is closed
			if err != nil {
				return
			}
			for p := buf[:size]; len(p) > 0; p = p[unix.SizeofInotifyEvent+binary.NativeEndian.Uint32(p[12:]):] { // the length of a name is at 12
				if count.Add(1) == n {
					reached()
				}
			}
		}
	}()
	return count, func() {
		_ = events.Close() // the goroutine gets its error
		<-done
	}
}
