package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/sim"
)

// client is a program that keeps to restic's rules for locks and for the order of what it writes, and to nothing beyond: it does
// not look for its packs before it commits. It reads by our engine, and writes by itself.
type client struct {
	*actor
	careless  bool // a bug planted: it neither refreshes its lock nor looks how old it is
	exclusive bool
	lock      crypto.ID
	since     time.Time
}

const (
	refreshAfter = 5 * time.Minute
	giveUpAfter  = 22*time.Minute + 30*time.Second
)

var errBusy = errors.New("somebody else holds a lock")
var errExpired = errors.New("the lock could not be refreshed in time")

// acquire takes a lock: look, write, wait, look again.
func (c *client) acquire(ctx context.Context) error {
	if err := c.look(ctx); err != nil {
		return err
	}
	if err := c.writeLock(ctx); err != nil {
		return err
	}
	err := c.Sleep(ctx, 200*time.Millisecond)
	if err == nil {
		err = c.look(ctx)
	}
	if err != nil {
		return errors.Join(err, c.Remove(ctx, repo.Locks.Name(c.lock)))
	}
	c.world.model.Locked(c.actor, &holding{c.exclusive, ctx})
	return nil
}

func (c *client) look(ctx context.Context) error {
	for lock, err := range c.repo.ListLocks(ctx) {
		if err != nil {
			return err
		}
		if lock.ID != c.lock && (c.exclusive || lock.Exclusive || lock.Time.IsZero()) {
			return errBusy
		}
	}
	return nil
}

func (c *client) writeLock(ctx context.Context) error {
	since := c.Now()
	lock, err := c.save(ctx, repo.Locks, repo.LockInfo{Time: since, Exclusive: c.exclusive, Hostname: "elsewhere", PID: 1})
	if err == nil {
		c.lock, c.since = lock, since
	}
	return err
}

// fresh is called before each change: it refreshes a lock that is getting old, and gives up when it is too late for that.
func (c *client) fresh(ctx context.Context) error {
	age := c.Now().Sub(c.since)
	switch {
	case c.careless || age < refreshAfter:
		return nil
	case age >= giveUpAfter:
		return errExpired
	}
	old := c.lock
	if err := c.writeLock(ctx); err != nil {
		return err
	}
	return c.Remove(ctx, repo.Locks.Name(old))
}

// think lets time pass, with the lock kept fresh.
func (c *client) think(ctx context.Context, d time.Duration) error {
	for ; d > 0; d -= 4 * time.Minute {
		if err := c.Sleep(ctx, min(d, 4*time.Minute)); err != nil {
			return err
		}
		if err := c.fresh(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) under(ctx context.Context, fn func() error) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	err := fn()
	c.world.model.Unlocked(c.actor)
	return errors.Join(err, c.Remove(ctx, repo.Locks.Name(c.lock)))
}

// save seals and saves what is JSON, uncompressed.
func (c *client) save(ctx context.Context, t repo.FileType, content any) (id crypto.ID, err error) {
	plain, ok := content.([]byte)
	if !ok {
		if plain, err = json.Marshal(content); err != nil {
			return id, err
		}
	}
	sealed, err := sim.Key().Seal(nil, plain, c.random)
	if err != nil {
		return id, err
	}
	id = crypto.Hash(sealed)
	return id, c.Save(ctx, t.Name(id), storage.Bytes(sealed))
}

// foreignBackup is a backup by another program.
func foreignBackup(ctx context.Context, a *actor) error { return (&client{actor: a}).backup(ctx) }

// carelessBackup is foreignBackup with a bug planted.
func carelessBackup(ctx context.Context, a *actor) error {
	return (&client{actor: a, careless: true}).backup(ctx)
}

func (c *client) backup(ctx context.Context) error {
	files := c.world.choose()
	blobs, err := sim.Cut(files)
	if err != nil {
		return err
	}
	return c.under(ctx, func() error {
		if err := c.repo.LoadIndex(ctx); err != nil {
			return err
		}
		if err := c.savePacks(ctx, blobs); err != nil {
			return err
		}
		p, err := snapshot.Encode(sim.Record(c.Now(), blobs[len(blobs)-1].ID))
		if err != nil {
			return err
		}
		if err := c.fresh(ctx); err != nil {
			return err
		}
		id, err := c.save(ctx, repo.Snapshots, p)
		if err == nil {
			c.world.model.Acknowledged(c.actor, id, files)
		}
		return err
	})
}

// savePacks saves each blob that no index names in a pack of its own, then an index of them.
func (c *client) savePacks(ctx context.Context, blobs []sim.Blob) error {
	var f index.File
	for _, b := range blobs {
		if c.repo.Index().Has(b.Handle) {
			continue
		}
		if err := c.think(ctx, time.Duration(c.world.dice(4)*c.world.dice(12))*time.Minute); err != nil {
			return err
		}
		w := pack.NewWriter(sim.Key(), c.random, 1<<10)
		if _, err := w.Add(b.Handle, b.Plain, 0); err != nil {
			return err
		}
		id, bytes, packed, err := w.Finish()
		if err != nil {
			return err
		}
		if err := c.fresh(ctx); err != nil {
			return err
		}
		if err := c.Save(ctx, repo.Packs.Name(id), storage.Bytes(bytes)); err != nil {
			return err
		}
		f.Add(id, packed)
	}
	if f.Blobs() == 0 {
		return nil
	}
	if err := c.fresh(ctx); err != nil {
		return err
	}
	_, err := c.save(ctx, repo.Index, f.JSON())
	return err
}

// foreignPrune removes the packs that no snapshot needs, as another program does: it saves an index of what stays, then removes the
// old ones, then the packs.
func foreignPrune(ctx context.Context, a *actor) error {
	c := &client{actor: a, exclusive: true}
	return c.under(ctx, func() error {
		needed, err := c.needed(ctx)
		if err != nil {
			return err
		}
		var f index.File
		var gone []crypto.ID
		for id, blobs := range c.repo.Index().EachPack() {
			if needed[id] {
				f.Add(id, blobs)
			} else {
				gone = append(gone, id)
			}
		}
		for info, err := range c.repo.List(ctx, repo.Packs) {
			if err != nil {
				return err
			}
			if !c.repo.Index().HasPack(info.ID) {
				gone = append(gone, info.ID)
			}
		}
		if len(gone) == 0 {
			return nil
		}
		return c.replaceIndex(ctx, &f, gone)
	})
}

// needed returns the packs with a blob that some snapshot needs.
func (c *client) needed(ctx context.Context) (map[crypto.ID]bool, error) {
	var roots []crypto.ID
	for s, err := range snapshot.List(ctx, c.repo, snapshot.Filter{}) {
		if err != nil {
			return nil, err
		}
		roots = append(roots, s.Tree)
	}
	if len(roots) == 0 {
		return nil, errors.New("there is no snapshot")
	}
	if err := c.repo.LoadIndex(ctx); err != nil {
		return nil, err
	}
	needed := make(map[crypto.ID]bool)
	for _, root := range roots {
		blobs, err := sim.Blobs(ctx, c.repo, root)
		if err != nil {
			return nil, err
		}
		for h := range blobs {
			for _, l := range c.repo.Index().Lookup(h) {
				needed[l.Pack] = true
			}
		}
	}
	return needed, nil
}

func (c *client) replaceIndex(ctx context.Context, f *index.File, gone []crypto.ID) error {
	old := c.repo.IndexFiles()
	defer c.repo.ForgetIndex()
	if f.Blobs() > 0 {
		if err := c.fresh(ctx); err != nil {
			return err
		}
		if _, err := c.save(ctx, repo.Index, f.JSON()); err != nil {
			return err
		}
	}
	for _, name := range names(old, gone) {
		if err := c.fresh(ctx); err != nil {
			return err
		}
		if err := c.Remove(ctx, name); err != nil {
			return fmt.Errorf("prune: %w", err)
		}
	}
	return nil
}

// names returns the names of index files and of packs.
func names(indexes, packs []crypto.ID) (names []string) {
	for _, id := range indexes {
		names = append(names, repo.Index.Name(id))
	}
	for _, id := range packs {
		names = append(names, repo.Packs.Name(id))
	}
	return names
}
