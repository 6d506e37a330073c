// Package smb keeps a repository in a folder of a Windows share, over SMB 2 and 3.
//
// A file is written under a temporary name in the folder where it belongs, several parts of it at once; the server says how much of each it
// took, and is asked to put it on its disk; only then the file gets its name. A temporary file is one whose name starts with ".backstay-tmp-";
// it is never taken for a file of the repository. A connection has one session; a few are kept, each used by one call at a time.
//
// The invariant: under its final name a file is whole and never changes. A connection that breaks, or a process that is killed on either side,
// leaves at most temporary files, which Sweep removes. The client has no way to rename without replacing: that the name is free is looked
// up right before.
package smb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/cloudsoda/go-smb2"
	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/storage"
)

const tempPrefix = ".backstay-tmp-"

// backend is a storage.Backend in a folder of a share.
type backend struct {
	folder string // in the share, with slashes; "": its top
	env    storage.Env
	pool   *pool
	saving storage.Names
}

var (
	_ storage.Browser = (*backend)(nil)
	_ storage.Sweeper = (*backend)(nil)
)

// do calls what asks the server for a file, and completes its error.
func (b *backend) do(ctx context.Context, what, name string, ask func(s *smb2.Share, file string) error) error {
	err := storage.CheckName(name)
	if err == nil {
		err = checkPath(name)
	}
	if err == nil {
		err = b.pool.with(ctx, func(s *smb2.Share) error { return ask(s, path.Join(b.folder, name)) })
	}
	if err != nil {
		return fail(what, name, err)
	}
	return nil
}

const (
	// part is how much of a file goes in one request: servers take no more.
	part = 1 << 20
	// atOnce is how many requests for parts of one file are under way, so that a distant server isn't waited for with each.
	atOnce = 4
)

// Load implements storage.Backend.
func (b *backend) Load(ctx context.Context, name string, p []byte, offset int64) error {
	return b.do(ctx, "load", name, func(s *smb2.Share, file string) error {
		f, err := s.Open(file)
		if err != nil {
			return err
		}
		return errors.Join(load(f, p, offset), f.Close())
	})
}

func load(f *smb2.File, p []byte, offset int64) error {
	var group errgroup.Group
	group.SetLimit(atOnce)
	for start := 0; start < len(p); start += part {
		piece, at := p[start:min(start+part, len(p))], offset+int64(start)
		group.Go(func() error {
			n, err := io.ReadFull(io.NewSectionReader(f, at, int64(len(piece))), piece)
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				return fmt.Errorf("%d of %d bytes at %d: %w", n, len(piece), at, storage.ErrShort)
			}
			return err
		})
	}
	return group.Wait()
}

// Stat implements storage.Backend.
func (b *backend) Stat(ctx context.Context, name string) (info storage.Info, err error) {
	err = b.do(ctx, "stat", name, func(s *smb2.Share, file string) error {
		found, err := s.Stat(file)
		if err != nil {
			return err
		}
		if found.IsDir() {
			return fmt.Errorf("it is a folder: %w", storage.ErrNotFound)
		}
		info = storage.Info{Name: name, Size: found.Size()}
		return nil
	})
	return info, err
}

// Remove implements storage.Backend.
func (b *backend) Remove(ctx context.Context, name string) error {
	err := b.do(ctx, "remove", name, func(s *smb2.Share, file string) error { return s.Remove(file) })
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}

// CloseIdle closes the connections that no call uses. The next call makes a new one.
func (b *backend) CloseIdle() { b.pool.closeIdle() }

// checkPath refuses what would be another name to a server. The other characters that Windows doesn't have in names are written as Linux and
// macOS write them.
func checkPath(name string) error {
	if strings.ContainsAny(name, "\\\x00") {
		return fmt.Errorf(`name %q can't be one on a Windows share: it has a \ in it, or a zero: %w`, name, storage.ErrPermanent)
	}
	return nil
}

func isTemp(name string) bool { return strings.HasPrefix(path.Base(name), tempPrefix) }
