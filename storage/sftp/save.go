package sftp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/pkg/sftp"

	"github.com/backstay/backstay/storage"
)

// Save implements storage.Backend. It makes the folders it needs, and the location if that was never seen.
func (b *backend) Save(ctx context.Context, name string, body storage.Body) error {
	file, err := b.path(name)
	if err == nil {
		err = b.pool.with(ctx, func(c *conn) error { return b.save(ctx, c, file, body) })
	}
	if err != nil {
		return fail("save", name, err)
	}
	b.seen.Store(true)
	return nil
}

// save asks for several things at once where it can, since each answer takes a round trip.
func (b *backend) save(ctx context.Context, c *conn, file string, body storage.Body) error {
	f, err := b.begin(c, file)
	if err != nil {
		return err
	}
	temp := f.Name()
	err = fill(ctx, c, f, body)
	if err == nil && c.syncs() {
		err = secure(c, f, body.Size)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil && !c.syncs() {
		err = checkSize(c, temp, body.Size)
	}
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = publish(c, temp, file)
	} else {
		err = full(c, path.Dir(temp), body.Size, err)
	}
	if err != nil {
		return discard(c, temp, err)
	}
	return nil
}

// begin makes a new temporary file beside one that must not be there yet.
func (b *backend) begin(c *conn, file string) (*sftp.File, error) {
	free := start(func() error { return absent(c, file) })
	f, err := b.create(c, path.Dir(file))
	taken := <-free
	if taken != nil && err == nil {
		_ = f.Close() // nothing was written to it
		return nil, discard(c, f.Name(), taken)
	}
	return f, cmp.Or(taken, err)
}

// start begins a request whose answer is taken later.
func start(request func() error) <-chan error {
	answer := make(chan error, 1)
	go func() { answer <- request() }()
	return answer
}

// absent returns nil if there is no such file.
func absent(c *conn, file string) error {
	_, err := c.Lstat(file)
	if err == nil {
		return storage.ErrExists
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// create makes a new temporary file in dir, and the folders that are missing for it.
func (b *backend) create(c *conn, dir string) (f *sftp.File, err error) {
	var random [16]byte
	if _, err := io.ReadFull(b.env.Rand, random[:]); err != nil {
		return nil, fmt.Errorf("read random bytes: %w", err)
	}
	temp := path.Join(dir, fmt.Sprintf("%s%x", tempPrefix, random))
	const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if f, err = c.OpenFile(temp, flags); errors.Is(err, fs.ErrNotExist) {
		if err = b.makeDir(c, dir); err == nil {
			f, err = c.OpenFile(temp, flags)
		}
	}
	return f, err
}

// makeDir makes a folder and those above it. A location that was seen before and is gone is most likely a disk that the server has
// lost: it isn't made anew.
func (b *backend) makeDir(c *conn, dir string) error {
	if dir == b.dir && b.seen.Load() {
		if _, err := c.Stat(dir); err != nil {
			return fmt.Errorf("the location is gone: %w", err)
		}
	}
	err := c.Mkdir(dir)
	if errors.Is(err, fs.ErrNotExist) && path.Dir(dir) != dir {
		if err := b.makeDir(c, path.Dir(dir)); err != nil {
			return err
		}
		err = c.Mkdir(dir)
	}
	if err == nil {
		return tolerate(c.Chmod(dir, 0o700))
	}
	if info, statErr := c.Stat(dir); statErr == nil && info.IsDir() { // another process was faster
		return nil
	}
	return fmt.Errorf("make folder %s: %w", dir, err)
}

// tolerate takes the answer of a change of permissions, which not every server lets a user make. Some have a file only once it is closed.
func tolerate(err error) error {
	var status *sftp.StatusError
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.As(err, &status) {
		return nil
	}
	return err
}

// packet is how many bytes the client sends in a request.
const packet = 32 << 10

// fill writes the content of a file, and takes away the right to write to it again meanwhile.
func fill(ctx context.Context, c *conn, f *sftp.File, body storage.Body) error {
	content := body.Exact(ctx)
	defer content.Close()
	locked := start(func() error { return tolerate(c.Chmod(f.Name(), 0o400)) })
	_, err := f.ReadFromWithConcurrency(content, int(body.Size/packet)+1)
	return cmp.Or(content.Err(), err, <-locked)
}

// secure makes a file durable. Its size can be compared before it is closed, since a server that offers this has a real file: others may
// have it only once it is closed.
func secure(c *conn, f *sftp.File, size int64) error {
	right := start(func() error { return checkSize(c, f.Name(), size) })
	err := f.Sync()
	var status *sftp.StatusError
	if errors.As(err, &status) && status.Code == noSuchOperation { // the file system below can't
		err = nil
	}
	return cmp.Or(err, <-right)
}

func checkSize(c *conn, file string, want int64) error {
	info, err := c.Stat(file)
	if err != nil {
		return err
	}
	if info.Size() != want {
		return fmt.Errorf("%s has %d bytes after writing %d", file, info.Size(), want)
	}
	return nil
}

// publish gives the file temp its final name. A server says no more than that it couldn't, whatever the reason.
func publish(c *conn, temp, file string) error {
	err := c.Rename(temp, file)
	var status *sftp.StatusError
	if errors.As(err, &status) {
		if taken := absent(c, file); errors.Is(taken, storage.ErrExists) {
			return taken
		}
	}
	return err
}

// full looks whether a write failed because the disk of the server is full, which the server itself doesn't say.
func full(c *conn, dir string, size int64, reason error) error {
	var status *sftp.StatusError
	if !errors.As(reason, &status) {
		return reason
	}
	disk, err := c.StatVFS(dir)
	if err != nil || disk.Bavail*disk.Frsize >= uint64(size) {
		return reason
	}
	return storage.Mark(fmt.Errorf("%w: the disk of the server is full", reason), storage.ErrFull)
}

// discard removes what a failed Save made, and returns the reason. Over a connection that is broken it can't: Sweep does it later.
func discard(c *conn, temp string, reason error) error {
	if err := remove(c, temp); err != nil {
		return fmt.Errorf("%w (and %s is left behind: %w)", reason, temp, err)
	}
	return reason
}
