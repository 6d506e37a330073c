package rclone

import (
	"context"
	"fmt"
	"iter"
	"path"

	"github.com/rclone/rclone/fs"

	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage"
)

// ReadDir implements storage.Browser. Of what has no size, such as a document of Google's own, it tells no type.
func (b *Backend) ReadDir(ctx context.Context, dir string) iter.Seq2[entry.Meta, error] {
	return func(yield func(entry.Meta, error) bool) {
		var all []entry.Meta
		err := b.do(ctx, "read folder", dir, func(ctx context.Context, f fs.Fs) error {
			if dir == "." {
				dir = ""
			} else if err := storage.CheckName(dir); err != nil {
				return err
			}
			entries, err := f.List(ctx, dir)
			for _, e := range entries {
				all = append(all, meta(ctx, e))
			}
			return err
		})
		if err != nil {
			yield(entry.Meta{}, err)
			return
		}
		for _, m := range all {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// meta is what rclone tells of a file or a folder. The time of a file is that of its content, as far as the store keeps it.
func meta(ctx context.Context, e fs.DirEntry) entry.Meta {
	m := entry.Meta{Name: path.Base(e.Remote()), ModTime: e.ModTime(ctx)}
	_, file := e.(fs.Object)
	switch {
	case !file:
		m.Type = entry.Dir
	case e.Size() >= 0:
		m.Type, m.Size = entry.File, uint64(e.Size())
	}
	return m
}

// Lookup implements storage.Browser.
func (b *Backend) Lookup(ctx context.Context, name string) (m entry.Meta, err error) {
	err = b.do(ctx, "look up", name, func(ctx context.Context, f fs.Fs) error {
		if err := checkName(name); err != nil {
			return err
		}
		object, err := f.NewObject(ctx, name)
		if err != nil {
			return err
		}
		if m = meta(ctx, object); m.Type == "" {
			return fmt.Errorf("it has no size: %w", storage.ErrPermanent)
		}
		return nil
	})
	return m, err
}
