package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"time"

	"github.com/backstay/backstay/storage"
)

// errStop ends a walk without being an error of it.
var errStop = errors.New("stop")

// List implements storage.Backend. Files that come or go while it runs may or may not be yielded.
func (b *Backend) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		err := b.list(ctx, dir, func(info storage.Info) error {
			if !yield(info, nil) {
				return errStop
			}
			return nil
		})
		if err == nil {
			b.seen.Store(true)
		} else if err != errStop {
			yield(storage.Info{}, fail("list", dir, err))
		}
	}
}

func (b *Backend) list(ctx context.Context, dir string, fn func(storage.Info) error) error {
	root, err := b.path(dir)
	if err != nil {
		return err
	}
	if _, err := b.fs.Stat(root); errors.Is(err, fs.ErrNotExist) {
		return b.checkLocation()
	} else if err != nil {
		return err
	}
	return b.walk(ctx, root, func(path string, info fs.FileInfo) error {
		if isTemp(path) {
			return nil
		}
		name, err := filepath.Rel(b.dir, path)
		if err != nil {
			return err
		}
		return fn(storage.Info{Name: filepath.ToSlash(name), Size: info.Size()})
	})
}

// checkLocation returns an error unless the location can be read: an unmounted disk is not an empty one.
func (b *Backend) checkLocation() error {
	for _, err := range b.fs.ReadDir(b.dir) {
		if err != nil {
			return fmt.Errorf("the location can't be read: %w", err)
		}
		break
	}
	return nil
}

// walk calls found for each file in a folder and in those below it.
func (b *Backend) walk(ctx context.Context, dir string, found func(path string, info fs.FileInfo) error) error {
	for name, err := range b.fs.ReadDir(dir) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		path := filepath.Join(dir, name)
		info, err := b.fs.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = b.checkGone(dir, path)
		case err != nil:
		case info.IsDir():
			err = b.walk(ctx, path, found)
		default:
			err = found(path, info)
		}
		if err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// checkGone allows for a file that was removed since its name was read, but not for a folder that went with all it
// holds, as one does when a disk is unmounted.
func (b *Backend) checkGone(dir, path string) error {
	if _, err := b.fs.Stat(dir); err != nil {
		return fmt.Errorf("%s went while it was listed: %w", dir, err)
	}
	return nil
}

// Sweep removes the temporary files that are older than a day, which a killed process has left.
func (b *Backend) Sweep(ctx context.Context) error {
	old := b.opt.Clock.Now().Add(-24 * time.Hour)
	err := b.walk(ctx, b.dir, func(path string, info fs.FileInfo) error {
		if !isTemp(path) || info.ModTime().After(old) {
			return nil
		}
		if err := b.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	if err != nil {
		return fail("sweep", b.dir, err)
	}
	return nil
}
