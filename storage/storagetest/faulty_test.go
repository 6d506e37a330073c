package storagetest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
)

func TestFaultyWithoutFaultsKeepsThePromises(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Backend { return storagetest.NewFaulty(mem.New(), storagetest.Faults{}) })
}

// faulty returns a backend with ten files in which the next call of the kind has the fault, and what is below it.
func faulty(t *testing.T, op storagetest.Op, fault storagetest.Fault) (b *storagetest.Faulty, below *mem.Backend) {
	t.Helper()
	below = mem.New()
	n := 1
	if op == storagetest.Save {
		n = 11
	}
	b = storagetest.NewFaulty(below, storagetest.Faults{At: []storagetest.At{{N: n, Op: op, Fault: fault}}, Delay: time.Minute})
	for i := range 10 {
		if err := b.Save(t.Context(), fmt.Sprint("keys/", i), storage.Bytes([]byte("content"))); err != nil {
			t.Fatal(err)
		}
	}
	return b, below
}

// last fails the test unless the last call was as told.
func last(t *testing.T, b *storagetest.Faulty, fault storagetest.Fault, done bool, err error) {
	t.Helper()
	calls := b.Trace()
	if c := calls[len(calls)-1]; c.Fault != fault || c.Done != done || c.Err != err {
		t.Errorf("the trace ends with %v, want fault %q, done %t, error %v", c, fault, done, err)
	}
}

func TestFaultsOfSave(t *testing.T) {
	for _, tt := range []struct {
		fault storagetest.Fault
		want  error
		size  int64 // of what is there afterwards; -1: nothing
		done  bool
	}{
		{storagetest.Refuse, storagetest.ErrInjected, -1, false},
		{storagetest.LostAnswer, storagetest.ErrInjected, 100, true},
		{storagetest.NoSpace, storage.ErrPermanent, -1, false},
		{storagetest.NoSpace, syscall.ENOSPC, -1, false},
		{storagetest.TornWrite, storagetest.ErrInjected, 50, false},
		{storagetest.ShortRead, nil, 100, true}, // doesn't fit
	} {
		b, below := faulty(t, storagetest.Save, tt.fault)
		err := b.Save(t.Context(), "config", storage.Bytes(make([]byte, 100)))
		if !errors.Is(err, tt.want) {
			t.Errorf("Save with %q = %v, want %v", tt.fault, err, tt.want)
		}
		if tt.want != nil {
			last(t, b, tt.fault, tt.done, err)
		}
		info, err := below.Stat(t.Context(), "config")
		if errors.Is(err, storage.ErrNotFound) {
			info.Size = -1
		}
		if info.Size != tt.size {
			t.Errorf("Save with %q leaves %d bytes, want %d", tt.fault, info.Size, tt.size)
		}
	}
}

func TestFaultsOfLoad(t *testing.T) {
	for _, tt := range []struct {
		fault   storagetest.Fault
		want    error
		flipped int // bits
		there   bool
	}{
		{storagetest.Refuse, storagetest.ErrInjected, 0, true},
		{storagetest.ShortRead, storage.ErrShort, 0, true},
		{storagetest.FlipBody, nil, 1, true},
		{storagetest.Vanish, storage.ErrNotFound, 0, false},
	} {
		b, below := faulty(t, storagetest.Load, tt.fault)
		p := []byte("content")
		err := b.Load(t.Context(), "keys/0", p, 0)
		if !errors.Is(err, tt.want) {
			t.Errorf("Load with %q = %v, want %v", tt.fault, err, tt.want)
		}
		last(t, b, tt.fault, err == nil, err)
		flipped := 0
		for i, c := range []byte("content") {
			flipped += bits.OnesCount8(c ^ p[i])
		}
		if flipped != tt.flipped {
			t.Errorf("Load with %q flips %d bits, want %d", tt.fault, flipped, tt.flipped)
		}
		if _, err := below.Stat(t.Context(), "keys/0"); (err == nil) != tt.there {
			t.Errorf("Load with %q: Stat below = %v, want the file there: %t", tt.fault, err, tt.there)
		}
	}
}

func TestFaultsOfList(t *testing.T) {
	for _, tt := range []struct {
		fault storagetest.Fault
		want  error
		files int
	}{
		{storagetest.None, nil, 10},
		{storagetest.Refuse, storagetest.ErrInjected, 0},
		{storagetest.CutList, storagetest.ErrInjected, 5},
		{storagetest.SilentCut, nil, 5},
		{storagetest.EmptyList, nil, 0},
		{storagetest.FlipName, nil, 10},
	} {
		b, below := faulty(t, storagetest.List, tt.fault)
		got, err := names(t.Context(), b)
		if !errors.Is(err, tt.want) || len(got) != tt.files {
			t.Errorf("List with %q = %d files, %v, want %d, %v", tt.fault, len(got), err, tt.files, tt.want)
		}
		last(t, b, tt.fault, err == nil, err)
		whole, err := names(t.Context(), below)
		if err != nil {
			t.Fatal(err)
		}
		if strange := slices.DeleteFunc(got, func(n string) bool { return slices.Contains(whole, n) }); len(strange) > 1 ||
			len(strange) == 1 && tt.fault != storagetest.FlipName {
			t.Errorf("List with %q yields %q, which are not there", tt.fault, strange)
		}
	}
}

func TestAStaleListingTakesBackTheLatestChanges(t *testing.T) {
	b, _ := faulty(t, storagetest.List, storagetest.StaleList)
	if err := b.Remove(t.Context(), "keys/0"); err != nil {
		t.Fatal(err)
	}
	got, err := names(t.Context(), b)
	if err != nil || !slices.Contains(got, "keys/0") || len(got) < 3 {
		t.Errorf("a stale List after a Remove = %q, %v, want the removed file in it", got, err)
	}
	for i := range got[:len(got)-1] {
		if want := fmt.Sprint("keys/", i+1); got[i] != want {
			t.Errorf("a stale List has %q where %q is older", got[i], want)
		}
	}
}

func TestFaultsOfRemove(t *testing.T) {
	for fault, there := range map[storagetest.Fault]bool{storagetest.Refuse: true, storagetest.LostAnswer: false} {
		b, below := faulty(t, storagetest.Remove, fault)
		err := b.Remove(t.Context(), "keys/0")
		if !errors.Is(err, storagetest.ErrInjected) {
			t.Errorf("Remove with %q = %v, want ErrInjected", fault, err)
		}
		last(t, b, fault, !there, err)
		if _, err := below.Stat(t.Context(), "keys/0"); (err == nil) != there {
			t.Errorf("Remove with %q: Stat below = %v, want the file there: %t", fault, err, there)
		}
	}
}

func TestALateCallWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := faulty(t, storagetest.Stat, storagetest.Late)
		start := time.Now()
		if _, err := b.Stat(t.Context(), "keys/0"); err != nil {
			t.Errorf("Stat: %v", err)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("a late Stat took %v, want 1m", took)
		}
	})
}

func TestTheSeedAloneDecides(t *testing.T) {
	run := func(seed uint64) []storagetest.Call {
		b := storagetest.NewFaulty(mem.New(), storagetest.Faults{Seed: seed, Chance: map[storagetest.Fault]float64{
			storagetest.Refuse: 0.2, storagetest.LostAnswer: 0.2, storagetest.FlipBody: 0.2, storagetest.SilentCut: 0.3,
		}})
		for i := range 200 {
			name := fmt.Sprint("keys/", i%20)
			_ = b.Save(t.Context(), name, storage.Bytes(bytes.Repeat([]byte("x"), i)))
			_ = b.Load(t.Context(), name, make([]byte, 1), 0)
			_, _ = names(t.Context(), b)
			_ = b.Remove(t.Context(), name)
		}
		return b.Trace()
	}
	byText := cmp.Transformer("text", func(c storagetest.Call) string { return c.String() })
	if diff := cmp.Diff(run(1), run(1), byText); diff != "" {
		t.Errorf("two runs of one seed differ:\n%s", diff)
	}
	if cmp.Equal(run(1), run(2), byText) {
		t.Error("two seeds do the same")
	}
	faults := make(map[storagetest.Fault]int)
	for _, c := range run(1) {
		faults[c.Fault]++
	}
	if n := faults[storagetest.Refuse]; n < 100 || n > 220 { // of 800 calls each fifth
		t.Errorf("%d calls of 800 are refused at a chance of 0.2", n)
	}
}

func names(ctx context.Context, b storage.Backend) (names []string, err error) {
	for info, err := range b.List(ctx, "keys") {
		if err != nil {
			return names, err
		}
		names = append(names, info.Name)
	}
	return names, nil
}
