//go:build linux

package crash

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

func TestAKillAtAnyMomentLosesNothing(t *testing.T) {
	l := newLab(t)
	kills := 6
	if os.Getenv("BACKSTAY_SOAK") == "1" {
		kills = 100
	}
	var all, failed atomic.Int64
	each(t, l.operations(t), func(op operation) string { return op.name }, func(t *testing.T, op operation) {
		c := l.measure(t, op)
		for seed := uint64(1); seed <= uint64(kills); seed++ {
			all.Add(1)
			if !t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { l.killOnce(t, op, seed, c) }) {
				failed.Add(1)
			}
		}
	})
	t.Logf("R1: %d kills, seeds 1 to %d of each operation, %d lost", all.Load(), kills, failed.Load())
}

// measure runs the operation without a kill.
func (l *lab) measure(t *testing.T, op operation) course {
	t.Helper()
	r := l.enter(t, op)
	count, stop := watch(t, r.at("repository"), 0, nil)
	start := time.Now()
	if err := r.run(t.Context(), op.args(r)...); err != nil {
		t.Fatal(err)
	}
	takes := time.Since(start)
	stop()
	return course{takes, count.Load()}
}

// killOnce kills the operation at a moment that the seed decides, then looks what is left. If it was done before, another moment is
// tried.
func (l *lab) killOnce(t *testing.T, op operation, seed uint64, c course) {
	rng := rand.New(rand.NewPCG(seed, uint64(crc32.ChecksumIEEE([]byte(op.name)))))
	for {
		r := l.enter(t, op)
		at := c.moment(rng, seed%3 == 0)
		if !r.kill(t, at, op.args(r)...) {
			continue
		}
		t.Logf("killed at %+v of %+v", at, c)
		if err := r.recovers(t.Context(), op, seed%3 == 0); err != nil {
			t.Error(err)
		}
		return
	}
}
