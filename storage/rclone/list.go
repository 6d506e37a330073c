package rclone

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/rclone/rclone/fs"

	"github.com/backstay/backstay/storage"
)

// errStop ends a listing without being an error of it.
var errStop = errors.New("stop")

// List implements storage.Backend. Files that come or go while it runs may or may not be yielded.
func (b *Backend) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		left := false
		err := b.do(ctx, "list", dir, func(ctx context.Context, f fs.Fs) error {
			if err := storage.CheckName(dir); err != nil {
				return err
			}
			return walk(ctx, f, dir, func(object fs.Object) error {
				if isTemp(object.Remote()) {
					return nil
				}
				if left = !yield(storage.Info{Name: object.Remote(), Size: object.Size()}, nil); left {
					return errStop
				}
				return nil
			})
		})
		if err != nil && !left {
			yield(storage.Info{}, err)
		}
	}
}

// walk calls found for each file in a folder and in those below it. One that isn't there is empty, if the location is there.
func walk(ctx context.Context, f fs.Fs, dir string, found func(fs.Object) error) error {
	err := descend(ctx, f, dir, found)
	if errors.Is(err, fs.ErrorDirNotFound) {
		if _, err := f.List(ctx, ""); err != nil {
			return fmt.Errorf("the location can't be read: %w", err)
		}
		return nil
	}
	return err
}

func descend(ctx context.Context, f fs.Fs, dir string, found func(fs.Object) error) error {
	each := func(entries fs.DirEntries, below func(dir string) error) error {
		for _, entry := range entries {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			var err error
			switch e := entry.(type) {
			case fs.Object:
				err = found(e)
			case fs.Directory:
				err = below(e.Remote())
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if all := f.Features().ListR; all != nil && f.Features().BucketBased { // these have no folders, and list page by page
		return all(ctx, dir, func(entries fs.DirEntries) error {
			return each(entries, func(string) error { return nil })
		})
	}
	entries, err := f.List(ctx, dir)
	if err != nil {
		return err
	}
	return each(entries, func(sub string) error { return walk(ctx, f, sub, found) })
}

// Sweep removes the temporary files that are older than a day, which a killed process has left.
func (b *Backend) Sweep(ctx context.Context) error {
	if b.remote.create {
		return nil // it makes none
	}
	old := b.env.Clock.Now().Add(-24 * time.Hour)
	return b.do(ctx, "sweep", b.remote.root, func(ctx context.Context, f fs.Fs) error {
		return walk(ctx, f, "", func(object fs.Object) error {
			if !isTemp(object.Remote()) || object.ModTime(ctx).After(old) {
				return nil
			}
			if err := object.Remove(ctx); err != nil && !b.gone(err) {
				return err
			}
			return nil
		})
	})
}
