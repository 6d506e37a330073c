// Package sftp keeps a repository in a folder of an SSH server, over SFTP.
//
// A file is written under a temporary name in the folder where it belongs, made durable where the server can do that (OpenSSH can),
// compared in size, and only then given its name. A temporary file is one whose name starts with ".backstay-tmp-"; it is never taken
// for a file of the repository. A connection is an SSH connection with one SFTP session on it, made by this program or by a command
// of the user's; a few are kept, each used by several calls at once.
//
// The invariant: under its final name a file is whole and never changes. A connection that breaks, or a process that is killed on
// either side, leaves at most temporary files, which Sweep removes. The protocol's own renaming never replaces a file: OpenSSH
// refuses a name that is taken, also when another takes it at the same moment; of servers that replace one it is only known that
// the name was free when the save began. Folders can't be made durable over SFTP, so that after a power cut of the server
// a file may be missing that was saved moments before, but for what its file system promises by itself.
//
// ~/.ssh/config is not read: it is the ssh command's own, which can be had as the command.
package sftp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync/atomic"

	"github.com/pkg/sftp"

	"github.com/backstay/backstay/storage"
)

// backend is a storage.Backend in a folder of a server.
type backend struct {
	dir  string // the location; a relative one is in the user's home
	env  storage.Env
	pool *pool

	seen atomic.Bool // the location was there once: if it is gone, it isn't made anew
}

func newBackend(dir string, env storage.Env, dial dialer) *backend {
	if env.Rand == nil {
		env.Rand = rand.Reader
	}
	return &backend{dir: path.Clean(dir), env: env, pool: newPool(env.Clock, dial)}
}

// Load implements storage.Backend, and storage.Browser for files of any name.
func (b *backend) Load(ctx context.Context, name string, p []byte, offset int64) error {
	file, err := b.place(name)
	if err == nil {
		err = b.pool.with(ctx, func(c *conn) error { return load(ctx, c, file, p, offset) })
	}
	if err != nil {
		return fail("load", name, err)
	}
	b.seen.Store(true)
	return nil
}

func load(ctx context.Context, c *conn, file string, p []byte, offset int64) error {
	f, err := c.handles.open(c.Client, file)
	if err != nil {
		return err
	}
	defer c.handles.release(f)
	if err := readAt(ctx, f.File, p, offset); err != nil {
		c.handles.forget(file) // the next try opens it anew
		return err
	}
	return nil
}

// piece is how many bytes are read between two looks at the context. It is more than is asked for at once.
const piece = 8 << 20

func readAt(ctx context.Context, f *sftp.File, p []byte, offset int64) error {
	for done := 0; done < len(p); {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := f.ReadAt(p[done:min(len(p), done+piece)], offset+int64(done))
		done += n
		if err == io.EOF && n == 0 {
			return fmt.Errorf("%d of %d bytes at %d: %w", done, len(p), offset, storage.ErrShort)
		}
		if err != nil && err != io.EOF { // servers may give less than they are asked for
			return err
		}
	}
	return nil
}

// Stat implements storage.Backend.
func (b *backend) Stat(ctx context.Context, name string) (storage.Info, error) {
	file, err := b.path(name)
	var info fs.FileInfo
	if err == nil {
		err = b.pool.with(ctx, func(c *conn) (err error) {
			info, err = stat(c, file)
			return err
		})
	}
	if err != nil {
		return storage.Info{}, fail("stat", name, err)
	}
	b.seen.Store(true)
	return storage.Info{Name: name, Size: info.Size()}, nil
}

func stat(c *conn, file string) (fs.FileInfo, error) {
	info, err := c.Stat(file)
	if err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder: %w", file, storage.ErrNotFound)
	}
	return info, err
}

// Remove implements storage.Backend.
func (b *backend) Remove(ctx context.Context, name string) error {
	file, err := b.path(name)
	if err == nil {
		b.pool.forget(file)
		err = b.pool.with(ctx, func(c *conn) error { return remove(c, file) })
	}
	if err != nil {
		return fail("remove", name, err)
	}
	return nil
}

// remove deletes a file; one that isn't there is no error.
func remove(c *conn, file string) error {
	if err := c.Remove(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// CloseIdle closes the connections that nobody uses. The backend stays usable.
func (b *backend) CloseIdle() { b.pool.closeIdle() }

// path returns where the file or the folder of that name is on the server.
func (b *backend) path(name string) (string, error) {
	if err := storage.CheckName(name); err != nil {
		return "", err
	}
	if isTemp(name) {
		return "", fmt.Errorf("name %q is not one for a file: %w", name, storage.ErrPermanent)
	}
	return path.Join(b.dir, name), nil
}

const tempPrefix = ".backstay-tmp-"

func isTemp(name string) bool { return strings.HasPrefix(path.Base(name), tempPrefix) }

// The statuses of answers that no second try changes. The last two are of later versions of the protocol; some servers send them
// all the same.
const (
	noSuchOperation = 8
	noSpace         = 14
	noQuota         = 15
)

// fail is the error of an operation on a file, made to wrap the sentinel of storage that fits.
func fail(what, name string, err error) error {
	var status *sftp.StatusError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = storage.Mark(err, storage.ErrNotFound)
	case errors.Is(err, fs.ErrPermission):
		err = storage.Mark(fmt.Errorf("%w: the server lets its user not do this there", err), storage.ErrPermanent)
	case errors.As(err, &status) && (status.Code == noSpace || status.Code == noQuota):
		err = storage.Mark(err, storage.ErrFull)
	case errors.As(err, &status) && status.Code == noSuchOperation:
		err = storage.Mark(err, storage.ErrPermanent)
	}
	return fmt.Errorf("%s %q: %w", what, name, err)
}
