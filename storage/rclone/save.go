package rclone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/hash"
	"github.com/rclone/rclone/fs/object"

	"github.com/backstay/backstay/storage"
)

// grace is how long a failed Save may take to take away what it made, after its context has ended too.
const grace = 5 * time.Second

// Save implements storage.Backend. Where the store knows checksums it reads the content twice: they are sent ahead of it.
func (b *Backend) Save(ctx context.Context, name string, body storage.Body) error {
	made := "" // what has to be taken away after an error
	err := b.do(ctx, "save", name, func(ctx context.Context, f fs.Fs) (err error) {
		if err := checkName(name); err != nil {
			return err
		}
		if b.remote.alone {
			unlock, err := b.names.Lock(ctx, name)
			if err != nil {
				return err
			}
			defer unlock()
		}
		if !b.remote.refuses {
			if err := checkFree(ctx, f, name); err != nil {
				return err
			}
		}
		sums, err := checksums(ctx, body, f.Hashes())
		if err != nil {
			return err
		}
		if b.remote.create {
			made, err = b.create(ctx, f, name, body, sums)
			return err
		}
		made, err = b.rename(ctx, f, name, body, sums)
		return err
	})
	if err != nil && made != "" {
		return b.discard(ctx, made, err)
	}
	return err
}

// checkFree returns an error if the name is taken, or if that can't be told.
func checkFree(ctx context.Context, f fs.Fs, name string) error {
	_, err := f.NewObject(ctx, name)
	switch {
	case err == nil:
		return storage.ErrExists
	case errors.Is(err, fs.ErrorObjectNotFound), errors.Is(err, fs.ErrorDirNotFound):
		return nil
	}
	return err
}

// create puts the file under its name. After an error made is what may be left, if anything.
func (b *Backend) create(ctx context.Context, f fs.Fs, name string, body storage.Body, sums map[hash.Type]string) (made string, err error) {
	object, err := b.put(ctx, f, name, body, sums)
	if err != nil {
		return "", err // the store shows nothing, or all of it if the answer was lost
	}
	if err := compare(ctx, object, body, sums); err != nil {
		return name, err
	}
	b.known.put(name, object)
	return "", nil
}

// rename puts the file under a temporary name and then gives it its own. After an error made is what may be left, if anything.
func (b *Backend) rename(ctx context.Context, f fs.Fs, name string, body storage.Body, sums map[hash.Type]string) (made string, err error) {
	move := f.Features().Move
	if move == nil {
		return "", fmt.Errorf("rclone's %s can't rename", b.remote.backend)
	}
	var random [16]byte
	if _, err := io.ReadFull(b.env.Rand, random[:]); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	temp := path.Join(path.Dir(name), fmt.Sprintf("%s%x", tempPrefix, random))
	object, err := b.put(ctx, f, temp, body, sums)
	if err == nil {
		err = compare(ctx, object, body, sums)
	}
	if err != nil {
		return temp, err
	}
	moved, err := move(ctx, object, name)
	if err != nil {
		return temp, err
	}
	if moved.Size() != body.Size { // it may be another's, which is not to be removed
		return "", fmt.Errorf("the file has %d bytes after writing %d", moved.Size(), body.Size)
	}
	b.known.put(name, moved)
	return "", nil
}

// put sends the content. Its error is that of the body, if there is one, or the end of the context, rather than what rclone makes of it.
func (b *Backend) put(ctx context.Context, f fs.Fs, name string, body storage.Body, sums map[hash.Type]string) (fs.Object, error) {
	exact := body.Exact(ctx)
	defer exact.Close()
	if err := exact.Err(); err != nil { // an empty body isn't read
		return nil, err
	}
	info := object.NewStaticObjectInfo(name, b.env.Clock.Now(), body.Size, true, sums, nil).WithMimeType("application/octet-stream")
	made, err := f.Put(ctx, exact, info)
	if err != nil {
		if bodyErr := exact.Err(); bodyErr != nil {
			return nil, bodyErr
		}
		return nil, err
	}
	return made, nil
}

// checksums returns those of the content that a store knows, by a reading that also finds out whether the content is of its size.
func checksums(ctx context.Context, body storage.Body, known hash.Set) (map[hash.Type]string, error) {
	if known.Count() == 0 {
		return nil, nil
	}
	h, err := hash.NewMultiHasherTypes(known)
	if err != nil {
		return nil, err
	}
	exact := body.Exact(ctx)
	defer exact.Close()
	if _, err := io.Copy(h, exact); err != nil {
		return nil, err
	}
	return h.Sums(), nil
}

// compare returns an error unless the store has what was sent, as far as it says so.
func compare(ctx context.Context, made fs.Object, body storage.Body, sums map[hash.Type]string) error {
	if made.Size() != body.Size {
		return fmt.Errorf("the store has %d bytes after %d were sent", made.Size(), body.Size)
	}
	for kind, sum := range sums {
		there, err := made.Hash(ctx, kind)
		if err != nil {
			return err
		}
		if there != "" && there != sum {
			return fmt.Errorf("the store has a content of %s %s after one of %s was sent", kind, there, sum)
		}
	}
	return nil
}

// discard removes what a failed Save made, and returns the reason.
func (b *Backend) discard(ctx context.Context, name string, reason error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := b.do(ctx, "remove", name, func(ctx context.Context, f fs.Fs) error { return remove(ctx, f, name) })
	if err == nil || errors.Is(err, storage.ErrNotFound) {
		return reason
	}
	return fmt.Errorf("%w (and a part may be left behind: %w)", reason, err)
}
