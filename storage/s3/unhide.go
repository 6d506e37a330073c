package s3

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/backstay/backstay/storage"
)

// What is hidden
//
// A file is put once, so its object has one version, the latest. Where there are more, or delete markers, somebody else has been there.
// The file is then the oldest version that is still kept. It is hidden unless it is the latest, or the latest has the same content.

// batch is how many names are looked into at a time.
const batch = 32

// Hidden implements storage.Retainer. It keeps in memory the names of what has more than one version, and looks into those afterwards.
func (b *Backend) Hidden(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		left := false
		err := b.call(ctx, "list hidden files in", cmp.Or(dir, "config"), func() error {
			names, err := b.touched(ctx, dir)
			if err != nil {
				return err
			}
			for some := range slices.Chunk(names, batch) {
				found, err := b.hiddenOf(ctx, some)
				if err != nil {
					return err
				}
				for _, info := range found {
					if left = !yield(info, nil); left {
						return nil
					}
				}
			}
			return nil
		})
		if err != nil && !left {
			yield(storage.Info{}, err)
		}
	}
}

// touched returns the names beneath a directory, or that one name, that have more than their one version. Some servers list the delete markers of a page
// after its versions, so what belongs to a name isn't found side by side.
func (b *Backend) touched(ctx context.Context, dir string) ([]string, error) {
	names := make(map[string]struct{})
	err := b.list(ctx, b.key(dir), true, func(version minio.ObjectInfo) error {
		if name := b.name(version.Key); dir != "" && name != dir && !strings.HasPrefix(name, dir+"/") {
			return nil
		}
		if version.IsDeleteMarker || !version.IsLatest {
			names[b.name(version.Key)] = struct{}{}
		}
		return nil
	})
	return slices.Sorted(maps.Keys(names)), err
}

// hiddenOf returns those of some names that are hidden.
func (b *Backend) hiddenOf(ctx context.Context, names []string) (hidden []storage.Info, err error) {
	var group sync.WaitGroup
	infos, errs := make([]storage.Info, len(names)), make([]error, len(names))
	for i, name := range names {
		group.Go(func() {
			h, err := b.historyOf(ctx, name)
			if err == nil && h.file != nil {
				var same bool
				if same, err = b.showsFile(ctx, h); !same {
					infos[i] = storage.Info{Name: name, Size: h.file.Size}
				}
			}
			if err != nil {
				errs[i] = fmt.Errorf("%q: %w", name, err)
			}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(infos, func(info storage.Info) bool { return info.Name == "" }), nil
}

// history is all that a bucket has of one name, delete markers too.
type history struct {
	name     string
	versions []minio.ObjectInfo // the oldest first
	file     *minio.ObjectInfo  // the oldest one that is kept; nil: there is none
	until    time.Time          // for which the file is kept
}

func (h history) latest() minio.ObjectInfo { return h.versions[len(h.versions)-1] }

func (b *Backend) historyOf(ctx context.Context, name string) (history, error) {
	h := history{name: name}
	opts := minio.ListObjectsOptions{Prefix: b.key(name), Recursive: true, WithVersions: true}
	for version := range b.core.ListObjectsIter(ctx, b.bucket, opts) {
		if version.Err != nil {
			return h, version.Err
		}
		if version.Key > b.key(name) { // beside it, and in order
			break
		}
		h.versions = append(h.versions, version)
	}
	if ctx.Err() != nil {
		return h, context.Cause(ctx)
	}
	slices.Reverse(h.versions) // times are whole seconds on some servers
	slices.SortStableFunc(h.versions, func(a, b minio.ObjectInfo) int {
		switch {
		case a.IsLatest:
			return 1
		case b.IsLatest:
			return -1
		}
		return a.LastModified.Compare(b.LastModified)
	})
	return h, b.findFile(ctx, &h)
}

// findFile finds the oldest version that is kept.
func (b *Backend) findFile(ctx context.Context, h *history) error {
	for i, version := range h.versions {
		if version.IsDeleteMarker {
			continue
		}
		until, err := b.retentionOf(ctx, version)
		if err != nil {
			return err
		}
		if until.After(b.clock.Now()) {
			h.file, h.until = &h.versions[i], until
			return nil
		}
	}
	return nil
}

// retentionOf asks until when a version is kept. Of older versions not every server says so in the headers.
func (b *Backend) retentionOf(ctx context.Context, version minio.ObjectInfo) (time.Time, error) {
	_, until, err := b.core.GetObjectRetention(ctx, b.bucket, version.Key, version.VersionID)
	switch code(err) {
	case "NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "InvalidRequest":
		return time.Time{}, nil
	}
	if err != nil || until == nil {
		return time.Time{}, err
	}
	return *until, nil
}

// showsFile reports whether who reads the name gets the file.
func (b *Backend) showsFile(ctx context.Context, h history) (bool, error) {
	latest := h.latest()
	switch {
	case latest.VersionID == h.file.VersionID:
		return true, nil
	case latest.IsDeleteMarker || latest.Size != h.file.Size:
		return false, nil
	}
	got, err := b.hash(ctx, latest)
	if err != nil {
		return false, err
	}
	want, err := b.hashOf(ctx, h)
	return err == nil && bytes.Equal(got, want), err
}

// hashOf returns the hash that a file has: that in its name, or for the few without one that of the version which was saved first.
func (b *Backend) hashOf(ctx context.Context, h history) ([]byte, error) {
	folder, _, _ := strings.Cut(h.name, "/")
	hash, err := hex.DecodeString(path.Base(h.name))
	if named := err == nil && len(hash) == sha256.Size && slices.Contains([]string{"data", "index", "snapshots", "keys"}, folder); named {
		return hash, nil
	}
	return b.hash(ctx, *h.file)
}

// hash reads a version.
func (b *Backend) hash(ctx context.Context, version minio.ObjectInfo) ([]byte, error) {
	body, info, _, err := b.core.GetObject(ctx, b.bucket, version.Key, minio.GetObjectOptions{VersionID: version.VersionID})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	hash := sha256.New()
	n, err := io.Copy(hash, body)
	if err == nil && n != info.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("read version %q: %w", version.VersionID, err)
	}
	return hash.Sum(nil), nil
}

// Unhide implements storage.Retainer. It deletes what hides the file; where that is kept too, it puts the file on top of it once more.
// A file whose content isn't what its name says is not brought back.
func (b *Backend) Unhide(ctx context.Context, name string) error {
	return b.call(ctx, "bring back", name, func() error {
		h, err := b.historyOf(ctx, name)
		if err != nil {
			return err
		}
		if h.file == nil {
			return fmt.Errorf("no version of it is kept: %w", storage.ErrNotFound)
		}
		if shown, err := b.showsFile(ctx, h); shown || err != nil {
			return err
		}
		if err := b.checkFile(ctx, h); err != nil {
			return err
		}
		return b.unhide(ctx, h)
	})
}

// checkFile returns an error for a version that isn't the file it is named after.
func (b *Backend) checkFile(ctx context.Context, h history) error {
	got, err := b.hash(ctx, *h.file)
	if err != nil {
		return err
	}
	want, err := b.hashOf(ctx, h)
	if err == nil && !bytes.Equal(got, want) {
		err = storage.Mark(fmt.Errorf("version %q, the oldest that is kept: %w", h.file.VersionID, storage.ErrMismatch), storage.ErrPermanent)
	}
	return err
}

func (b *Backend) unhide(ctx context.Context, h history) error {
	for _, version := range slices.Backward(h.versions) {
		if version.VersionID == h.file.VersionID {
			return nil
		}
		err := b.core.RemoveObject(ctx, b.bucket, version.Key, minio.RemoveObjectOptions{VersionID: version.VersionID})
		if errors.Is(b.explain(err), storage.ErrPermanent) { // it is kept, or this access key may not
			return b.putOver(ctx, h)
		}
		if err != nil && code(err) != "NoSuchVersion" {
			return err
		}
	}
	return nil
}

// putOver makes a copy of the file the latest version, kept for as long as the file is, or would be if it were saved now.
func (b *Backend) putOver(ctx context.Context, h history) error {
	dst := minio.CopyDestOptions{Bucket: b.bucket, Object: h.file.Key, Encryption: b.encryption}
	dst.Mode, dst.RetainUntilDate = cmp.Or(b.lock.mode, minio.Governance), h.until.UTC()
	if now := b.until(); now.After(h.until) {
		dst.RetainUntilDate = now
	}
	_, err := b.core.Client.CopyObject(ctx, dst, minio.CopySrcOptions{Bucket: b.bucket, Object: h.file.Key, VersionID: h.file.VersionID})
	return err
}
