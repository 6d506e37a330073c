package retry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/retry"
	"github.com/backstay/backstay/storage/storagetest"
)

// instant is a clock on which a sleep is over at once.
type instant struct{ now atomic.Int64 }

func (c *instant) Now() time.Time { return time.Unix(0, c.now.Load()) }

func (c *instant) Sleep(ctx context.Context, d time.Duration) error {
	c.now.Add(int64(d))
	return context.Cause(ctx)
}

func TestBackendKeepsThePromises(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Backend {
		return retry.New(mem.New(), retry.Options{Clock: &instant{}, Stall: -1})
	})
}

func TestBackendKeepsThePromisesUnderWatch(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Backend { return retry.New(mem.New(), retry.Options{}) })
}

// with returns a retrying backend over one with these faults.
func with(faults ...storagetest.At) (storage.Backend, *storagetest.Faulty, *[]retry.Event) {
	faulty := storagetest.NewFaulty(mem.New(), storagetest.Faults{At: faults})
	events := new([]retry.Event)
	report := func(e retry.Event) { *events = append(*events, e) }
	return retry.New(faulty, retry.Options{Clock: &instant{}, Stall: -1, Report: report}), faulty, events
}

func TestAPassingErrorIsRepeatedAndReported(t *testing.T) {
	b, faulty, events := with(
		storagetest.At{N: 1, Fault: storagetest.Refuse}, storagetest.At{N: 2, Fault: storagetest.Refuse},
		storagetest.At{N: 4, Fault: storagetest.Refuse}, storagetest.At{N: 6, Fault: storagetest.Refuse},
		storagetest.At{N: 8, Fault: storagetest.Refuse}, storagetest.At{N: 10, Fault: storagetest.Refuse})
	if err := b.Save(t.Context(), "keys/a", storage.Bytes([]byte("x"))); err != nil {
		t.Errorf("Save: %v", err)
	}
	if err := b.Load(t.Context(), "keys/a", make([]byte, 1), 0); err != nil {
		t.Errorf("Load: %v", err)
	}
	if _, err := b.Stat(t.Context(), "keys/a"); err != nil {
		t.Errorf("Stat: %v", err)
	}
	if got, err := names(t, b); err != nil || len(got) != 1 {
		t.Errorf("List = %q, %v", got, err)
	}
	if err := b.Remove(t.Context(), "keys/a"); err != nil {
		t.Errorf("Remove: %v", err)
	}
	if calls := len(faulty.Trace()); calls != 11 {
		t.Errorf("5 calls with 6 failures make %d tries, want 11", calls)
	}
	if len(*events) != 6 {
		t.Fatalf("6 failed tries are reported as %v", *events)
	}
	e := (*events)[1]
	if e.What != "save" || e.Name != "keys/a" || e.Try != 2 || !errors.Is(e.Err, storagetest.ErrInjected) {
		t.Errorf("the second failed try is reported as %+v", e)
	}
	if e.Wait < 500*time.Millisecond || e.Wait >= 1500*time.Millisecond {
		t.Errorf("the wait after the second try is %v, want one second, half of it more or less", e.Wait)
	}
}

func TestAnErrorThatNoTryMendsIsNotRepeated(t *testing.T) {
	b, faulty, _ := with(storagetest.At{N: 1, Fault: storagetest.NoSpace})
	mismatch := storage.Body{Size: 3, Open: func() io.Reader { return bytes.NewReader(nil) }}
	calls := []error{b.Save(t.Context(), "config", storage.Bytes(nil)), b.Save(t.Context(), "config", mismatch)}
	if err := b.Save(t.Context(), "config", storage.Bytes(nil)); err != nil {
		t.Fatal(err)
	}
	calls = append(calls, b.Save(t.Context(), "config", storage.Bytes(nil)), b.Load(t.Context(), "none", nil, 0))
	for i, want := range []error{storage.ErrPermanent, storage.ErrMismatch, storage.ErrExists, storage.ErrNotFound} {
		if !errors.Is(calls[i], want) {
			t.Errorf("call %d = %v, want %v", i, calls[i], want)
		}
	}
	if tries := len(faulty.Trace()); tries != 5 {
		t.Errorf("5 calls make %d tries, want none repeated", tries)
	}
}

// busy is a backend that can't be asked for a while, twice.
type busy struct {
	*mem.Backend
	after []time.Duration
}

func (b *busy) Stat(ctx context.Context, name string) (storage.Info, error) {
	if len(b.after) > 0 {
		err := &storage.BusyError{After: b.after[0], Err: errors.New("slow down")}
		b.after = b.after[1:]
		return storage.Info{}, fmt.Errorf("stat %q: %w", name, err)
	}
	return b.Backend.Stat(ctx, name)
}

func TestAStorageThatNamesATimeIsGivenIt(t *testing.T) {
	var waits []time.Duration
	b := retry.New(&busy{mem.New(), []time.Duration{20 * time.Second, 24 * time.Hour, 0}}, retry.Options{Clock: &instant{}, Stall: -1,
		Report: func(e retry.Event) { waits = append(waits, e.Wait) }})
	if _, err := b.Stat(t.Context(), "config"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Stat = %v, want ErrNotFound in the end", err)
	}
	if len(waits) != 3 || waits[0] != 20*time.Second || waits[1] != 5*time.Minute || waits[2] > 3*time.Second {
		t.Errorf("the waits are %v, want 20 s as asked, 5 minutes for a day, and its own", waits)
	}
}

var errBroken = errors.New("body broke")

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errBroken }

func TestALostAnswerIsFoundOut(t *testing.T) {
	for _, op := range []storagetest.Op{storagetest.Save, storagetest.Remove} {
		b, faulty, _ := with(storagetest.At{N: 1, Op: op, Fault: storagetest.LostAnswer})
		content := bytes.Repeat([]byte("content"), 1<<20)
		if err := b.Save(t.Context(), "keys/a", storage.Bytes(content)); err != nil {
			t.Errorf("Save where the answer to a %s is lost: %v", op, err)
		}
		if err := b.Remove(t.Context(), "keys/a"); err != nil {
			t.Errorf("Remove where the answer to a %s is lost: %v", op, err)
		}
		if tries := len(faulty.Trace()); tries < 3 {
			t.Errorf("with a lost answer there are %d tries only", tries)
		}
	}
}

func TestAFileOfSomeoneElseIsNotTakenForOurs(t *testing.T) {
	ours := []byte("ours")
	for what, theirs := range map[string]storage.Body{
		"another size":    storage.Bytes([]byte("theirs")),
		"another content": storage.Bytes([]byte("diff")),
	} {
		below := mem.New()
		b := retry.New(&rival{Backend: below, body: theirs}, retry.Options{Clock: &instant{}, Stall: -1})
		if err := b.Save(t.Context(), "config", storage.Bytes(ours)); !errors.Is(err, storage.ErrExists) {
			t.Errorf("Save where someone else saves %s between two tries = %v, want ErrExists", what, err)
		}
		if got, err := storage.LoadAll(t.Context(), below, "config"); err != nil || bytes.Equal(got, ours) {
			t.Errorf("the file is %q, %v, want that of someone else", got, err)
		}
	}
}

// rival saves a file of its own when it is asked for the first time, and answers with an error.
type rival struct {
	storage.Backend
	body storage.Body
	came bool
}

func (r *rival) Save(ctx context.Context, name string, body storage.Body) error {
	if r.came {
		return r.Backend.Save(ctx, name, body)
	}
	r.came = true
	return errors.Join(storagetest.ErrInjected, r.Backend.Save(ctx, name, r.body))
}

func TestAListingThatBreaksIsBegunAgainAndYieldsEachFileOnce(t *testing.T) {
	b, _, events := with(storagetest.At{N: 1, Op: storagetest.List, Fault: storagetest.CutList},
		storagetest.At{N: 2, Op: storagetest.List, Fault: storagetest.CutList})
	for i := range 9 {
		if err := b.Save(t.Context(), fmt.Sprint("keys/", i), storage.Bytes(nil)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := names(t, b)
	if err != nil || len(got) != 9 || len(*events) != 2 {
		t.Errorf("List of 9 files that breaks twice = %q, %v after %d reports", got, err, len(*events))
	}
	for i, name := range got {
		if name != fmt.Sprint("keys/", i) {
			t.Errorf("file %d of the listing is %q", i, name)
		}
	}
}

func TestItGivesUpAfterAQuarterOfAnHour(t *testing.T) {
	clk := &instant{}
	faulty := storagetest.NewFaulty(mem.New(), storagetest.Faults{Chance: map[storagetest.Fault]float64{storagetest.Refuse: 1}})
	b := retry.New(faulty, retry.Options{Clock: clk, Stall: -1})
	for what, call := range map[string]func() error{
		"Save": func() error { return b.Save(t.Context(), "config", storage.Bytes(nil)) },
		"List": func() error { _, err := names(t, b); return err },
	} {
		start, tries := clk.Now(), len(faulty.Trace())
		err := call()
		took, tries := clk.Now().Sub(start), len(faulty.Trace())-tries
		if !errors.Is(err, storagetest.ErrInjected) || took > 15*time.Minute || took < 13*time.Minute || tries < 15 {
			t.Errorf("%s that never succeeds = %v after %v and %d tries, want its error after almost 15 minutes", what, err, took, tries)
		}
	}
}

func TestAShortFileIsAskedForOnceMore(t *testing.T) {
	b, _, _ := with(storagetest.At{N: 1, Op: storagetest.Load, Fault: storagetest.ShortRead})
	if err := b.Save(t.Context(), "config", storage.Bytes(make([]byte, 100))); err != nil {
		t.Fatal(err)
	}
	if err := b.Load(t.Context(), "config", make([]byte, 100), 0); err != nil {
		t.Errorf("Load that is cut once: %v", err)
	}
	b, faulty, _ := with()
	if err := b.Save(t.Context(), "config", storage.Bytes(make([]byte, 100))); err != nil {
		t.Fatal(err)
	}
	if err := b.Load(t.Context(), "config", make([]byte, 101), 0); !errors.Is(err, storage.ErrShort) {
		t.Errorf("Load beyond the end = %v, want ErrShort", err)
	}
	if tries := len(faulty.Trace()) - 1; tries != 2 {
		t.Errorf("Load beyond the end is tried %d times, want 2", tries)
	}
}

func TestNothingAcknowledgedIsMissingUnderRandomFaults(t *testing.T) {
	for seed := range uint64(50) {
		below := mem.New()
		b := retry.New(storagetest.NewFaulty(below, storagetest.Faults{Seed: seed, Chance: map[storagetest.Fault]float64{
			storagetest.Refuse: 0.2, storagetest.LostAnswer: 0.2, storagetest.ShortRead: 0.05, storagetest.CutList: 0.3,
		}}), retry.Options{Clock: &instant{}, Stall: -1})
		want := 0
		for i := range 40 {
			name, content := fmt.Sprint("keys/", i), bytes.Repeat([]byte{byte(i)}, i)
			if err := b.Save(t.Context(), name, storage.Bytes(content)); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if got, err := storage.LoadAll(t.Context(), below, name); err != nil || !bytes.Equal(got, content) {
				t.Fatalf("seed %d: after Save there is %x, %v", seed, got, err)
			}
			if want++; i%3 == 0 {
				if err := b.Remove(t.Context(), name); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				want--
			}
		}
		if got, err := names(t, b); err != nil || len(got) != want {
			t.Errorf("seed %d: List = %d files, %v, want %d", seed, len(got), err, want)
		}
	}
}

func names(t *testing.T, b storage.Backend) (names []string, err error) {
	for info, err := range b.List(t.Context(), "keys") {
		if err != nil {
			return names, err
		}
		names = append(names, info.Name)
	}
	return names, nil
}

func BenchmarkLoad(b *testing.B) {
	inner := mem.New()
	if err := inner.Save(b.Context(), "x", storage.Bytes(make([]byte, 4096))); err != nil {
		b.Fatal(err)
	}
	p, r := make([]byte, 4096), retry.New(inner, retry.Options{})
	for b.Loop() {
		if err := r.Load(b.Context(), "x", p, 0); err != nil {
			b.Fatal(err)
		}
	}
}
