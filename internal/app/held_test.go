package app_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/retention"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
)

// locked is a storage that keeps snapshots until a time.
type locked struct {
	*mem.Backend
	until time.Time
}

func (l locked) Retained(_ context.Context, name string) (time.Time, error) {
	if !strings.HasPrefix(name, "snapshots/") {
		return time.Time{}, nil
	}
	return l.until, nil
}

func (l locked) Retain(context.Context, string, time.Time) error { return nil }

func (l locked) Period() time.Duration { return 30 * 24 * time.Hour }

func (l locked) Hidden(context.Context, string) iter.Seq2[storage.Info, error] {
	return func(func(storage.Info, error) bool) {}
}

func (l locked) Unhide(context.Context, string) error { return nil }

func (l locked) Remove(ctx context.Context, name string) error {
	if strings.HasPrefix(name, "snapshots/") {
		return fmt.Errorf("remove %q: %w", name, storage.ErrRetained)
	}
	return l.Backend.Remove(ctx, name)
}

func TestWhatObjectLockKeepsIsShownAsKept(t *testing.T) {
	eachRig(t, func(r *rig) {
		a := r.process()
		until := r.clock.Now().AddDate(0, 0, 30)
		r.wrap = func(b *mem.Backend) storage.Backend { return locked{b, until} }
		p := r.small(a, "a", backstay.Plan{Retention: retention.Policy{Last: 1}})
		for range 2 {
			r.start(a, p.ID)
			r.drain(a)
			r.clock.jump(time.Minute)
		}
		for _, run := range r.runs(a) {
			if run.State != backstay.Succeeded {
				t.Errorf("a %s is %s: %+v", run.Kind, run.State, run.Failure)
			}
		}
		all := r.snapshotsOf(a, p.ID)
		if len(all) != 2 {
			t.Fatalf("there are %d snapshots, want both", len(all))
		}
		for _, s := range all {
			if s.KeptUntil == nil || !s.KeptUntil.Equal(until) {
				t.Errorf("kept until %v, want %s", s.KeptUntil, until)
			}
		}
	})
}
