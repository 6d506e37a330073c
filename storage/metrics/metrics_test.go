package metrics_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/metrics"
	"github.com/backstay/backstay/storage/storagetest"
)

func TestBackendKeepsThePromises(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Backend { return metrics.New(mem.New(), clock.System) })
}

// ticking moves on by a second at each look.
type ticking struct{ looks atomic.Int64 }

func (c *ticking) Now() time.Time                           { return time.Unix(c.looks.Add(1), 0) }
func (*ticking) Sleep(context.Context, time.Duration) error { return nil }

func TestCallsErrorsBytesAndTimeAreCounted(t *testing.T) {
	b := metrics.New(mem.New(), &ticking{})
	for _, name := range []string{"keys/a", "keys/b", "keys/a"} {
		_ = b.Save(t.Context(), name, storage.Bytes(make([]byte, 10))) // the last one is refused: the name is taken
	}
	_ = b.Load(t.Context(), "keys/a", make([]byte, 4), 0)
	_ = b.Load(t.Context(), "keys/a", make([]byte, 11), 0) // too short
	for range b.List(t.Context(), "keys") {
		continue
	}
	for range b.List(t.Context(), "keys") {
		break
	}
	_, _ = b.Stat(t.Context(), "keys/c")
	_ = b.Remove(t.Context(), "keys/c")
	want := metrics.Snapshot{
		Save:   metrics.Count{Calls: 3, Errors: 1, Bytes: 20, Time: 3 * time.Second},
		Load:   metrics.Count{Calls: 2, Errors: 1, Bytes: 4, Time: 2 * time.Second},
		List:   metrics.Count{Calls: 2, Time: 4 * time.Second}, // before each of two files and the end, and before one
		Stat:   metrics.Count{Calls: 1, Errors: 1, Time: time.Second},
		Remove: metrics.Count{Calls: 1, Time: time.Second},
	}
	if diff := cmp.Diff(want, b.Snapshot()); diff != "" {
		t.Errorf("Snapshot differs (-want +got):\n%s", diff)
	}
}
