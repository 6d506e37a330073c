package s3

import (
	"context"
	"fmt"
	"iter"
	"path"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage"
)

// ReadDir implements storage.Browser. A bucket has no folders: what a key has before a slash is taken for one, so a folder of which there is
// no key isn't there.
func (b *Backend) ReadDir(ctx context.Context, dir string) iter.Seq2[entry.Meta, error] {
	return func(yield func(entry.Meta, error) bool) {
		left := false
		err := b.call(ctx, "read folder", path.Join(".", dir, "x"), func() error {
			return b.readDir(ctx, dir, func(m entry.Meta) bool {
				left = !yield(m, nil)
				return !left
			})
		})
		if err != nil && !left {
			yield(entry.Meta{}, err)
		}
	}
}

func (b *Backend) readDir(ctx context.Context, dir string, each func(entry.Meta) bool) error {
	owner, prefix := false, b.prefix
	if dir != "." {
		prefix = b.key(dir) + "/"
	}
	found, seen := prefix == "", circle{} // an empty bucket is one all the same
	for object := range b.core.ListObjectsIter(ctx, b.bucket, minio.ListObjectsOptions{Prefix: prefix, FetchOwner: &owner}) {
		if object.Err != nil {
			return object.Err
		}
		if seen.again(object.Key) {
			return errCircle
		}
		found = true
		name, in := strings.CutPrefix(object.Key, prefix)
		if !in || name == "" { // the folder itself, as consoles make it
			continue
		}
		m := entry.Meta{Name: name, Type: entry.File, Size: uint64(object.Size), ModTime: object.LastModified}
		if folder, is := strings.CutSuffix(name, "/"); is {
			m = entry.Meta{Name: folder, Type: entry.Dir}
		}
		if !each(m) {
			return nil
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !found {
		return fmt.Errorf("there is nothing whose key begins with %q: %w", prefix, storage.ErrNotFound)
	}
	return nil
}

// Lookup implements storage.Browser.
func (b *Backend) Lookup(ctx context.Context, name string) (m entry.Meta, err error) {
	err = b.call(ctx, "look up", name, func() error {
		info, err := b.head(ctx, name)
		m = entry.Meta{Name: path.Base(name), Type: entry.File, Size: uint64(info.Size), ModTime: info.LastModified}
		return err
	})
	return m, err
}
