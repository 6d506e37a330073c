package smb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"time"

	"github.com/cloudsoda/go-smb2"

	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage"
)

// errStop ends a walk without being an error of it.
var errStop = errors.New("stop")

// List implements storage.Backend. Files that come or go while it runs may or may not be yielded.
func (b *backend) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		err := storage.CheckName(dir)
		if err == nil {
			err = b.walk(ctx, dir, func(name string, found fs.FileInfo) error {
				if !isTemp(name) && !yield(storage.Info{Name: name, Size: found.Size()}, nil) {
					return errStop
				}
				return nil
			})
		}
		if errors.Is(err, storage.ErrNotFound) {
			_, err = b.readDir(ctx, ".") // a share that went is not an empty one
		}
		if err != nil && err != errStop {
			yield(storage.Info{}, err)
		}
	}
}

// walk calls found for each file in a folder and in those below it.
func (b *backend) walk(ctx context.Context, dir string, found func(name string, info fs.FileInfo) error) error {
	infos, err := b.readDir(ctx, dir)
	if err != nil {
		return err
	}
	for _, info := range infos {
		name := path.Join(dir, info.Name())
		switch {
		case ctx.Err() != nil:
			err = fail("list", dir, context.Cause(ctx))
		case info.IsDir():
			if err = b.walk(ctx, name, found); errors.Is(err, storage.ErrNotFound) {
				err = nil // it went
			}
		default:
			err = found(name, info)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readDir reads a folder; "." is the location.
func (b *backend) readDir(ctx context.Context, dir string) (infos []fs.FileInfo, err error) {
	read := func(s *smb2.Share, folder string) (err error) {
		infos, err = s.ReadDir(folder)
		return err
	}
	if dir == "." {
		err = b.pool.with(ctx, func(s *smb2.Share) error { return read(s, b.folder) })
		if err != nil {
			err = fail("list", dir, err)
		}
	} else {
		err = b.do(ctx, "list", dir, read)
	}
	return infos, err
}

// Sweep removes the temporary files that are older than a day, which a killed process or a broken connection has left.
func (b *backend) Sweep(ctx context.Context) error {
	old := b.env.Clock.Now().Add(-24 * time.Hour)
	err := b.walk(ctx, ".", func(name string, info fs.FileInfo) error {
		if !isTemp(name) || info.ModTime().After(old) {
			return nil
		}
		return b.Remove(ctx, name)
	})
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	return nil
}

// ReadDir implements storage.Browser.
func (b *backend) ReadDir(ctx context.Context, dir string) iter.Seq2[entry.Meta, error] {
	return func(yield func(entry.Meta, error) bool) {
		infos, err := b.readDir(ctx, dir)
		if err != nil {
			yield(entry.Meta{}, err)
			return
		}
		for _, info := range infos {
			if !yield(meta(info), nil) {
				return
			}
		}
	}
}

// Lookup implements storage.Browser.
func (b *backend) Lookup(ctx context.Context, name string) (m entry.Meta, err error) {
	err = b.do(ctx, "look up", name, func(s *smb2.Share, file string) error {
		info, err := s.Stat(file)
		if err != nil {
			return err
		}
		m = meta(info)
		return nil
	})
	return m, err
}

// meta is what a server tells of a file or a folder.
func meta(info fs.FileInfo) entry.Meta {
	m := entry.Meta{Name: info.Name(), Type: entry.File, ModTime: info.ModTime()}
	if info.IsDir() {
		m.Type = entry.Dir
	} else {
		m.Size = uint64(info.Size())
	}
	return m
}
