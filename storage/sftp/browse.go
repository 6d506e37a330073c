package sftp

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/pkg/sftp"

	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage"
)

// ReadDir implements storage.Browser.
func (b *backend) ReadDir(ctx context.Context, dir string) iter.Seq2[entry.Meta, error] {
	return func(yield func(entry.Meta, error) bool) {
		all, err := b.metas(ctx, dir)
		if err != nil {
			yield(entry.Meta{}, fail("read folder", dir, err))
			return
		}
		for _, m := range all {
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (b *backend) metas(ctx context.Context, dir string) (all []entry.Meta, err error) {
	folder, err := b.place(dir)
	if err != nil {
		return nil, err
	}
	err = b.pool.with(ctx, func(c *conn) error {
		infos, err := c.ReadDirContext(ctx, folder)
		if err != nil {
			return err
		}
		all = make([]entry.Meta, len(infos))
		for i, info := range infos {
			if all[i], err = meta(c, path.Join(folder, info.Name()), info); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// Lookup implements storage.Browser.
func (b *backend) Lookup(ctx context.Context, name string) (m entry.Meta, err error) {
	file, err := b.place(name)
	if err == nil {
		err = b.pool.with(ctx, func(c *conn) error {
			info, err := c.Lstat(file)
			if err != nil {
				return err
			}
			m, err = meta(c, file, info)
			m.Name = path.Base(name)
			return err
		})
	}
	if err != nil {
		return entry.Meta{}, fail("look up", name, err)
	}
	return m, nil
}

// meta is what a server tells of a file.
func meta(c *conn, file string, info fs.FileInfo) (m entry.Meta, err error) {
	m = entry.Meta{Name: info.Name(), Type: kind(info.Mode()), Mode: info.Mode(), ModTime: info.ModTime()}
	if stat, ok := info.Sys().(*sftp.FileStat); ok {
		m.UID, m.GID = stat.UID, stat.GID
	}
	switch m.Type {
	case entry.File:
		m.Size = uint64(info.Size())
	case entry.Symlink:
		m.LinkTarget, err = c.ReadLink(file)
	}
	return m, err
}

func kind(mode fs.FileMode) entry.Type {
	switch mode.Type() {
	case fs.ModeDir:
		return entry.Dir
	case fs.ModeSymlink:
		return entry.Symlink
	case fs.ModeNamedPipe:
		return entry.Fifo
	case fs.ModeSocket:
		return entry.Socket
	case fs.ModeDevice:
		return entry.Device
	case fs.ModeDevice | fs.ModeCharDevice:
		return entry.CharDev
	}
	return entry.File
}

// place returns where somebody's file or folder is on the server. Its name may be of any bytes, but not one outside of the location.
func (b *backend) place(name string) (string, error) {
	if name == "" || path.IsAbs(name) || slices.Contains(strings.Split(name, "/"), "..") || strings.ContainsRune(name, 0) {
		return "", fmt.Errorf("name %q is not a path within the location: %w", name, storage.ErrPermanent)
	}
	return path.Join(b.dir, name), nil
}
