package schedule

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/test/sim"
)

// role is what an actor does, over and over.
type role func(ctx context.Context, a *actor) error

// perform plays a role some times, with pauses. That something fails is no violation: others are in the way, the actor was killed.
func (a *actor) perform(play role, times int) {
	ctx := context.Background()
	if a.Sleep(ctx, 0) != nil { // from here on it is its turn
		return
	}
	for range times {
		if a.Sleep(ctx, a.world.pause()) != nil {
			return
		}
		if err := play(ctx, a); err != nil {
			a.world.model.Failed(err)
		}
	}
}

// dice returns a number below n.
func (w *world) dice(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.IntN(n)
}

// pause is how long an actor waits before it does the next thing: it may be long enough for the locks of others to become stale.
func (w *world) pause() time.Duration {
	if w.dice(2) == 0 {
		return time.Duration(w.dice(10_000)) * time.Millisecond
	}
	return time.Duration(w.dice(60)) * time.Minute
}

// contents are what files are made of: few enough that writers share blobs with each other, and with what is about to be pruned.
var contents = []string{"the", "contents", "are", "few", "and", "common", "to", "all"}

// choose returns files with some of the contents.
func (w *world) choose() sim.Files {
	files := make(sim.Files)
	for range 1 + w.dice(3) {
		content := contents[w.dice(len(contents))]
		files[content] = content
	}
	return files
}

// under does something under a lock.
func (a *actor) under(ctx context.Context, mode repo.LockMode, fn func(ctx context.Context) error) error {
	ctx, unlock, err := a.repo.Lock(ctx, mode, repo.LockOptions{Wait: 10 * time.Minute})
	if err != nil {
		return err
	}
	a.world.model.Locked(a, &holding{mode == repo.Exclusive, ctx})
	err = fn(ctx)
	a.world.model.Unlocked(a)
	return errors.Join(err, unlock())
}

// backup makes a snapshot step by step, as the archiver and the runner do together.
func backup(ctx context.Context, a *actor) error {
	files := a.world.choose()
	blobs, err := sim.Cut(files)
	if err != nil {
		return err
	}
	return a.under(ctx, repo.Shared, func(ctx context.Context) error {
		for _, err := range snapshot.List(ctx, a.repo, snapshot.Filter{}) { // to find the parent
			if err != nil {
				return err
			}
		}
		if err := a.repo.LoadIndex(ctx); err != nil {
			return err
		}
		w := a.repo.NewWriter()
		defer w.Close()
		for _, b := range blobs {
			if a.world.dice(4) == 0 { // the source is slow
				if err := a.Sleep(ctx, time.Duration(a.world.dice(8*60))*time.Second); err != nil {
					return err
				}
			}
			if _, err := w.SaveBlob(ctx, b.Handle, b.Plain); err != nil {
				return err
			}
		}
		if err := w.Flush(ctx); err != nil {
			return err
		}
		if err := w.Verify(ctx); err != nil {
			return err
		}
		s := sim.Record(a.Now(), blobs[len(blobs)-1].ID)
		if err := snapshot.Save(ctx, a.repo, s); err != nil {
			return err
		}
		a.world.model.Acknowledged(a, s.ID, files)
		return nil
	})
}

// archive makes a snapshot just as the product does.
func archive(ctx context.Context, a *actor) error {
	files := a.world.choose()
	id, err := sim.Backup(ctx, a.repo, files)
	if err == nil {
		a.world.model.Acknowledged(a, id, files)
	}
	return err
}

// copyInto copies snapshots of another repository into this one.
func copyInto(ctx context.Context, a *actor) error {
	copies, err := a.world.origin.CopyTo(ctx, a.repo)
	for _, id := range slices.SortedFunc(maps.Keys(copies), func(a, b crypto.ID) int { return slices.Compare(a[:], b[:]) }) {
		a.world.model.Acknowledged(a, id, copies[id])
	}
	return err
}

// check looks for damage.
func check(ctx context.Context, a *actor) error {
	return a.under(ctx, repo.Shared, func(ctx context.Context) error {
		err := sim.Damage(ctx, a.repo)
		if errors.Is(err, repo.ErrDamaged) && ctx.Err() == nil {
			a.world.model.Alarmed(a, err)
		}
		return err
	})
}

// forget removes any one snapshot.
func forget(ctx context.Context, a *actor) error {
	return a.under(ctx, repo.Exclusive, func(ctx context.Context) error {
		var ids []crypto.ID
		for info, err := range a.repo.List(ctx, repo.Snapshots) {
			if err != nil {
				return err
			}
			ids = append(ids, info.ID)
		}
		if len(ids) == 0 {
			return nil
		}
		id := ids[a.world.dice(len(ids))]
		a.world.model.Forgotten(id)
		return a.repo.RemoveFile(ctx, repo.Snapshots, id)
	})
}

// prune frees space.
func prune(ctx context.Context, a *actor) error { return sim.Prune(ctx, a.repo, 0) }

// pruneBlindly is prune with a bug planted.
func pruneBlindly(ctx context.Context, a *actor) error { return sim.PruneBlindly(ctx, a.repo, 0) }

// commitFirst is backup with a bug planted.
func commitFirst(ctx context.Context, a *actor) error {
	files := a.world.choose()
	id, err := sim.BackupCommittedFirst(ctx, a.repo, files)
	if err == nil {
		a.world.model.Acknowledged(a, id, files)
	}
	return err
}

// read reads all snapshots.
func read(ctx context.Context, a *actor) error {
	return a.under(ctx, repo.Shared, func(ctx context.Context) error {
		var ids []crypto.ID
		for info, err := range a.repo.List(ctx, repo.Snapshots) {
			if err != nil {
				return err
			}
			ids = append(ids, info.ID)
		}
		if err := a.repo.LoadIndex(ctx); err != nil {
			return err
		}
		for _, id := range ids {
			_, err := sim.Read(ctx, a.repo, id)
			if err == nil {
				continue
			}
			a.world.model.Unread(ctx, a, id, err)
			return err
		}
		return nil
	})
}

// unlock is a person who removes stale locks.
func unlock(ctx context.Context, a *actor) error {
	_, err := a.repo.Unlock(ctx, false)
	return err
}
