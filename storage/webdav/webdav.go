// Package webdav keeps a repository in a folder of a WebDAV server (RFC 4918).
//
// A file is sent under a temporary name in the folder where it belongs, its size is compared, and its checksum where the server tells one, and
// then it is renamed, which the server is told not to do where the name is taken. A temporary file is one whose name starts with
// ".backstay-tmp-"; it is never taken for a file of the repository.
//
// The invariant: under its final name a file is whole and never changes. A connection that breaks, or a process that is killed on either side,
// leaves at most temporary files, which Sweep removes. What becomes of a saved file when the server loses power is up to the server: the
// protocol can't ask for more.
package webdav

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"

	"github.com/backstay/backstay/storage"
)

const tempPrefix = ".backstay-tmp-"

// backend is a storage.Backend in a folder of a server.
type backend struct {
	base   *url.URL // the folder, without a slash at its end but for the top
	client client
	vendor vendor
	env    storage.Env
	saving storage.Names
	making storage.Names // folders

	mu   sync.Mutex
	made map[string]bool // guarded by mu: the folders that were made, or found
}

var (
	_ storage.Browser = (*backend)(nil)
	_ storage.Sweeper = (*backend)(nil)
)

// path is where a file or a folder is on the server; "." is the location.
func (b *backend) path(name string) string { return path.Join(b.base.Path, name) }

// request makes a request for a path on the server.
func (b *backend) request(ctx context.Context, method, p string, body io.Reader) *http.Request {
	r, err := http.NewRequestWithContext(ctx, method, b.address(p), body)
	if err != nil {
		panic(err) // the address is one, as Open has checked
	}
	return r
}

// address is that of a path on the server.
func (b *backend) address(p string) string {
	return (&url.URL{Scheme: b.base.Scheme, Host: b.base.Host, Path: p}).String()
}

// Load implements storage.Backend.
func (b *backend) Load(ctx context.Context, name string, p []byte, offset int64) error {
	if len(p) == 0 {
		_, err := b.Stat(ctx, name) // there is no range of nothing
		return err
	}
	err := checkName(name)
	if err == nil {
		err = b.load(ctx, name, p, offset)
	}
	if err != nil {
		return fail("load", name, err)
	}
	return nil
}

func (b *backend) load(ctx context.Context, name string, p []byte, offset int64) error {
	r := b.request(ctx, http.MethodGet, b.path(name), nil)
	r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+int64(len(p))-1))
	answer, err := b.client.do(r)
	if status(err) == http.StatusRequestedRangeNotSatisfiable {
		return fmt.Errorf("%w: %w", err, storage.ErrShort)
	}
	if err != nil {
		return err
	}
	defer done(answer)
	if err := checkRange(answer, offset, int64(len(p))); err != nil {
		return err
	}
	_, err = io.ReadFull(answer.Body, p)
	if err == nil {
		err = checkEnd(answer.Body)
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// checkEnd returns an error unless the answer ends here.
func checkEnd(r io.Reader) error {
	n, err := io.ReadFull(r, make([]byte, 1))
	if n > 0 {
		return errNoRanges
	}
	if err == io.EOF {
		return nil
	}
	return err
}

var errNoRanges = storage.Mark(errors.New("the server sends whole files where a part is asked for"), storage.ErrPermanent)

// checkRange returns an error unless the answer holds the range, or begins with it.
func checkRange(answer *http.Response, offset, length int64) error {
	if answer.StatusCode != http.StatusPartialContent {
		if offset != 0 || answer.ContentLength > length {
			return errNoRanges
		}
		if answer.ContentLength >= 0 && answer.ContentLength < length {
			return fmt.Errorf("%d of %d bytes: %w", answer.ContentLength, length, storage.ErrShort)
		}
		return nil
	}
	var first, last, total int64
	if n, _ := fmt.Sscanf(answer.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &total); n < 2 || first != offset {
		return fmt.Errorf("the server sends range %q where the one from %d was asked for", answer.Header.Get("Content-Range"), offset)
	}
	switch got := last - first + 1; {
	case got < length && last+1 == total:
		return fmt.Errorf("%d of %d bytes at %d: %w", got, length, offset, storage.ErrShort)
	case got != length:
		return fmt.Errorf("the server sends %d bytes where %d were asked for", got, length)
	}
	return nil
}

// Stat implements storage.Backend.
func (b *backend) Stat(ctx context.Context, name string) (storage.Info, error) {
	err := checkName(name)
	var found item
	if err == nil {
		found, err = b.find(ctx, b.path(name))
	}
	if err != nil {
		return storage.Info{}, fail("stat", name, err)
	}
	return storage.Info{Name: name, Size: found.size}, nil
}

// Remove implements storage.Backend. The server would remove a folder with all that is in it: it is looked at first.
func (b *backend) Remove(ctx context.Context, name string) error {
	err := checkName(name)
	if err == nil {
		_, err = b.find(ctx, b.path(name))
	}
	if err == nil {
		err = b.client.ask(b.request(ctx, http.MethodDelete, b.path(name), nil))
	}
	if err != nil {
		if err = fail("remove", name, err); errors.Is(err, storage.ErrNotFound) {
			return nil
		}
	}
	return err
}

// CloseIdle closes the connections that no call uses. The next call makes a new one.
func (b *backend) CloseIdle() { b.client.http.CloseIdleConnections() }

func checkName(name string) error {
	if err := storage.CheckName(name); err != nil {
		return err
	}
	if isTemp(name) {
		return fmt.Errorf("it is not a name for a file: %w", storage.ErrPermanent)
	}
	return nil
}

func isTemp(name string) bool { return strings.HasPrefix(path.Base(name), tempPrefix) }
