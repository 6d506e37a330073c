package smb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"time"

	"github.com/cloudsoda/go-smb2"
	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/storage"
)

// Save implements storage.Backend. It makes the folders it needs.
func (b *backend) Save(ctx context.Context, name string, body storage.Body) error {
	if isTemp(name) {
		return fail("save", name, fmt.Errorf("it is not a name for a file: %w", storage.ErrPermanent))
	}
	unlock, err := b.saving.Lock(ctx, name)
	if err != nil {
		return fail("save", name, err)
	}
	defer unlock()
	temp := "" // what has to be taken away after an error
	err = b.do(ctx, "save", name, func(s *smb2.Share, file string) error {
		var f *smb2.File
		if temp, f, err = b.create(s, path.Dir(file)); err != nil {
			return err
		}
		if err := errors.Join(write(ctx, f, body), f.Close()); err != nil {
			return err
		}
		if err := absent(s, file); err != nil {
			return err
		}
		return s.Rename(temp, file)
	})
	if err != nil && temp != "" {
		return b.discard(ctx, temp, err)
	}
	return err
}

// create makes a new temporary file in a folder of the share, and the folders that are missing for it.
func (b *backend) create(s *smb2.Share, dir string) (temp string, f *smb2.File, err error) {
	var random [16]byte
	if _, err := io.ReadFull(b.env.Rand, random[:]); err != nil {
		return "", nil, fmt.Errorf("read random bytes: %w", err)
	}
	temp = path.Join(dir, fmt.Sprintf("%s%x", tempPrefix, random))
	const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if f, err = s.OpenFile(temp, flags, 0o666); errors.Is(err, fs.ErrNotExist) {
		if err = s.MkdirAll(dir, 0o777); err == nil {
			f, err = s.OpenFile(temp, flags, 0o666)
		}
	}
	return temp, f, err
}

// parts are buffers for parts of files, each part bytes long.
var parts = sync.Pool{New: func() any { return new([part]byte) }}

// write fills a file durably.
func write(ctx context.Context, f *smb2.File, body storage.Body) error {
	content := body.Exact(ctx)
	defer content.Close()
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for at := int64(0); at < body.Size && working.Err() == nil; at += part {
		buffer := parts.Get().(*[part]byte)
		p := buffer[:min(part, body.Size-at)]
		if _, err := io.ReadFull(content, p); err != nil {
			parts.Put(buffer)
			break
		}
		group.Go(func() error {
			defer parts.Put(buffer)
			_, err := f.WriteAt(p, at) // all of it, as the server's answers say
			return err
		})
	}
	err := group.Wait()
	if content.Err() != nil {
		return content.Err()
	}
	if err != nil {
		return err
	}
	return f.Sync()
}

// absent returns nil if there is no such file.
func absent(s *smb2.Share, file string) error {
	_, err := s.Stat(file)
	if err == nil {
		return storage.ErrExists
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

const (
	// grace is how long a failed Save may take to take away what it made, after its context has ended too.
	grace = 5 * time.Second
	// pause is between two tries: a server that hasn't noticed yet that a connection was cut holds its files.
	pause = 50 * time.Millisecond
)

// discard removes what a failed Save made, and returns the reason. Where it can't, Sweep does it later.
func (b *backend) discard(ctx context.Context, temp string, reason error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	for {
		err := b.pool.with(ctx, func(s *smb2.Share) error { return s.Remove(temp) })
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return reason
		}
		if !held(err) || b.env.Clock.Sleep(ctx, pause) != nil {
			return fmt.Errorf("%w (and a part may be left behind: %w)", reason, err)
		}
	}
}
