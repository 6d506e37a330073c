// Package local keeps a repository in a folder of a file system.
//
// A file is written under a temporary name in the folder where it belongs, made durable, and only then given its name;
// then the folder is made durable too. The location is the folder given to New; a temporary file is one whose name
// starts with ".backstay-tmp-", which is never taken for a file of the repository.
//
// The invariant: under its final name a file is whole and never changes. A process that is killed, or a power cut, leaves
// at most temporary files, which Sweep removes. Renaming never replaces a file, also when two processes save the same
// name at the same time, on every file system that can rename without replacing or knows hard links; on others (FAT, some
// network shares) only the processes' own look at the name stands against it.
package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
)

// chunk is how many bytes are read or written between two looks at the context.
const chunk = 1 << 20

// Options sets what New is handed. The zero value is ready for use.
type Options struct {
	Clock clock.Clock // by which Sweep tells the age of temporary files; default clock.System
	Rand  io.Reader   // for temporary names, used by several goroutines at once; default crypto/rand.Reader
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	return o
}

// Backend is a storage.Backend in a folder.
type Backend struct {
	fs      FS
	dir     string // the location
	opt     Options
	handles handles

	seen     atomic.Bool // the location was there once: if it is gone, it isn't made anew
	unsynced atomic.Bool // the file system refused an fsync as not supported

	rename sync.Mutex // held over Rename, for an FS that has to look before it renames

	mu      sync.Mutex
	durable map[string]bool // guarded by mu: folders known to survive a power cut
}

// New returns the Backend of the folder dir in fs. The folder need not be there: the first Save makes it.
func New(fs FS, dir string, opt Options) *Backend {
	dir = filepath.Clean(dir)
	return &Backend{fs: fs, dir: dir, opt: opt.withDefaults(), handles: handles{fs: fs}, durable: make(map[string]bool)}
}

// PowerSafe reports whether a finished Save is known to survive a power cut. It turns false for good once the file system
// answers that it can't fsync.
func (b *Backend) PowerSafe() bool { return !b.unsynced.Load() }

// CloseIdle closes the files that are kept open for reading, so that the file system can be unmounted. The Backend stays
// usable.
func (b *Backend) CloseIdle() { b.handles.forgetAll() }

// Load implements storage.Backend.
func (b *Backend) Load(ctx context.Context, name string, p []byte, offset int64) error {
	if err := b.load(ctx, name, p, offset); err != nil {
		return fail("load", name, err)
	}
	b.seen.Store(true)
	return nil
}

func (b *Backend) load(ctx context.Context, name string, p []byte, offset int64) error {
	path, err := b.path(name)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	h, err := b.handles.open(path)
	if err != nil {
		return err
	}
	defer b.handles.release(h)
	return readAt(ctx, h.file, p, offset)
}

func readAt(ctx context.Context, r io.ReaderAt, p []byte, offset int64) error {
	for done := 0; done < len(p); {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := r.ReadAt(p[done:min(len(p), done+chunk)], offset+int64(done))
		done += n
		if err == io.EOF && done < len(p) {
			return fmt.Errorf("%d of %d bytes at %d: %w", done, len(p), offset, storage.ErrShort)
		}
		if err != nil && err != io.EOF {
			return err
		}
	}
	return nil
}

// Stat implements storage.Backend.
func (b *Backend) Stat(ctx context.Context, name string) (storage.Info, error) {
	info, err := b.stat(ctx, name)
	if err != nil {
		return storage.Info{}, fail("stat", name, err)
	}
	b.seen.Store(true)
	return storage.Info{Name: name, Size: info.Size()}, nil
}

func (b *Backend) stat(ctx context.Context, name string) (fs.FileInfo, error) {
	path, err := b.path(name)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	info, err := b.fs.Stat(path)
	if err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder: %w", path, storage.ErrNotFound)
	}
	return info, err
}

// Remove implements storage.Backend.
func (b *Backend) Remove(ctx context.Context, name string) error {
	if err := b.remove(ctx, name); err != nil {
		return fail("remove", name, err)
	}
	return nil
}

func (b *Backend) remove(ctx context.Context, name string) error {
	path, err := b.path(name)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	b.handles.forget(path)
	err = b.fs.Remove(path)
	if errors.Is(err, syscall.EROFS) { // a read-only file system says so before it looks for the file
		if _, gone := b.fs.Stat(path); errors.Is(gone, fs.ErrNotExist) {
			return nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return b.syncDir(filepath.Dir(path))
}

// path returns where the file called name lies.
func (b *Backend) path(name string) (string, error) {
	if err := storage.CheckName(name); err != nil {
		return "", err
	}
	path, err := filepath.Localize(name)
	if err != nil || isTemp(path) {
		return "", fmt.Errorf("name %q is not one for a file: %w", name, storage.ErrPermanent)
	}
	return filepath.Join(b.dir, path), nil
}

// fail is the error of an operation on a file, made to wrap the sentinel of storage that fits.
func fail(what, name string, err error) error {
	is := func(kind error) bool { return errors.Is(err, kind) }
	switch {
	case is(syscall.ENOSPC), is(syscall.EDQUOT):
		err = storage.Mark(err, storage.ErrFull)
	case is(fs.ErrPermission), is(syscall.EROFS), is(syscall.ENOTDIR), is(syscall.ELOOP), is(syscall.ENAMETOOLONG):
		err = storage.Mark(err, storage.ErrPermanent)
	case is(fs.ErrNotExist):
		err = storage.Mark(err, storage.ErrNotFound)
	}
	return fmt.Errorf("%s %q: %w", what, name, err)
}

const tempPrefix = ".backstay-tmp-"

func isTemp(path string) bool { return strings.HasPrefix(filepath.Base(path), tempPrefix) }
