package s3

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/backstay/backstay/storage"
)

// retains reports whether Save keeps a file. Locks come and go.
func (b *Backend) retains(name string) bool {
	return b.lock.mode != "" && !strings.HasPrefix(name, "locks/")
}

// Period implements storage.Retainer.
func (b *Backend) Period() time.Duration { return b.lock.period }

// Retained implements storage.Retainer.
func (b *Backend) Retained(ctx context.Context, name string) (until time.Time, err error) {
	err = b.call(ctx, "see retention of", name, func() error {
		info, err := b.head(ctx, name)
		if err == nil {
			until, err = retention(info)
		}
		return err
	})
	return until, err
}

// retention reads from the headers of an object until when it is kept. GetObjectRetention needs one more right, and some servers
// answer it in a way of their own.
func retention(info minio.ObjectInfo) (time.Time, error) {
	header := info.Headers.Get("X-Amz-Object-Lock-Retain-Until-Date")
	if header == "" {
		return time.Time{}, nil
	}
	until, err := time.Parse(time.RFC3339, header)
	if err != nil {
		return time.Time{}, fmt.Errorf("the server says that it is kept until %q: %w", header, err)
	}
	return until, nil
}

// Retain implements storage.Retainer. In compliance mode nobody can shorten it again.
func (b *Backend) Retain(ctx context.Context, name string, until time.Time) error {
	return b.call(ctx, "retain", name, func() error {
		if b.lock.mode == "" {
			return fmt.Errorf(`setting "object-lock" is missing: %w`, storage.ErrPermanent)
		}
		info, err := b.head(ctx, name)
		if err != nil {
			return err
		}
		now, err := retention(info)
		if err != nil || !now.Before(until) {
			return err
		}
		return b.retain(ctx, info, until)
	})
}

// retain sets the time of a version, in whole seconds and never in a weaker mode than it has.
func (b *Backend) retain(ctx context.Context, version minio.ObjectInfo, until time.Time) error {
	mode, until := b.lock.mode, until.Add(time.Second-1).Truncate(time.Second).UTC()
	if minio.RetentionMode(version.Headers.Get("X-Amz-Object-Lock-Mode")) == minio.Compliance {
		mode = minio.Compliance
	}
	return b.core.PutObjectRetention(ctx, b.bucket, version.Key,
		minio.PutObjectRetentionOptions{Mode: &mode, RetainUntilDate: &until, VersionID: version.VersionID})
}

// removeVersions deletes a file in a bucket with object lock: the version itself, for what a plain delete leaves is a delete marker over
// a version that is still there, and still paid for. There is more than one version only if somebody else has put something there.
func (b *Backend) removeVersions(ctx context.Context, name string) error {
	for last := ""; ; {
		info, err := b.head(ctx, name)
		if code(err) == "NoSuchKey" {
			return nil
		}
		if err != nil {
			return err
		}
		until, err := retention(info)
		if err != nil {
			return err
		}
		if until.After(b.clock.Now()) {
			return storage.Mark(fmt.Errorf("%w until %s", storage.ErrRetained, until.UTC().Format(time.RFC3339)), storage.ErrPermanent)
		}
		if last != "" && last == info.VersionID {
			return fmt.Errorf("the server says that it has deleted version %q, but it is still there", last)
		}
		last = info.VersionID
		err = b.core.RemoveObject(ctx, b.bucket, info.Key, minio.RemoveObjectOptions{VersionID: info.VersionID})
		if err != nil && code(err) != "NoSuchVersion" {
			return err
		}
	}
}
