package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/backstay/backstay/storage"
)

// The versions of the protocol, as Accept and Content-Type name them.
const (
	version1 = "application/vnd.x.restic.rest.v1"
	version2 = "application/vnd.x.restic.rest.v2"
)

// errForbidden is wrapped where a server answers 403, which has several meanings.
var errForbidden = errors.New("403 Forbidden")

func (b *backend) request(ctx context.Context, method, place string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, b.base+place, nil)
	if err != nil {
		return nil, fmt.Errorf("the address can't be used: %w", storage.ErrPermanent)
	}
	r.Header.Set("Accept", version2)
	if b.user != "" || b.password != "" {
		r.SetBasicAuth(b.user, b.password)
	}
	return r, nil
}

// do makes a request. Whatever isn't an answer of success is an error, in which no address stands.
func (b *backend) do(r *http.Request) (*http.Response, error) {
	if r.Context().Err() != nil {
		return nil, context.Cause(r.Context())
	}
	answer, err := b.client.Do(r)
	if err != nil {
		return nil, ended(r.Context(), err)
	}
	if err := b.check(answer); err != nil {
		finish(answer)
		return nil, err
	}
	return answer, nil
}

// finish is done with an answer of which nothing more is wanted: a connection whose answer was read can be used again.
func finish(answer *http.Response) {
	_, _ = io.CopyN(io.Discard, answer.Body, 4<<10)
	answer.Body.Close()
}

// ended is the error of a request that had no whole answer.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var address *url.Error
	if errors.As(err, &address) {
		err = address.Err
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if certificate := (*tls.CertificateVerificationError)(nil); errors.As(err, &certificate) {
		return storage.Mark(fmt.Errorf("no secure connection: %w", err), storage.ErrUntrusted)
	}
	if insecure(err) {
		return storage.Mark(fmt.Errorf("no secure connection: %w", err), storage.ErrPermanent)
	}
	return err
}

// insecure reports whether a connection was refused for what either side is, which no second try changes.
func insecure(err error) bool {
	var record tls.RecordHeaderError
	var alert *net.OpError
	return errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch) ||
		errors.As(err, &alert) && alert.Op == "remote error" && alert.Err.Error() != "tls: internal error" // so crypto/tls passes on what the server says
}

// check returns the error that the status of an answer stands for.
func (b *backend) check(answer *http.Response) error {
	code := answer.StatusCode
	err := fmt.Errorf("the server answers %d %s", code, http.StatusText(code))
	switch {
	case code == http.StatusOK || code == http.StatusCreated || code == http.StatusNoContent || code == http.StatusPartialContent:
		return nil
	case code == http.StatusNotFound:
		return storage.Mark(err, storage.ErrNotFound)
	case code == http.StatusUnauthorized:
		return settled(err, "check user and password", storage.ErrLogin)
	case code == http.StatusForbidden:
		return permanent(fmt.Errorf("the server answers %w", errForbidden), "the user may not do this")
	case code == http.StatusRequestedRangeNotSatisfiable:
		return storage.Mark(err, storage.ErrShort)
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		return &storage.BusyError{After: b.after(answer.Header.Get("Retry-After")), Err: err}
	case code == http.StatusInsufficientStorage:
		return settled(err, "its space is used up", storage.ErrFull)
	case code == http.StatusRequestEntityTooLarge:
		return permanent(err, "its space is used up, or the file is larger than it takes")
	case code == http.StatusMethodNotAllowed || code == http.StatusNotImplemented:
		return permanent(err, "check the address: this doesn't seem to be a restic REST server")
	case code >= 300 && code < 400:
		return permanent(err, "it wants to be asked at another address: give that one")
	}
	return err
}

func permanent(err error, hint string) error { return settled(err, hint, storage.ErrPermanent) }

// settled is the error of an answer that no second try changes, with the sentinel that says most of it.
func settled(err error, hint string, kind error) error {
	return storage.Mark(fmt.Errorf("%w: %s", err, hint), kind)
}

// after returns the time that a Retry-After header tells to wait: 0 if it tells none.
func (b *backend) after(header string) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, at.Sub(b.clock.Now()))
	}
	return 0
}
