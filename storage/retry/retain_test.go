package retry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/limit"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/retry"
	"github.com/backstay/backstay/storage/storagetest"
)

// moody is a storage with object lock whose every other call fails.
type moody struct {
	*storagetest.Kept
	calls int
}

func (m *moody) Retained(ctx context.Context, name string) (time.Time, error) {
	if m.calls++; m.calls%2 == 1 {
		return time.Time{}, errors.New("not now")
	}
	return m.Kept.Retained(ctx, name)
}

func (m *moody) Retain(ctx context.Context, name string, until time.Time) error {
	if m.calls++; m.calls%2 == 1 {
		return errors.New("not now")
	}
	return m.Kept.Retain(ctx, name, until)
}

func TestObjectLockIsRepeatedAndFoundThroughTheWrappers(t *testing.T) {
	kept := storagetest.NewKept(mem.New(), time.Hour, clock.System)
	b := limit.New(retry.New(&moody{Kept: kept}, retry.Options{Clock: &instant{}, Stall: -1}), limit.Options{})
	if err := b.Save(t.Context(), "config", storage.Bytes(nil)); err != nil {
		t.Fatal(err)
	}
	keeper, ok := storage.As[storage.Retainer](b)
	if !ok || keeper.Period() != time.Hour {
		t.Fatalf("As = %v, %t, want object lock of an hour", keeper, ok)
	}
	until := time.Now().Add(2 * time.Hour)
	if err := keeper.Retain(t.Context(), "config", until); err != nil {
		t.Errorf("Retain: %v", err)
	}
	if got, err := keeper.Retained(t.Context(), "config"); err != nil || !got.Equal(until) {
		t.Errorf("Retained = %v, %v, want %v", got, err, until)
	}
	if err := b.Remove(t.Context(), "config"); !errors.Is(err, storage.ErrRetained) {
		t.Errorf("Remove = %v, want ErrRetained, and not a quarter of an hour later", err)
	}
	if err := kept.Hide(t.Context(), "config"); err != nil {
		t.Fatal(err)
	}
	for info, err := range keeper.Hidden(t.Context(), "") {
		if err != nil || info.Name != "config" {
			t.Errorf("Hidden yields %v, %v", info, err)
		}
		if err := keeper.Unhide(t.Context(), info.Name); err != nil {
			t.Errorf("Unhide: %v", err)
		}
	}
	if _, err := b.Stat(t.Context(), "config"); err != nil {
		t.Errorf("Stat after Unhide: %v", err)
	}
	if keeper, ok := storage.As[storage.Retainer](retry.New(mem.New(), retry.Options{})); ok {
		t.Errorf("As = %s for a storage without object lock", fmt.Sprint(keeper))
	}
}
