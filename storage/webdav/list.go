package webdav

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"path"
	"strings"
	"time"

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
			err = b.walk(ctx, dir, func(name string, found item) error {
				if !isTemp(name) && !yield(storage.Info{Name: name, Size: found.size}, nil) {
					return errStop
				}
				return nil
			})
		}
		if missing(err) {
			_, err = b.readDir(ctx, ".") // a place that went is not an empty one
		}
		if err != nil && err != errStop {
			yield(storage.Info{}, fail("list", dir, err))
		}
	}
}

// missing tells that there is no such folder.
func missing(err error) bool { return errors.Is(mark("list", err), storage.ErrNotFound) }

// walk calls found for each file in a folder and in those below it.
func (b *backend) walk(ctx context.Context, dir string, found func(name string, i item) error) error {
	items, err := b.readDir(ctx, dir)
	if err != nil {
		return err
	}
	for _, i := range items {
		name := path.Join(dir, path.Base(i.path))
		switch {
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		case i.folder:
			if err = b.walk(ctx, name, found); err != errStop && missing(err) {
				err = nil // it went
			}
		default:
			err = found(name, i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readDir reads a folder; "." is the location.
func (b *backend) readDir(ctx context.Context, dir string) (items []item, err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	folder := b.path(dir)
	isFolder := false
	err = b.propfind(ctx, folder, "1", func(i item) error {
		switch {
		case i.path == folder:
			isFolder = i.folder
		case path.Dir(i.path) == folder:
			items = append(items, i)
		default: // a server that goes by another address than it tells
			return fmt.Errorf("the server lists %q, which is not in %q", i.path, folder)
		}
		return nil
	})
	if err == nil && !isFolder && len(items) == 0 {
		err = fmt.Errorf("there is no folder: %w", storage.ErrNotFound)
	}
	return items, err
}

// Sweep removes the temporary files that are older than a day, which a killed process or a broken connection has left.
func (b *backend) Sweep(ctx context.Context) error {
	old := b.env.Clock.Now().Add(-24 * time.Hour)
	err := b.walk(ctx, ".", func(name string, i item) error {
		if !isTemp(name) || i.time.IsZero() || i.time.After(old) {
			return nil
		}
		err := b.client.ask(b.request(ctx, http.MethodDelete, b.path(name), nil))
		if missing(err) {
			return nil
		}
		return err
	})
	if err != nil {
		return fail("sweep", strings.TrimPrefix(b.base.Path, "/"), err)
	}
	return nil
}

// ReadDir implements storage.Browser.
func (b *backend) ReadDir(ctx context.Context, dir string) iter.Seq2[entry.Meta, error] {
	return func(yield func(entry.Meta, error) bool) {
		var items []item
		var err error
		if dir != "." {
			err = storage.CheckName(dir)
		}
		if err == nil {
			items, err = b.readDir(ctx, dir)
		}
		if err != nil {
			yield(entry.Meta{}, fail("read folder", dir, err))
			return
		}
		for _, i := range items {
			if !yield(i.meta(), nil) {
				return
			}
		}
	}
}

// Lookup implements storage.Browser.
func (b *backend) Lookup(ctx context.Context, name string) (entry.Meta, error) {
	err := storage.CheckName(name)
	var found item
	if err == nil {
		found, err = b.find(ctx, b.path(name))
	}
	if err != nil {
		return entry.Meta{}, fail("look up", name, err)
	}
	return found.meta(), nil
}

func (i item) meta() entry.Meta {
	m := entry.Meta{Name: path.Base(i.path), Type: entry.File, ModTime: i.time}
	if i.folder {
		m.Type = entry.Dir
	} else {
		m.Size = uint64(i.size)
	}
	return m
}
