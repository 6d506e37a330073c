// Package rest keeps a repository behind restic's REST protocol, as rest-server and "rclone serve restic" speak it.
//
// The protocol knows the files of restic's repositories and no others: the config, and files in five folders that are called after
// a hash. A name is taken for its place on the server: data/ab/ID is data/ID there. A server is asked for version 2 of the
// protocol, whose listings tell sizes; one that only knows version 1 is asked for the size of each file.
//
// The invariant: a folder is empty only if the server said so in a whole and well-formed listing. An answer that nothing was found is
// never taken for an empty folder, since servers have given it for passing troubles (restic's issue 4612 lost a repository so).
//
// Connections speak HTTP/1.1, so that each transfer has one of its own: those of HTTP/2 would share the window of one.
// No proxy is used and no redirection followed: the address is the server's own.
package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
)

// backend is a storage.Backend at a server.
type backend struct {
	base           string // the address of the repository with a slash at its end, without user and password
	user, password string
	client         *http.Client
	clock          clock.Clock

	prepared atomic.Bool // the repository has been seen or made
}

// Load implements storage.Backend.
func (b *backend) Load(ctx context.Context, name string, p []byte, offset int64) error {
	place, err := find(name)
	if err == nil && len(p) == 0 {
		err = b.checkSize(ctx, place, offset)
	} else if err == nil {
		err = b.load(ctx, place, p, offset)
	}
	if err != nil {
		return fmt.Errorf("load %q: %w", name, err)
	}
	return nil
}

// checkSize returns an error unless the file has that many bytes: nothing can't be asked for as a range.
func (b *backend) checkSize(ctx context.Context, place string, size int64) error {
	got, err := b.stat(ctx, place)
	if err == nil && got < size {
		return fmt.Errorf("%d bytes instead of %d: %w", got, size, storage.ErrShort)
	}
	return err
}

func (b *backend) load(ctx context.Context, place string, p []byte, offset int64) error {
	r, err := b.request(ctx, http.MethodGet, place)
	if err != nil {
		return err
	}
	end := offset + int64(len(p))
	r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, end-1))
	answer, err := b.do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	skip, size := int64(0), answer.ContentLength
	if answer.StatusCode == http.StatusPartialContent {
		if size, err = rangeSize(answer.Header.Get("Content-Range"), offset, end); err != nil {
			return err
		}
	} else { // the whole file, as rest-server gives a config
		skip = offset
	}
	if size >= 0 && size < end {
		return fmt.Errorf("the range ends at %d, the file at %d: %w", end, size, storage.ErrShort)
	}
	if _, err := io.CopyN(io.Discard, answer.Body, skip); err != nil {
		return ended(ctx, err)
	}
	if _, err := io.ReadFull(answer.Body, p); err != nil {
		return ended(ctx, err)
	}
	return nil
}

// rangeSize returns the size of the file of which an answer holds a range, or -1 where it isn't told. It is an error if the range
// isn't the one that was asked for, or ends before the file does.
func rangeSize(header string, offset, end int64) (int64, error) {
	var first, last, size int64
	if n, _ := fmt.Sscanf(header, "bytes %d-%d/%d", &first, &last, &size); n == 2 {
		size = -1 // "*"
	} else if n != 3 {
		return 0, fmt.Errorf("the server answers with the range %q", header)
	}
	whole := size < 0 || size >= end
	if first != offset || whole && last != end-1 {
		return 0, fmt.Errorf("the server answers with the range %q instead of %d-%d", header, offset, end-1)
	}
	return size, nil
}

// Stat implements storage.Backend.
func (b *backend) Stat(ctx context.Context, name string) (storage.Info, error) {
	place, err := find(name)
	var size int64
	if err == nil {
		size, err = b.stat(ctx, place)
	}
	if err != nil {
		return storage.Info{}, fmt.Errorf("stat %q: %w", name, err)
	}
	return storage.Info{Name: name, Size: size}, nil
}

// stat returns the size of a file.
func (b *backend) stat(ctx context.Context, place string) (int64, error) {
	r, err := b.request(ctx, http.MethodHead, place)
	if err != nil {
		return 0, err
	}
	answer, err := b.do(r)
	if err != nil {
		return 0, err
	}
	answer.Body.Close()
	if answer.ContentLength < 0 {
		return 0, errors.New("the server doesn't say how large the file is")
	}
	return answer.ContentLength, nil
}

// Remove implements storage.Backend.
func (b *backend) Remove(ctx context.Context, name string) error {
	place, err := find(name)
	if err == nil {
		err = b.remove(ctx, place)
	}
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("remove %q: %w", name, err)
	}
	return nil
}

func (b *backend) remove(ctx context.Context, place string) error {
	r, err := b.request(ctx, http.MethodDelete, place)
	if err != nil {
		return err
	}
	answer, err := b.do(r)
	if errors.Is(err, errForbidden) {
		return fmt.Errorf("the server lets nothing be removed: it is append-only, or the user has no right to it: %w", err)
	}
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// CloseIdle closes the connections that are kept for later calls. The backend stays usable.
func (b *backend) CloseIdle() { b.client.CloseIdleConnections() }
