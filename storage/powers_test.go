package storage_test

import (
	"context"
	"testing"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/limit"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/metrics"
	"github.com/backstay/backstay/storage/retry"
)

type swept struct{ *mem.Backend }

func (swept) Sweep(context.Context) error { return nil }

func TestAPowerIsFoundBelowTheWrappers(t *testing.T) {
	wrap := func(b storage.Backend) storage.Backend {
		return metrics.New(limit.New(retry.New(b, retry.Options{}), limit.Options{}), clock.System)
	}
	b := swept{mem.New()}
	if got, ok := storage.As[storage.Sweeper](wrap(b)); !ok || got != storage.Sweeper(b) {
		t.Errorf("As = %v, %t, want the backend below", got, ok)
	}
	if got, ok := storage.As[storage.Sweeper](wrap(mem.New())); ok {
		t.Errorf("As = %v for a backend without the power", got)
	}
}
