package checker

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
)

func (c *check) readSnapshot(ctx context.Context, info repo.FileInfo) {
	var s *snapshot.Snapshot
	err := twice(ctx, func() (err error) {
		s, err = snapshot.Load(ctx, c.r, info.ID)
		return err
	})
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.snapshots = append(c.snapshots, s)
		return
	}
	if ctx.Err() != nil {
		return
	}
	kind := SnapshotUnreadable
	if errors.Is(err, snapshot.ErrWrongKind) {
		kind = WrongKind
	}
	f := about(kind, Error, file(repo.Snapshots, info.ID))
	f.Message = err.Error()
	c.found(f)
}

// readKeys looks at the key files. One that was a key and is damaged is an error, since a password opens the repository no
// more; one that never was a key harms nobody.
func (c *check) readKeys(ctx context.Context) error {
	for key, err := range c.r.ListKeys(ctx) {
		if err != nil {
			return err
		}
		if key.Err == nil {
			continue
		}
		f := about(WrongKind, Hint, file(repo.Keys, key.ID))
		err := twice(ctx, func() error { _, err := c.r.LoadRaw(ctx, repo.Keys, key.ID); return err })
		if err != nil {
			f = about(KeyDamaged, Error, f.Object)
		}
		f.Message = key.Err.Error()
		c.found(f)
	}
	return nil
}

// maxSkew is how far the clocks of two hosts may differ before it is worth a word.
const maxSkew = 5 * time.Minute

func (c *check) readLocks(ctx context.Context) error {
	for lock, err := range c.r.ListLocks(ctx) {
		if err != nil {
			return err
		}
		switch now := c.r.Options().Clock.Now(); {
		case lock.Time.IsZero():
			f := about(LockUnreadable, Warning, file(repo.Locks, lock.ID))
			f.Message = fmt.Sprintf("%s can't be read or is no lock: it may keep others out", f.Object)
			c.found(f)
		case lock.Time.Sub(now) > maxSkew:
			f := about(LockInFuture, Warning, file(repo.Locks, lock.ID))
			f.Message = fmt.Sprintf("%s, which is in the future: it will not be seen to be dead in time", lock)
			c.found(f)
		}
	}
	return nil
}

// findForeign looks for files that the repository passes over.
func (c *check) findForeign(ctx context.Context, t repo.FileType) error {
	f := about(ForeignFiles, Hint, folder(t))
	count, first := 0, ""
	for info, err := range c.r.Backend().List(ctx, string(t)) {
		if err != nil {
			return fmt.Errorf("list %s: %w", t, err)
		}
		id, err := crypto.ParseID(path.Base(info.Name))
		if err == nil && t.Name(id) == info.Name {
			continue
		}
		if count++; first == "" || info.Name < first {
			first = info.Name
		}
	}
	if count > 0 {
		f.Message = fmt.Sprintf("%s has %d files that are none of the repository's, such as %q", f.Object, count, first)
		c.found(f)
	}
	return nil
}

// findHidden looks for files that object lock keeps and that were deleted or replaced all the same. Nothing of this program does that.
func (c *check) findHidden(ctx context.Context, t repo.FileType) error {
	keeper, ok := c.r.Retainer()
	if !ok {
		return nil
	}
	count, first := 0, ""
	for info, err := range keeper.Hidden(ctx, string(t)) {
		if err != nil {
			return fmt.Errorf("list hidden files of %s: %w", t, err)
		}
		if count++; first == "" || info.Name < first {
			first = info.Name
		}
	}
	if count > 0 {
		f := about(HiddenFiles, Error, folder(t))
		f.Message = fmt.Sprintf("of %s %d files were deleted or replaced that object lock keeps, such as %q", f.Object, count, first)
		c.found(f)
	}
	return nil
}
