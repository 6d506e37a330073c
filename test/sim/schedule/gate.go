package schedule

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/sim"
)

var errKilled = errors.New("the process was killed")

// actor is a client on a machine of its own. It is the storage and the clock of what runs there.
type actor struct {
	number int
	random *sim.Rand
	repo   *repo.Repo // stays from world to world
	world  *world

	foreign bool          // keeps to no more than the rules of restic
	skew    time.Duration // of its clock

	suspended time.Time // until then; guarded by world.mu
	dead      bool      // guarded by world.mu
	holding   *holding  // its lock, as it believes; guarded by world.mu
}

// wait returns when it is the actor's turn.
func (a *actor) wait(ctx context.Context, c *call) error {
	w := a.world
	c.actor, c.ctx, c.turn = a, ctx, make(chan struct{})
	w.mu.Lock()
	w.pending = append(w.pending, c)
	w.mu.Unlock()
	<-c.turn
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.dead {
		return errKilled
	}
	return context.Cause(ctx)
}

// Now implements clock.Clock.
func (a *actor) Now() time.Time {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	return a.world.now.Add(a.skew)
}

// Sleep implements clock.Clock.
func (a *actor) Sleep(ctx context.Context, d time.Duration) error {
	a.world.mu.Lock()
	wake := a.world.now.Add(d)
	a.world.mu.Unlock()
	return a.wait(ctx, &call{op: "sleep", wake: wake})
}

// Save implements storage.Backend.
func (a *actor) Save(ctx context.Context, name string, body storage.Body) error {
	c := &call{op: "save", name: name}
	if err := a.wait(ctx, c); err != nil {
		return fmt.Errorf("save %q: %w", name, err)
	}
	if err := a.world.store.Save(ctx, name, body); err != nil {
		return err
	}
	a.world.model.Saved(c, body.Size)
	return nil
}

// Load implements storage.Backend.
func (a *actor) Load(ctx context.Context, name string, p []byte, offset int64) error {
	if err := a.wait(ctx, &call{op: "load", name: name, offset: offset}); err != nil {
		return fmt.Errorf("load %q: %w", name, err)
	}
	return a.world.store.Load(ctx, name, p, offset)
}

// Stat implements storage.Backend.
func (a *actor) Stat(ctx context.Context, name string) (storage.Info, error) {
	if err := a.wait(ctx, &call{op: "stat", name: name}); err != nil {
		return storage.Info{}, fmt.Errorf("stat %q: %w", name, err)
	}
	return a.world.store.Stat(ctx, name)
}

// Remove implements storage.Backend.
func (a *actor) Remove(ctx context.Context, name string) error {
	c := &call{op: "remove", name: name}
	if err := a.wait(ctx, c); err != nil {
		return fmt.Errorf("remove %q: %w", name, err)
	}
	if err := a.world.store.Remove(ctx, name); err != nil {
		return err
	}
	a.world.model.Removed(c)
	return nil
}

// List implements storage.Backend.
func (a *actor) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		if err := a.wait(ctx, &call{op: "list", name: dir}); err != nil {
			yield(storage.Info{}, fmt.Errorf("list %q: %w", dir, err))
			return
		}
		for _, info := range a.world.list(dir) {
			if !yield(info, nil) {
				return
			}
		}
	}
}

// list returns the files of a folder, as they were a moment ago, the oldest first.
func (w *world) list(dir string) []storage.Info {
	w.mu.Lock()
	defer w.mu.Unlock()
	asOf := w.now
	if w.lag > 0 {
		asOf = asOf.Add(-time.Duration(w.rng.Int64N(int64(w.lag))))
	}
	var infos []storage.Info
	for _, f := range w.model.files {
		if strings.HasPrefix(f.Name, dir+"/") && !f.came.After(asOf) && (f.went.IsZero() || f.went.After(asOf)) {
			infos = append(infos, f.Info)
		}
	}
	if dir != string(repo.Snapshots) || w.cut == 0 {
		return infos
	}
	if w.cut--; w.cut == 0 {
		return slices.Clip(infos[:len(infos)/2])
	}
	return infos
}
