package storagetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
)

// sloppy is a backend that overwrites, and that can't find what has an odd name.
type sloppy struct{ *mem.Backend }

func (s sloppy) Save(ctx context.Context, name string, body storage.Body) error {
	if strings.HasPrefix(name, "keysx/") {
		return fmt.Errorf("save %q: %w", name, storage.Mark(errors.New("no such folder"), storage.ErrPermanent))
	}
	err := s.Backend.Save(ctx, name, body)
	if errors.Is(err, storage.ErrExists) {
		if err := s.Remove(ctx, name); err != nil {
			return err
		}
		err = s.Backend.Save(ctx, name, body)
	}
	return err
}

// results checks a backend, which must be empty afterwards.
func results(t *testing.T, b storage.Backend, below *mem.Backend, lacks ...storage.Lack) (all []storagetest.Result) {
	t.Helper()
	if err := storagetest.Check(t.Context(), b, lacks, func(r storagetest.Result) { all = append(all, r) }); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"data", "keys", "keysx", "snapshots"} {
		for info, err := range below.List(t.Context(), dir) {
			t.Errorf("after the check there is %q, %v", info.Name, err)
		}
	}
	return all
}

func TestCheckTellsWhichPromisesAreKept(t *testing.T) {
	b := mem.New()
	all := results(t, b, b)
	if len(all) != len(storagetest.Promises()) || len(all) < 25 {
		t.Errorf("Check tells of %d promises, want all %d", len(all), len(storagetest.Promises()))
	}
	for _, r := range all {
		if len(r.Complaints) > 0 || r.Broken() {
			t.Errorf("Check of a good backend tells %+v", r)
		}
	}
	const free = "any name within the storage can be saved"
	b = mem.New()
	var broken []string
	for _, r := range results(t, sloppy{b}, b, storage.Lack{Promise: free, Why: "it has fixed folders"}) {
		if r.Broken() {
			broken = append(broken, r.Promise)
		}
		if r.Promise == free && (r.Lack != "it has fixed folders" || len(r.Complaints) == 0) {
			t.Errorf("Check tells %+v of a promise that is lacking", r)
		}
	}
	if want := "a name that is taken keeps its content"; !slices.Contains(broken, want) || len(broken) > 3 {
		t.Errorf("Check of a backend that overwrites says that these are broken: %q, want %q and few others", broken, want)
	}
}

func TestACancelledCheckCleansUp(t *testing.T) {
	b := mem.New()
	ctx, cancel := context.WithCancel(t.Context())
	told := 0
	err := storagetest.Check(ctx, b, nil, func(storagetest.Result) {
		if told++; told == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || told != 3 {
		t.Errorf("Check = %v after telling of %d, want that it was cancelled after 3", err, told)
	}
	for info := range b.List(t.Context(), "data") {
		t.Errorf("after the check there is %q", info.Name)
	}
}

func TestMeasureFindsOutHowFastAStorageIs(t *testing.T) {
	b := mem.New()
	s, err := storagetest.Measure(t.Context(), b, clock.System, 10*time.Millisecond)
	if err != nil || s.Upload <= 0 || s.Download <= 0 || s.Save <= 0 || s.Stat <= 0 || s.Bytes < storagetest.FileSize {
		t.Errorf("Measure = %+v, %v", s, err)
	}
	for info := range b.List(t.Context(), "data") {
		t.Errorf("after Measure there is %q", info.Name)
	}
}
