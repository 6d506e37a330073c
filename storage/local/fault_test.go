package local_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"iter"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/local"
)

// spyFS is the real file system, with a look at each call before it is made.
type spyFS struct {
	local.OS
	before func(op, path string) error // may be nil; its error is the call's
	open   atomic.Int64                // files open for reading
}

func (s *spyFS) look(op, path string) error {
	if s.before == nil {
		return nil
	}
	return s.before(op, path)
}

func (s *spyFS) Create(path string) (local.File, error) {
	if err := s.look("create", path); err != nil {
		return nil, err
	}
	f, err := s.OS.Create(path)
	return &spyFile{f, s, path, false}, err
}

func (s *spyFS) Open(path string) (local.File, error) {
	if err := s.look("open", path); err != nil {
		return nil, err
	}
	f, err := s.OS.Open(path)
	if err != nil {
		return nil, err
	}
	s.open.Add(1)
	return &spyFile{f, s, path, true}, nil
}

func (s *spyFS) Stat(path string) (fs.FileInfo, error) {
	if err := s.look("stat", path); err != nil {
		return nil, err
	}
	return s.OS.Stat(path)
}

func (s *spyFS) Rename(from, to string) error {
	if err := s.look("rename", to); err != nil {
		return err
	}
	return s.OS.Rename(from, to)
}

func (s *spyFS) Chmod(path string, mode fs.FileMode) error {
	if err := s.look("chmod", path); err != nil {
		return err
	}
	return s.OS.Chmod(path, mode)
}

func (s *spyFS) Remove(path string) error {
	if err := s.look("remove", path); err != nil {
		return err
	}
	return s.OS.Remove(path)
}

func (s *spyFS) Mkdir(path string) error {
	if err := s.look("mkdir", path); err != nil {
		return err
	}
	return s.OS.Mkdir(path)
}

func (s *spyFS) ReadDir(path string) iter.Seq2[string, error] {
	if err := s.look("readdir", path); err != nil {
		return func(yield func(string, error) bool) { yield("", err) }
	}
	return s.OS.ReadDir(path)
}

func (s *spyFS) SyncDir(path string) error {
	if err := s.look("syncdir", path); err != nil {
		return err
	}
	return s.OS.SyncDir(path)
}

type spyFile struct {
	local.File
	fs      *spyFS
	path    string
	reading bool
}

// Write writes half of p when it is told to fail, as a disk does that fills up.
func (f *spyFile) Write(p []byte) (int, error) {
	if err := f.fs.look("write", f.path); err != nil {
		n, _ := f.File.Write(p[:len(p)/2])
		return n, err
	}
	return f.File.Write(p)
}

func (f *spyFile) ReadAt(p []byte, offset int64) (int, error) {
	if err := f.fs.look("readat", f.path); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, offset)
}

func (f *spyFile) Sync() error {
	if err := f.fs.look("sync", f.path); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *spyFile) Close() error {
	if f.reading {
		f.fs.open.Add(-1)
	}
	return errors.Join(f.fs.look("close", f.path), f.File.Close())
}

func TestASaveThatFailsAtAnyCallLeavesNoFile(t *testing.T) {
	broken := errors.New("device broke")
	for n := 1; ; n++ {
		dir, calls, failed := t.TempDir(), 0, ""
		b := local.New(&spyFS{before: func(op, path string) error {
			if calls++; calls != n {
				return nil
			}
			failed = op
			return &fs.PathError{Op: op, Path: path, Err: broken}
		}}, dir, local.Options{})
		err := b.Save(t.Context(), packName, storage.Bytes(make([]byte, 5<<20)))
		if failed == "" {
			if err != nil || n < 15 {
				t.Errorf("Save with no call failing = %v after %d calls", err, calls)
			}
			return
		}
		if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), `save "data/ab/pack": `) {
			t.Errorf("Save with call %d (%s) failing = %v, want that error, with what on which", n, failed, err)
		}
		if left := files(t, dir); left != "" {
			t.Errorf("Save with call %d (%s) failing leaves %q", n, failed, left)
		}
		save(t, b, packName) // the next try finds nothing in its way
	}
}

func TestASaveOnADeviceThatDiesLeavesNoPartOfAFile(t *testing.T) {
	content := bytes.Repeat([]byte("content"), 1<<19)
	for n := 1; ; n++ {
		dir, calls := t.TempDir(), 0
		b := local.New(&spyFS{before: func(op, path string) error {
			if calls++; calls < n {
				return nil
			}
			return &fs.PathError{Op: op, Path: path, Err: syscall.EIO}
		}}, dir, local.Options{})
		err := b.Save(t.Context(), packName, storage.Bytes(content))
		if calls < n {
			return
		}
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("Save with all calls from the %d-th failing = %v, want EIO", n, err)
		}
		got, err := storage.LoadAll(t.Context(), local.New(local.OS{}, dir, local.Options{}), packName)
		if whole := err == nil && bytes.Equal(got, content); !whole && !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("with all calls from the %d-th failing there are %d bytes of %d, error %v", n, len(got), len(content), err)
		}
	}
}

func TestLoadListStatAndRemoveSayWhatFailed(t *testing.T) {
	for n := 1; ; n++ {
		dir, calls, failed := t.TempDir(), 0, ""
		save(t, local.New(local.OS{}, dir, local.Options{}), packName)
		b := local.New(&spyFS{before: func(op, path string) error {
			if calls++; calls != n || op == "close" {
				return nil
			}
			failed = op
			return &fs.PathError{Op: op, Path: path, Err: syscall.EIO}
		}}, dir, local.Options{})
		_, listed := list(t.Context(), b, "data")
		_, stated := b.Stat(t.Context(), packName)
		loaded := b.Load(t.Context(), packName, make([]byte, 3), 0)
		removed := b.Remove(t.Context(), packName)
		err := errors.Join(listed, stated, loaded, removed)
		if calls < n {
			if err != nil {
				t.Errorf("with no call failing: %v", err)
			}
			return
		}
		if failed != "" && !errors.Is(err, syscall.EIO) {
			t.Errorf("with call %d (%s) failing, all of them succeed", n, failed)
		}
	}
}

func TestAFileIsDurableBeforeItHasItsNameAndTheNameBeforeSaveReturns(t *testing.T) {
	dir := t.TempDir()
	var got []string
	random := regexp.MustCompile(`\.backstay-tmp-[0-9a-f]{32}`)
	b := local.New(&spyFS{before: func(op, path string) error {
		path, err := filepath.Rel(dir, path)
		got = append(got, op+" "+random.ReplaceAllString(filepath.ToSlash(path), "TEMP"))
		return err
	}}, dir, local.Options{})
	for _, name := range []string{"data/ab/first", "data/ab/second"} {
		save(t, b, name)
	}
	want := []string{
		"stat data/ab/first", "stat .", "mkdir data", "syncdir .", "mkdir data/ab", "syncdir data",
		"create data/ab/TEMP", "write data/ab/TEMP", "chmod data/ab/TEMP", "sync data/ab/TEMP", "close data/ab/TEMP",
		"stat data/ab/TEMP", "rename data/ab/first", "syncdir data/ab",
		"stat data/ab/second",
		"create data/ab/TEMP", "write data/ab/TEMP", "chmod data/ab/TEMP", "sync data/ab/TEMP", "close data/ab/TEMP",
		"stat data/ab/TEMP", "rename data/ab/second", "syncdir data/ab",
	}
	if !slices.Equal(got, want) {
		t.Errorf("two saves make the calls\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAFileSystemWithoutFsyncIsUsedAndKnown(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOTSUP, syscall.EINVAL, syscall.ENOSYS} {
		for _, call := range []string{"sync", "syncdir"} {
			b := local.New(&spyFS{before: func(op, path string) error {
				if op == call {
					return &fs.PathError{Op: op, Path: path, Err: errno}
				}
				return nil
			}}, t.TempDir(), local.Options{})
			if !b.PowerSafe() {
				t.Error("PowerSafe before any fsync = false")
			}
			save(t, b, packName)
			if b.PowerSafe() {
				t.Errorf("PowerSafe where %s answers %q = true", call, errno)
			}
		}
	}
}

func TestAFileThatIsNotOfTheSizeWrittenIsRefused(t *testing.T) {
	dir := t.TempDir()
	b := local.New(lyingFS{}, dir, local.Options{})
	err := b.Save(t.Context(), packName, storage.Bytes(make([]byte, 1000)))
	if err == nil || files(t, dir) != "" {
		t.Errorf("Save on a file system that drops a byte = %v and leaves %q, want an error and nothing", err, files(t, dir))
	}
}

// lyingFS drops the last byte of each write and calls it written.
type lyingFS struct{ local.OS }

func (l lyingFS) Create(path string) (local.File, error) {
	f, err := l.OS.Create(path)
	return lyingFile{f}, err
}

type lyingFile struct{ local.File }

func (f lyingFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p[:len(p)-1])
	return n + 1, err
}

func TestAMissingRandomSourceIsAnError(t *testing.T) {
	b := local.New(local.OS{}, t.TempDir(), local.Options{Rand: bytes.NewReader(nil)})
	if err := b.Save(t.Context(), packName, storage.Bytes(nil)); !errors.Is(err, io.EOF) {
		t.Errorf("Save without random bytes = %v, want io.EOF", err)
	}
}
