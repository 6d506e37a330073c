// Package schedule simulates many clients of one repository, in an order that a seed decides.
//
// A world is a repository in memory and its actors: writers, a pruner, somebody who forgets snapshots, others who copy, read
// and check, clients that keep to no more than the lock rules of restic, and a person who removes stale locks. Each call
// of the storage, and each wait, is a scheduling point: an actor goes on only when the scheduler says so, one at a time.
// Time is virtual. It passes a little with each call, and in leaps when all wait; actors are suspended for a while, also
// while a call is under way, or killed; listings may lag.
//
// After each call the model is compared with the repository (see model): no pack comes without a lock, no exclusive lock beside
// another one, no index names a pack that is not there, no snapshot what no index names; and each snapshot that was
// acknowledged, and not forgotten, can be read. A seed gives the same trace each time.
package schedule

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/test/sim"
)

// start is when each world begins.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// maxSteps is more than any schedule takes whose actors don't run in circles.
const maxSteps = 100_000

// world is one schedule.
type world struct {
	rng    *rand.Rand // used by the scheduler, and by the actor whose turn it is
	store  *mem.Backend
	origin *sim.Origin   // of what is copied
	lag    time.Duration // a listing may be as it was this long ago
	cut    int           // which listing of snapshots lacks half of them; 0: none
	model  model
	trace  []string

	mu      sync.Mutex // held by the scheduler while it thinks; guards what follows
	now     time.Time
	pending []*call
	actors  []*actor
}

// call is an actor that waits: for its turn, or also for a time.
type call struct {
	actor  *actor
	op     string
	name   string
	offset int64
	wake   time.Time // of a sleep
	ctx    context.Context
	turn   chan struct{}
	frozen bool // its actor was suspended meanwhile
}

func (c *call) sleeps() bool { return c.op == "sleep" }

// before orders the calls that wait, so that it is of no matter which came first.
func (c *call) before(d *call) int {
	return cmp.Or(cmp.Compare(c.actor.number, d.actor.number), cmp.Compare(c.op, d.op), cmp.Compare(c.name, d.name),
		cmp.Compare(c.offset, d.offset), c.wake.Compare(d.wake))
}

// run schedules until all actors are done.
func (w *world) run() {
	for step := 0; ; step++ {
		synctest.Wait()
		c := w.next(step)
		if c == nil {
			return
		}
		close(c.turn)
	}
}

// next takes out the call that goes on, or returns nil if nobody is left. What an actor does in its turn takes up to 40 ms.
func (w *world) next(step int) *call {
	w.mu.Lock()
	defer w.mu.Unlock()
	if step == maxSteps {
		w.model.violated("the schedule has no end")
	}
	if w.model.broken() {
		w.killAll()
	}
	for len(w.pending) > 0 {
		w.disturb()
		ready := w.ready()
		if len(ready) == 0 {
			w.advance()
			continue
		}
		c := ready[w.rng.IntN(len(ready))]
		w.note(c.actor, c.op+" "+c.name)
		w.pending = slices.DeleteFunc(w.pending, func(d *call) bool { return d == c })
		w.now = w.now.Add(time.Duration(1+w.rng.IntN(40)) * time.Millisecond)
		return c
	}
	return nil
}

// ready returns the calls that may go on, in order.
func (w *world) ready() []*call {
	var ready []*call
	for _, c := range w.pending {
		awake := c.actor.dead || !w.now.Before(c.actor.suspended)
		if awake && (!c.sleeps() || c.actor.dead || c.ctx.Err() != nil || !w.now.Before(c.wake)) {
			ready = append(ready, c)
		}
	}
	slices.SortStableFunc(ready, (*call).before)
	return ready
}

// advance moves the time on to when somebody wakes up, or a bit further.
func (w *world) advance() {
	var next time.Time
	for _, c := range w.pending {
		at := c.actor.suspended
		if c.sleeps() && c.wake.After(at) {
			at = c.wake
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if next.After(w.now) {
		w.now = next
	}
	if w.rng.IntN(3) > 0 { // a machine under load
		w.now = w.now.Add(time.Duration(w.rng.IntN(90_000)) * time.Millisecond)
	}
}

// disturb suspends or kills an actor, now and then.
func (w *world) disturb() {
	if w.rng.IntN(150) > 0 {
		return
	}
	a := w.actors[w.rng.IntN(len(w.actors))]
	if a.dead || w.now.Before(a.suspended) || a.foreign && w.calling(a) {
		return
	}
	switch w.rng.IntN(6) {
	case 0:
		w.note(a, "is killed")
		a.dead = true
	case 1, 2:
		w.suspend(a, time.Duration(w.rng.IntN(20*60))*time.Second)
	default:
		w.suspend(a, 20*time.Minute+time.Duration(w.rng.IntN(50*60))*time.Second)
	}
}

// calling reports whether a call of the actor is under way. The model of a foreign client is not suspended then: nothing in
// the rules it keeps protects what arrives late.
func (w *world) calling(a *actor) bool {
	return slices.ContainsFunc(w.pending, func(c *call) bool { return c.actor == a && !c.sleeps() })
}

func (w *world) suspend(a *actor, d time.Duration) {
	w.note(a, "is suspended for "+d.String())
	a.suspended = w.now.Add(d)
	for _, c := range w.pending {
		c.frozen = c.frozen || c.actor == a
	}
}

func (w *world) note(a *actor, what string) {
	w.trace = append(w.trace, fmt.Sprintf("%v %d %s", w.now.Sub(start), a.number, what))
}

func (w *world) killAll() {
	for _, a := range w.actors {
		a.dead = true
	}
}
