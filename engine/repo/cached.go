package repo

import (
	"context"
	"fmt"
	"sync"

	"github.com/backstay/backstay/engine/cache"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/progress"
)

// maxCachedPack is the largest pack of trees that is fetched as a whole for the sake of one of them.
const maxCachedPack = 64 << 20

// copies are the local copies of a repository's small files. Without a cache all of them are missing. That one can't be saved is told
// once, and is no error.
type copies struct {
	dir  *cache.Dir // nil: none
	told sync.Once
	tell progress.Func

	mu       sync.Mutex
	fetching map[crypto.ID]chan struct{} // guarded by mu: packs that are on their way, closed when they have come
}

// openCache finds the copies of this repository.
func (r *Repo) openCache() {
	r.copies.tell = r.opt.Progress
	r.copies.fetching = make(map[crypto.ID]chan struct{})
	if r.opt.CacheDir == "" {
		return
	}
	dir, err := cache.Open(r.opt.CacheDir, r.config.ID.String(), r.opt.Clock.Now(), r.opt.Rand)
	r.copies.note(err)
	if err == nil {
		r.copies.dir = dir
	}
}

// holds reports whether files of a type are copied as a whole.
func (c *copies) holds(t FileType) bool { return c.dir != nil && (t == Snapshots || t == Index) }

func (c *copies) note(err error) {
	if err == nil {
		return
	}
	c.told.Do(func() {
		c.tell.Send(progress.Event{Kind: progress.Notice, Text: fmt.Sprintf("the local cache can't be used, which makes things slower: %v", err)})
	})
}

func (c *copies) save(t FileType, id crypto.ID, p []byte) { c.note(c.dir.Save(t.Name(id), p)) }

// load returns the copy of a file if it is what it should be.
func (c *copies) load(t FileType, id crypto.ID) ([]byte, bool) {
	p, ok := c.dir.LoadAll(t.Name(id))
	return p, ok && crypto.Hash(p) == id
}

// retain takes away the copies of files that aren't in the repository any more.
func (c *copies) retain(t FileType, there func(crypto.ID) bool) {
	c.note(c.dir.Retain(string(t), func(base string) bool {
		id, err := crypto.ParseID(base)
		return err == nil && there(id)
	}))
}

// retainPacks takes away the copies of packs that the index doesn't name any more.
func (r *Repo) retainPacks(x *index.Index) {
	if r.copies.dir != nil {
		r.copies.retain(Packs, x.HasPack)
	}
}

// loadRange reads a part of a pack: of one with trees from its copy, which is made for that.
func (r *Repo) loadRange(ctx context.Context, id crypto.ID, t pack.Type, p []byte, offset int64) error {
	name := Packs.Name(id)
	if r.copies.dir == nil || t != pack.Tree {
		return r.backend.Load(ctx, name, p, offset)
	}
	if r.copies.dir.Load(name, p, offset) {
		return nil
	}
	if err := r.fetchPack(ctx, id); err != nil {
		return err
	}
	if r.copies.dir.Load(name, p, offset) {
		return nil
	}
	return r.backend.Load(ctx, name, p, offset)
}

// fetchPack copies a pack. Who needs one that is on its way already waits for it.
func (r *Repo) fetchPack(ctx context.Context, id crypto.ID) error {
	c := &r.copies
	c.mu.Lock()
	coming, ok := c.fetching[id]
	if !ok {
		coming = make(chan struct{})
		c.fetching[id] = coming
	}
	c.mu.Unlock()
	if ok {
		select {
		case <-coming:
			return nil // if nothing came, there is the storage
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	defer func() {
		c.mu.Lock()
		delete(c.fetching, id)
		c.mu.Unlock()
		close(coming)
	}()
	info, err := r.backend.Stat(ctx, Packs.Name(id))
	if err != nil || info.Size > maxCachedPack {
		return err
	}
	whole := r.buffer(int(info.Size))
	defer r.buffers.Put(whole)
	if err := r.backend.Load(ctx, Packs.Name(id), *whole, 0); err != nil {
		return err
	}
	c.save(Packs, id, *whole)
	return nil
}

// distrust takes the copy of a pack away in which something was damaged: the next one who needs it gets it from the storage.
func (c *copies) distrust(id crypto.ID, t pack.Type) {
	if c.dir != nil && t == pack.Tree {
		c.note(c.dir.Remove(Packs.Name(id)))
	}
}
