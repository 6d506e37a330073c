// Package s3 keeps a repository in a bucket of Amazon S3, or of another store that speaks its protocol.
//
// A file is an object, put in a single request: its key is the prefix of the location and the name of the file. The request carries
// the SHA-256 of the content, signed and as the object's checksum, so a store keeps either the whole object or none. It also says
// If-None-Match, so that a store which knows that header never replaces an object; see save.go for those that don't.
//
// With object lock each object but those beneath "locks/" is kept until a time, in its version of that moment: somebody with every
// right can hide it behind a delete marker or a newer version, but not take it away. See lock.go.
//
// The invariant: under its key an object is whole and never changes, and no call of this package leaves a delete marker on a bucket
// with object lock. There are no tries beyond the first: that is the business of storage/retry.
package s3

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/encrypt"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
)

// Backend is a storage.Backend in a bucket.
type Backend struct {
	core   minio.Core
	clock  clock.Clock
	bucket string
	prefix string // of all keys: "" or what ends with a slash
	region string // of a bucket that is yet to be made

	class      string             // storage class of data; "": the bucket's own
	encryption encrypt.ServerSide // at the far end; nil: the bucket's own
	lock       lock

	conditions atomic.Int32 // what is known of the store's conditional writes: one of the constants in save.go
	look       atomic.Bool  // the last Save got no answer: the next one looks first
}

// call is one call of the interface: what happens, on which name.
func (b *Backend) call(ctx context.Context, what, name string, f func() error) error {
	err := storage.CheckName(name)
	if err == nil && ctx.Err() == nil {
		if err = f(); err == nil {
			return nil
		}
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("%s %q: %w", what, name, b.explain(err))
}

// Load implements storage.Backend.
func (b *Backend) Load(ctx context.Context, name string, p []byte, offset int64) error {
	return b.call(ctx, "load", name, func() error {
		if offset < 0 {
			return fmt.Errorf("offset %d is negative: %w", offset, storage.ErrPermanent)
		}
		if len(p) == 0 {
			return b.loadNothing(ctx, name, offset)
		}
		return b.load(ctx, name, p, offset)
	})
}

// loadNothing is a Load of no bytes: a range that can't be asked for.
func (b *Backend) loadNothing(ctx context.Context, name string, offset int64) error {
	info, err := b.head(ctx, name)
	if err == nil && offset > info.Size {
		err = short(0, offset, info.Size)
	}
	return err
}

func (b *Backend) load(ctx context.Context, name string, p []byte, offset int64) error {
	var opts minio.GetObjectOptions
	if err := opts.SetRange(offset, offset+int64(len(p))-1); err != nil {
		return err
	}
	body, _, header, err := b.core.GetObject(ctx, b.bucket, b.key(name), opts)
	if code(err) == "InvalidRange" {
		return storage.Mark(err, storage.ErrShort)
	}
	if err != nil {
		return err
	}
	defer body.Close()
	start, size, err := answered(header.Get("Content-Range"), header.Get("Content-Length"))
	switch {
	case err != nil:
		return err
	case start != offset:
		return fmt.Errorf("the server answers with bytes from %d instead of %d", start, offset)
	case offset+int64(len(p)) > size:
		return short(len(p), offset, size)
	}
	if n, err := io.ReadFull(body, p); err != nil {
		return fmt.Errorf("%d of %d bytes: the answer is cut: %w", n, len(p), err)
	}
	return nil
}

func short(n int, offset, size int64) error {
	return fmt.Errorf("%d bytes at %d of %d: %w", n, offset, size, storage.ErrShort)
}

// answered takes the headers of an answer apart: where its bytes begin, and the size of the whole object.
func answered(contentRange, length string) (start, size int64, err error) {
	if contentRange == "" { // the server gives the whole object
		size, err = strconv.ParseInt(length, 10, 64)
		return 0, size, err
	}
	span, total, _ := strings.Cut(strings.TrimPrefix(contentRange, "bytes "), "/")
	first, _, _ := strings.Cut(span, "-")
	start, err = strconv.ParseInt(first, 10, 64)
	if err == nil {
		size, err = strconv.ParseInt(total, 10, 64)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("the server answers with the range %q", contentRange)
	}
	return start, size, nil
}

// Stat implements storage.Backend.
func (b *Backend) Stat(ctx context.Context, name string) (info storage.Info, err error) {
	err = b.call(ctx, "stat", name, func() error {
		found, err := b.head(ctx, name)
		info = storage.Info{Name: name, Size: found.Size}
		return err
	})
	if err != nil {
		return storage.Info{}, err
	}
	return info, nil
}

// Remove implements storage.Backend.
func (b *Backend) Remove(ctx context.Context, name string) error {
	return b.call(ctx, "remove", name, func() error {
		if b.lock.mode != "" {
			return b.removeVersions(ctx, name)
		}
		return b.core.RemoveObject(ctx, b.bucket, b.key(name), minio.RemoveObjectOptions{})
	})
}

// head asks for what there is of a file beside its content.
func (b *Backend) head(ctx context.Context, name string) (minio.ObjectInfo, error) {
	return b.core.StatObject(ctx, b.bucket, b.key(name), minio.StatObjectOptions{})
}

// key returns the key of the file called name.
func (b *Backend) key(name string) string { return b.prefix + name }

// until is the time until which Save keeps what it saves now.
func (b *Backend) until() time.Time { return b.clock.Now().Add(b.lock.period).UTC() }
