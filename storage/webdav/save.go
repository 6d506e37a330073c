package webdav

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"time"

	"github.com/backstay/backstay/storage"
)

// Save implements storage.Backend. It makes the folders it needs. Where the server knows checksums it reads the content twice: one is sent
// ahead of it.
func (b *backend) Save(ctx context.Context, name string, body storage.Body) error {
	err := checkName(name)
	if err == nil {
		err = b.save(ctx, name, body)
	}
	if err != nil {
		return fail("save", name, err)
	}
	return nil
}

func (b *backend) save(ctx context.Context, name string, body storage.Body) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	unlock, err := b.saving.Lock(ctx, name) // of several saves of one name in this program one succeeds
	if err != nil {
		return err
	}
	defer unlock()
	sum, err := b.checksum(ctx, body)
	if err != nil {
		return err
	}
	if err := b.makeFolder(ctx, path.Dir(b.path(name))); err != nil {
		return err
	}
	var random [16]byte
	if _, err := io.ReadFull(b.env.Rand, random[:]); err != nil {
		return fmt.Errorf("read random bytes: %w", err)
	}
	temp := path.Join(path.Dir(b.path(name)), fmt.Sprintf("%s%x", tempPrefix, random))
	err = b.put(ctx, temp, body, sum)
	if err == nil {
		err = b.compare(ctx, temp, body, sum)
	}
	if err == nil {
		err = b.rename(ctx, temp, b.path(name))
	}
	if err != nil {
		return b.discard(ctx, temp, err)
	}
	return nil
}

// checksum returns the SHA-1 of the content, as the server writes it, or "" if it knows none.
func (b *backend) checksum(ctx context.Context, body storage.Body) (string, error) {
	if !b.vendor.sums {
		return "", nil
	}
	content, hash := body.Exact(ctx), sha1.New()
	defer content.Close()
	if _, err := io.Copy(hash, content); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", hash.Sum(nil)), nil
}

// put sends the content. Its error is that of the body, if there is one.
func (b *backend) put(ctx context.Context, file string, body storage.Body, sum string) error {
	content := body.Exact(ctx)
	defer content.Close()
	if err := content.Err(); err != nil { // an empty body isn't read
		return err
	}
	r := b.request(ctx, http.MethodPut, file, content)
	if r.ContentLength = body.Size; body.Size == 0 {
		r.Body = http.NoBody
	}
	r.Header.Set("Content-Type", "application/octet-stream")
	if b.vendor.sent != "" {
		r.Header.Set(b.vendor.sent, "SHA1:"+sum)
	}
	err := b.client.ask(r)
	if content.Err() != nil {
		return content.Err()
	}
	return b.passing(err)
}

// passing is the error of a request that finds no folder, or no file that was just made: the next try makes folders anew.
func (b *backend) passing(err error) error {
	if nowhere(err) || errors.Is(err, storage.ErrNotFound) {
		b.mu.Lock()
		defer b.mu.Unlock()
		clear(b.made)
		return errors.New(err.Error())
	}
	return err
}

// nowhere tells that the server finds nothing there, or nothing to put something in.
func nowhere(err error) bool {
	code := status(err)
	return code == http.StatusNotFound || code == http.StatusConflict
}

// compare returns an error unless the server has what was sent, as far as it says so.
func (b *backend) compare(ctx context.Context, file string, body storage.Body, sum string) error {
	found, err := b.find(ctx, file)
	if err != nil {
		return b.passing(err)
	}
	if found.size != body.Size {
		return fmt.Errorf("the server has %d bytes after %d were sent", found.size, body.Size)
	}
	if found.sha1 != "" && sum != "" && found.sha1 != sum {
		return fmt.Errorf("the server has a content of SHA-1 %s after one of %s was sent", found.sha1, sum)
	}
	return nil
}

func (b *backend) rename(ctx context.Context, from, to string) error {
	r := b.request(ctx, "MOVE", from, nil)
	r.Header.Set("Destination", b.address(to))
	r.Header.Set("Overwrite", "F")
	err := b.client.ask(r)
	if status(err) == http.StatusPreconditionFailed {
		return storage.ErrExists
	}
	return b.passing(err)
}

// makeFolder makes a folder of the server, by its whole path, and those above it. What was made, or found, is remembered.
func (b *backend) makeFolder(ctx context.Context, dir string) error {
	unlock, err := b.making.Lock(ctx, dir) // some servers refuse to make one twice at the same moment
	if err != nil {
		return err
	}
	defer unlock()
	b.mu.Lock()
	known := b.made[dir]
	b.mu.Unlock()
	if known || dir == "/" {
		return nil
	}
	make := func() error { return b.client.ask(b.request(ctx, "MKCOL", dir+"/", nil)) }
	if err = make(); nowhere(err) { // there is none above it
		if err := b.makeFolder(ctx, path.Dir(dir)); err != nil {
			return err
		}
		err = make()
	}
	if status(err) != 0 && b.isFolder(ctx, dir, err) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("make folder %s: %w", dir, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.made[dir] = true
	return nil
}

// isFolder tells whether there is a folder that couldn't be made for this reason. Most servers say so, in different words; some refuse.
func (b *backend) isFolder(ctx context.Context, dir string, reason error) (is bool) {
	switch status(reason) {
	case http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusLocked:
		return true
	case http.StatusUnauthorized:
		return false
	}
	err := b.propfind(ctx, dir, "0", func(i item) error {
		is = i.folder
		return nil
	})
	return is && err == nil
}

const (
	// grace is how long a failed Save may take to take away what it made, after its context has ended too.
	grace = 5 * time.Second
	// settling is for how long a server may go on to make a file whose sending broke off, or to hold it, until it is asked again.
	settling = 200 * time.Millisecond
)

// discard removes what a failed Save made, and returns the reason. Where it can't, Sweep does it later.
func (b *backend) discard(ctx context.Context, temp string, reason error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	for looked := false; ; {
		err := b.client.ask(b.request(ctx, http.MethodDelete, temp, nil))
		missing := status(err) == http.StatusNotFound
		if err == nil || missing && looked {
			return reason
		}
		looked = looked || missing
		if again := missing || status(err) == http.StatusLocked; !again || b.env.Clock.Sleep(ctx, settling) != nil {
			return fmt.Errorf("%w (and a part may be left behind: %w)", reason, err)
		}
	}
}
