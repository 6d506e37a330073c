package sftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/storage"
)

// errStop ends a walk without being an error of it.
var errStop = errors.New("stop")

// List implements storage.Backend. Files that come or go while it runs may or may not be yielded.
func (b *backend) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
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

func (b *backend) list(ctx context.Context, dir string, fn func(storage.Info) error) error {
	root, err := b.path(dir)
	if err != nil {
		return err
	}
	err = b.pool.with(ctx, func(c *conn) error {
		_, err := c.Stat(root)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return b.checkLocation(ctx)
	}
	if err != nil {
		return err
	}
	return b.walk(ctx, root, func(file string, info fs.FileInfo) error {
		if isTemp(file) {
			return nil
		}
		return fn(storage.Info{Name: b.name(file), Size: info.Size()})
	})
}

// name is the inverse of path.
func (b *backend) name(file string) string {
	if b.dir == "." {
		return file
	}
	return strings.TrimPrefix(strings.TrimPrefix(file, b.dir), "/")
}

// checkLocation returns an error unless the location can be read: a disk that the server has lost is not an empty one.
func (b *backend) checkLocation(ctx context.Context) error {
	if _, err := b.readDir(ctx, b.dir); err != nil {
		return fmt.Errorf("the location can't be read: %w", err)
	}
	return nil
}

// walk calls found for each file in a folder and in those below it, level by level.
func (b *backend) walk(ctx context.Context, root string, found func(file string, info fs.FileInfo) error) error {
	for level := []string{root}; len(level) > 0; {
		var next []string
		err := b.readDirs(ctx, level, func(dir string, infos []fs.FileInfo) error {
			for _, info := range infos {
				if file := path.Join(dir, info.Name()); info.IsDir() {
					next = append(next, file)
				} else if err := found(file, info); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		level = next
	}
	return nil
}

// listers is how many folders are read at once: enough that the 256 folders of packs take the time of a few dozen round trips.
const listers = 8

// readDirs reads folders, several at once, and calls each for one after the other.
func (b *backend) readDirs(ctx context.Context, dirs []string, each func(dir string, infos []fs.FileInfo) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(listers)
	read := make(chan func() error)
	var err error
	go func() {
		for _, dir := range dirs {
			group.Go(func() error {
				infos, err := b.readDir(inner, dir)
				if err != nil {
					return err
				}
				select {
				case read <- func() error { return each(dir, infos) }:
					return nil
				case <-inner.Done():
					return context.Cause(inner)
				}
			})
		}
		err = group.Wait()
		close(read)
	}()
	for call := range read {
		if err := call(); err != nil {
			cancel(err)
			for range read { // until all have ended
			}
			return err
		}
	}
	return err
}

// readDir reads one folder. What a symbolic link names is looked up.
func (b *backend) readDir(ctx context.Context, dir string) (infos []fs.FileInfo, err error) {
	err = b.pool.with(ctx, func(c *conn) error {
		if infos, err = c.ReadDirContext(ctx, dir); err != nil {
			return err
		}
		for i, info := range infos {
			if info.Mode()&fs.ModeSymlink == 0 {
				continue
			}
			if infos[i], err = c.Stat(path.Join(dir, info.Name())); err != nil {
				return err
			}
		}
		// The client takes a connection that breaks for the end of the folder. If it still answers, it hasn't broken.
		_, err = c.Stat(dir)
		return err
	})
	return infos, err
}

// Sweep removes the temporary files that are older than a day, which a killed process or a broken connection has left.
func (b *backend) Sweep(ctx context.Context) error {
	old := b.env.Clock.Now().Add(-24 * time.Hour)
	err := b.walk(ctx, b.dir, func(file string, info fs.FileInfo) error {
		if !isTemp(file) || info.ModTime().After(old) {
			return nil
		}
		return b.pool.with(ctx, func(c *conn) error { return remove(c, file) })
	})
	if err != nil {
		return fail("sweep", b.dir, err)
	}
	return nil
}
