package rclone

import (
	"context"
	"errors"
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
		err := storage.CheckName(dir)
		if err != nil {
			err = b.fail("list", dir, err)
		} else {
			err = b.walk(ctx, dir, func(object fs.Object) error {
				if isTemp(object.Remote()) {
					return nil
				}
				if left = !yield(storage.Info{Name: object.Remote(), Size: object.Size()}, nil); left {
					return errStop
				}
				return nil
			})
		}
		if err != nil && !left {
			yield(storage.Info{}, err)
		}
	}
}

// walk calls found for each file in a folder and in those below it. One that isn't there is empty, if the location is there.
func (b *Backend) walk(ctx context.Context, dir string, found func(fs.Object) error) error {
	var entries fs.DirEntries
	flat := false
	err := b.do(ctx, "list", dir, func(ctx context.Context, f fs.Fs) (err error) {
		all := f.Features().ListR
		if flat = all != nil && f.Features().BucketBased; flat { // these have no folders, and list page by page
			return all(ctx, dir, func(entries fs.DirEntries) error { return each(ctx, entries, found, ignore) })
		}
		entries, err = f.List(ctx, dir)
		return err
	})
	if errors.Is(err, fs.ErrorDirNotFound) {
		return b.checkLocation(ctx)
	}
	if err != nil || flat {
		return err
	}
	return each(ctx, entries, found, func(sub string) error { return b.walk(ctx, sub, found) })
}

func ignore(string) error { return nil }

// each calls found for the files and below for the folders among entries.
func each(ctx context.Context, entries fs.DirEntries, found func(fs.Object) error, below func(dir string) error) (err error) {
	for _, entry := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
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

// checkLocation returns an error unless the location can be read: a share that went is not an empty one.
func (b *Backend) checkLocation(ctx context.Context) error {
	return b.do(ctx, "read location of", "", func(ctx context.Context, f fs.Fs) error {
		_, err := f.List(ctx, "")
		return err
	})
}

// Sweep removes the temporary files that are older than a day, which a killed process has left.
func (b *Backend) Sweep(ctx context.Context) error {
	if b.remote.create {
		return nil // it makes none
	}
	old := b.env.Clock.Now().Add(-24 * time.Hour)
	return b.walk(ctx, "", func(object fs.Object) error {
		if !isTemp(object.Remote()) || object.ModTime(ctx).After(old) {
			return nil
		}
		err := b.do(ctx, "sweep", object.Remote(), func(ctx context.Context, f fs.Fs) error { return remove(ctx, f, object.Remote()) })
		if errors.Is(err, storage.ErrNotFound) {
			return nil
		}
		return err
	})
}
