package s3

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/backstay/backstay/storage"
)

// maxSize is what S3 takes in a single request. Packs are far smaller.
const maxSize = 5 << 30

// What is known of a store's conditional writes. While nothing is, or where the store doesn't know them, Save looks whether the name
// is taken before it puts, as everybody does; two that save one name at the same moment can then both believe that they were first.
const (
	untold  int32 = iota // If-None-Match is sent; whether the store knows it will show
	keeps                // it refuses to replace an object
	ignores              // it takes the header and replaces all the same
	refuses              // it doesn't take the header
)

// probeSize is the largest object that is put twice to see whether the store knows conditional writes.
const probeSize = 64 << 10

// Save implements storage.Backend.
func (b *Backend) Save(ctx context.Context, name string, body storage.Body) error {
	return b.call(ctx, "save", name, func() error { return b.save(ctx, name, body) })
}

func (b *Backend) save(ctx context.Context, name string, body storage.Body) error {
	if body.Size > maxSize {
		return fmt.Errorf("%d bytes are more than the %d of a single upload: %w", body.Size, int64(maxSize), storage.ErrPermanent)
	}
	hash, err := body.Hash(ctx)
	if err != nil {
		return err
	}
	if b.look.Swap(false) || b.conditions.Load() != keeps {
		if err := b.lookFor(ctx, name); err != nil {
			return err
		}
	}
	err = b.put(ctx, name, body, hash)
	switch {
	case code(err) == "NoSuchBucket" && begins(name):
		if err = b.makeBucket(ctx); err == nil {
			err = b.put(ctx, name, body, hash)
		}
	case code(err) == "NotImplemented" && b.conditions.CompareAndSwap(untold, refuses):
		err = b.put(ctx, name, body, hash)
	}
	if err == nil && b.conditions.Load() == untold {
		b.probe(ctx, name, body, hash)
	}
	return err
}

// lookFor returns ErrExists where a name is taken.
func (b *Backend) lookFor(ctx context.Context, name string) error {
	_, err := b.head(ctx, name)
	switch code(err) {
	case "NoSuchKey", "NoSuchBucket": // a missing bucket is made by the first Save, or refuses it
		return nil
	}
	if err == nil {
		return storage.ErrExists
	}
	return err
}

// put stores the object in one request.
func (b *Backend) put(ctx context.Context, name string, body storage.Body, hash [32]byte) error {
	content := body.Exact(ctx)
	defer content.Close()
	if err := content.Err(); err != nil {
		return err
	}
	_, err := b.core.PutObject(ctx, b.bucket, b.key(name), content, body.Size, "", hex.EncodeToString(hash[:]), b.options(name, hash))
	if err == nil {
		return nil
	}
	if broken := content.Err(); broken != nil {
		return broken
	}
	switch code(err) {
	case "": // there is no answer; one that refuses the name can get lost where the server doesn't wait for the content
		b.look.Store(true)
	case "PreconditionFailed":
		b.conditions.Store(keeps)
		return storage.Mark(err, storage.ErrExists)
	case "BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "InvalidDigest":
		return blame(ctx, body, hash, err)
	}
	return err
}

// options are the headers of a put.
func (b *Backend) options(name string, hash [32]byte) minio.PutObjectOptions {
	opts := minio.PutObjectOptions{
		ServerSideEncryption: b.encryption,
		StorageClass:         b.classOf(name),
		DisableContentSha256: true, // no signature of each part: that of the whole is signed
		UserMetadata:         map[string]string{"x-amz-checksum-sha256": base64.StdEncoding.EncodeToString(hash[:])},
	}
	if b.conditions.Load() != refuses {
		opts.SetMatchETagExcept("*")
	}
	if b.retains(name) {
		opts.Mode, opts.RetainUntilDate = b.lock.mode, b.until()
	}
	return opts
}

// classOf returns the storage class of a file. Classes from which nothing can be read at once are for packs only, as in restic:
// the other files are read each time.
func (b *Backend) classOf(name string) string {
	if archive := b.class == "GLACIER" || b.class == "DEEP_ARCHIVE"; archive && !strings.HasPrefix(name, "data/") {
		return ""
	}
	return b.class
}

// blame finds out who is to blame for a content that didn't have its hash at the far end: the body, for good, or the way there.
func blame(ctx context.Context, body storage.Body, hash [32]byte, refused error) error {
	content, again := body.Exact(ctx), sha256.New()
	defer content.Close()
	if _, err := io.Copy(again, content); err != nil {
		return errors.Join(refused, err)
	}
	if [32]byte(again.Sum(nil)) == hash {
		return refused
	}
	return storage.Mark(refused, storage.ErrMismatch)
}

// probe puts a small object that was just stored once more, to see whether the store knows conditional writes. What would replace it
// is the same. A bucket with object lock is not left with a second version of a file that is kept.
func (b *Backend) probe(ctx context.Context, name string, body storage.Body, hash [32]byte) {
	if body.Size > probeSize || b.retains(name) {
		return
	}
	if err := b.put(ctx, name, body, hash); err == nil { // an error that isn't about the name tells nothing
		b.conditions.CompareAndSwap(untold, ignores)
	}
	b.look.Store(false)
}

// begins reports whether a file is among the first of a new repository.
func begins(name string) bool { return name == "config" || strings.HasPrefix(name, "keys/") }

// makeBucket makes the bucket, as restic does for a new repository, with object lock where that is set.
func (b *Backend) makeBucket(ctx context.Context) error {
	err := b.core.MakeBucket(ctx, b.bucket, minio.MakeBucketOptions{Region: b.region, ObjectLocking: b.lock.mode != ""})
	if err != nil && code(err) != "BucketAlreadyOwnedByYou" { // somebody else was faster
		return fmt.Errorf("make bucket: %w", err)
	}
	return nil
}
