package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/backstay/backstay/storage"
)

// Save implements storage.Backend. It makes the folders it needs, and the location if that was never seen. It trusts
// Body.SHA256: the content's path to the disk ends here, there is no far end to check it.
func (b *Backend) Save(ctx context.Context, name string, body storage.Body) error {
	if err := b.save(ctx, name, body); err != nil {
		return fail("save", name, err)
	}
	b.seen.Store(true)
	return nil
}

func (b *Backend) save(ctx context.Context, name string, body storage.Body) error {
	path, err := b.path(name)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, err := b.fs.Stat(path); err == nil {
		return storage.ErrExists
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := b.makeDir(filepath.Dir(path)); err != nil {
		return err
	}
	temp, err := b.writeTemp(ctx, filepath.Dir(path), body)
	if err != nil {
		return err
	}
	return b.publish(ctx, temp, path)
}

// publish gives the durable file temp its final name. Up to the rename nothing was there; an error after it takes the
// file away again, since a name that a power cut may lose must not be found by the next try.
func (b *Backend) publish(ctx context.Context, temp, path string) error {
	if ctx.Err() != nil {
		return b.discard(temp, context.Cause(ctx))
	}
	b.rename.Lock()
	err := b.fs.Rename(temp, path)
	b.rename.Unlock()
	if errors.Is(err, fs.ErrExist) {
		err = storage.Mark(err, storage.ErrExists)
	}
	if err != nil {
		return b.discard(temp, err)
	}
	if err := b.syncDir(filepath.Dir(path)); err != nil {
		return b.discard(path, err)
	}
	return nil
}

// discard removes what a failed Save made, and returns the reason.
func (b *Backend) discard(path string, reason error) error {
	if err := b.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w (and %s is left behind: %w)", reason, path, err)
	}
	return reason
}

// writeTemp writes body to a new temporary file in dir, durably, and returns its path. After an error there is no file.
func (b *Backend) writeTemp(ctx context.Context, dir string, body storage.Body) (string, error) {
	var random [16]byte
	if _, err := io.ReadFull(b.opt.Rand, random[:]); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	temp := filepath.Join(dir, fmt.Sprintf("%s%x", tempPrefix, random))
	f, err := b.fs.Create(temp)
	if err != nil {
		return "", err
	}
	err = b.fill(ctx, f, temp, body)
	if closeErr := f.Close(); err == nil { // on network file systems the close is what stores the rest
		err = closeErr
	}
	if err == nil {
		err = b.checkSize(temp, body.Size)
	}
	if err != nil {
		return "", b.discard(temp, err)
	}
	return temp, nil
}

func (b *Backend) fill(ctx context.Context, f File, temp string, body storage.Body) error {
	w := &writer{ctx: ctx, file: f, left: body.Size}
	if _, err := io.Copy(w, body.Open()); err != nil {
		return err
	}
	if w.left > 0 {
		return fmt.Errorf("%d bytes of %d: %w", body.Size-w.left, body.Size, storage.ErrMismatch)
	}
	err := b.fs.Chmod(temp, 0o400)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrPermission) {
		return err // those two: a file system without modes, which protects nothing either way
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return b.tolerate(f.Sync())
}

func (b *Backend) checkSize(path string, want int64) error {
	info, err := b.fs.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() != want {
		return fmt.Errorf("%s has %d bytes after writing %d", path, info.Size(), want)
	}
	return nil
}

// makeDir makes a folder and those above it up to the location, each durable in its parent before anything is put into
// it. A folder found there may have been made by another process a moment ago, so it is synced once as well.
func (b *Backend) makeDir(dir string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.makeDirLocked(dir)
}

func (b *Backend) makeDirLocked(dir string) error {
	if b.durable[dir] {
		return nil
	}
	if dir == b.dir {
		if err := b.makeLocation(dir); err != nil {
			return err
		}
		b.durable[dir] = true
		return nil
	}
	if err := b.makeDirLocked(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := b.fs.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := b.syncDir(filepath.Dir(dir)); err != nil {
		return err
	}
	b.durable[dir] = true
	return nil
}

// makeLocation makes the location and the folders above it. One that was seen before and is gone is most likely an
// unmounted disk: writing to what is below the mount point would go to the wrong place.
func (b *Backend) makeLocation(dir string) error {
	_, err := b.fs.Stat(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if b.seen.Load() {
		return fmt.Errorf("the location is gone: %w", err)
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := b.makeLocation(parent); err != nil {
			return err
		}
	}
	if err := b.fs.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return b.syncDir(filepath.Dir(dir))
}

func (b *Backend) syncDir(dir string) error { return b.tolerate(b.fs.SyncDir(dir)) }

// tolerate takes the answer of an fsync. A file system that knows no fsync is used all the same; PowerSafe tells.
func (b *Backend) tolerate(err error) error {
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		b.unsynced.Store(true)
		return nil
	}
	return err
}

// writer writes to a file until the context ends or more comes than was announced.
type writer struct {
	ctx  context.Context
	file File
	left int64 // bytes that may still come
}

func (w *writer) Write(p []byte) (int, error) {
	if int64(len(p)) > w.left {
		return 0, fmt.Errorf("%d bytes too many: %w", int64(len(p))-w.left, storage.ErrMismatch)
	}
	for done := 0; done < len(p); {
		if w.ctx.Err() != nil {
			return done, context.Cause(w.ctx)
		}
		n, err := w.file.Write(p[done:min(len(p), done+chunk)])
		done += n
		w.left -= int64(n)
		if err != nil {
			return done, err
		}
	}
	return len(p), nil
}
