package s3

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/backstay/backstay/storage"
)

// errStop ends a listing that its reader has left.
var errStop = errors.New("stop")

// errCircle is about a store whose pages of a listing lead back to earlier ones.
var errCircle = errors.New("the server's listing goes round in a circle")

// List implements storage.Backend.
func (b *Backend) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		left := false
		err := b.call(ctx, "list", dir, func() error {
			return b.list(ctx, b.key(dir)+"/", false, func(found minio.ObjectInfo) error {
				if left = !yield(storage.Info{Name: b.name(found.Key), Size: found.Size}, nil); left {
					return errStop
				}
				return nil
			})
		})
		if err != nil && !left {
			yield(storage.Info{}, err)
		}
	}
}

// list calls each for every object whose key has a prefix, or for every version of each and for the delete markers.
func (b *Backend) list(ctx context.Context, prefix string, versions bool, each func(minio.ObjectInfo) error) error {
	owner := false
	opts := minio.ListObjectsOptions{Prefix: prefix, Recursive: true, WithVersions: versions, FetchOwner: &owner}
	var seen circle
	for found := range b.core.ListObjectsIter(ctx, b.bucket, opts) {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case found.Err != nil:
			return found.Err
		case seen.again(found.Key + "\x00" + found.VersionID):
			return errCircle
		case !strings.HasPrefix(found.Key, opts.Prefix) || storage.CheckName(b.name(found.Key)) != nil:
			continue // a folder that a console has made, which is an object with a slash at its end
		}
		if err := each(found); err != nil {
			return err
		}
	}
	if ctx.Err() != nil { // the client ends such a listing without a word
		return context.Cause(ctx)
	}
	return nil
}

// name returns the name of the file that has a key.
func (b *Backend) name(key string) string { return strings.TrimPrefix(key, b.prefix) }

// circle finds out whether a sequence has come back to where it was, without keeping all of it (Brent's algorithm).
type circle struct {
	mark    string
	n, next int
}

func (c *circle) again(s string) bool {
	if c.n > 0 && s == c.mark {
		return true
	}
	if c.n++; c.n > c.next {
		c.mark, c.next = s, 2*c.n
	}
	return false
}
