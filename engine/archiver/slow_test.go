package archiver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/engine/archiver"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/limit"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/quickrepo"
)

const mib = 1 << 20

// bubble runs fn where time passes only while everybody waits. Pools keep what belongs to another bubble, so they are emptied before.
func bubble(t *testing.T, fn func(t *testing.T)) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2)) // more savers than open packs wait at a mutex, and then no time passes in a bubble
	runtime.GC()
	runtime.GC()
	synctest.Test(t, fn)
}

// timedRepo returns a repository with small packs, whose clock is that of the bubble.
func timedRepo(t *testing.T, b storage.Backend) *repo.Repo {
	t.Helper()
	r, _ := quickrepo.Init(t, b, 2, pol, repo.Options{PackSize: 4 * mib, Clock: clock.System})
	return r
}

// heap is a forest of n files that don't compress, of a quarter of a MiB each. It counts what is read of them.
func heap(n int) (f *forest, read *atomic.Int64) {
	f, read = plant(), new(atomic.Int64)
	for i := range n {
		content := randomBytes(uint64(i), mib/4)
		f.file(fmt.Sprintf("%03d", i), content).open = func() (entry.FileReader, error) {
			read.Add(int64(len(content)))
			return wholeFile{io.NopCloser(bytes.NewReader(content))}, nil
		}
	}
	return f, read
}

type wholeFile struct{ io.ReadCloser }

func (wholeFile) NextData(offset int64) (int64, error) { return offset, nil }
func (wholeFile) SkipTo(int64)                         {}
func (wholeFile) Changed() (bool, error)               { return false, nil }

// line is a backend that takes one file after the other, with so many bytes in a second.
type line struct {
	storage.Backend
	rate  int64
	place chan struct{}
}

func newLine(rate int64) *line { return &line{mem.New(), rate, make(chan struct{}, 1)} }

func (l *line) Save(ctx context.Context, name string, body storage.Body) error {
	l.place <- struct{}{}
	defer func() { <-l.place }()
	if err := clock.System.Sleep(ctx, time.Duration(body.Size)*time.Second/time.Duration(l.rate)); err != nil {
		return err
	}
	return l.Backend.Save(ctx, name, body)
}

// slow passes on a MiB in a second.
func slow(b storage.Backend) storage.Backend {
	return limit.New(b, limit.Options{Upload: limit.PerSecond(mib)})
}

// ahead is a backend that sees how much more was read of a source than has arrived.
type ahead struct {
	storage.Backend
	read    *atomic.Int64
	arrived atomic.Int64
	most    atomic.Int64
}

func (a *ahead) Save(ctx context.Context, name string, body storage.Body) error {
	for more := a.read.Load() - a.arrived.Load(); ; {
		if most := a.most.Load(); more <= most || a.most.CompareAndSwap(most, more) {
			break
		}
	}
	err := a.Backend.Save(ctx, name, body)
	a.arrived.Add(body.Size)
	return err
}

// after calls its function before each Save of a pack, or Load of anything, with its number.
type after struct {
	storage.Backend
	save, load func(ctx context.Context, n int) error
	saves      atomic.Int32
	loads      atomic.Int32
}

func (a *after) Save(ctx context.Context, name string, body storage.Body) error {
	if a.save != nil && name[:5] == "data/" {
		if err := a.save(ctx, int(a.saves.Add(1))); err != nil {
			return err
		}
	}
	return a.Backend.Save(ctx, name, body)
}

func (a *after) Load(ctx context.Context, name string, p []byte, offset int64) error {
	if a.load != nil && name[:5] == "data/" {
		if err := a.load(ctx, int(a.loads.Add(1))); err != nil {
			return err
		}
	}
	return a.Backend.Load(ctx, name, p, offset)
}

// hang waits until ctx ends, as a storage does that is away for good while each call is repeated.
func hang(ctx context.Context, _ int) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// ending is when the result of each target was known, and in which order.
type ending struct {
	mu    sync.Mutex
	at    map[int]time.Duration
	order []int
}

func (e *ending) done(start time.Time) func(int, archiver.Result) {
	e.at = make(map[int]time.Duration)
	return func(target int, _ archiver.Result) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.at[target] = time.Since(start)
		e.order = append(e.order, target)
	}
}

func TestTheReadWaitsForASlowRepositoryAndMemoryStaysBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, read := heap(160) // 40 MiB
		below := &ahead{Backend: slow(mem.New()), read: read}
		rs := []*repo.Repo{timedRepo(t, mem.New()), timedRepo(t, below)}
		start, end := time.Now(), ending{}
		results, err := archiver.Archive(locked(t, t.Context(), rs...), targets(rs...), f, archiver.Options{Done: end.done(start)})
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			if want := f.naive(t, pol); r.Err != nil || r.Tree != want {
				t.Fatalf("repository %d: tree %s, %v, want %s", i, r.Tree.Short(), r.Err, want.Short())
			}
			complete(t, rs[i], r.Tree)
		}
		if took := time.Since(start); took < 38*time.Second || took > 45*time.Second {
			t.Errorf("it took %v, and the slow one takes 40 s", took)
		}
		if most := below.most.Load(); most > 14*mib { // two packs, and what four readers hold
			t.Errorf("%d MiB were in flight, of %d", most/mib, read.Load()/mib)
		}
		if !slices.Equal(end.order, []int{0, 1}) || end.at[1]-end.at[0] < 3*time.Second {
			t.Errorf("the ends are %v at %v: the fast one waits for the last uploads of the slow one", end.order, end.at)
		}
	})
}

func TestASlowRepositoryDropsOutAndTheFastOneFinishesAtItsSpeed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, _ := heap(160)
		rs := []*repo.Repo{timedRepo(t, slow(mem.New())), timedRepo(t, mem.New())}
		start, end := time.Now(), ending{}
		opt := archiver.Options{Patience: 10 * time.Second, Done: end.done(start)}
		results, err := archiver.Archive(locked(t, t.Context(), rs...), targets(rs...), f, opt)
		if err != nil || !errors.Is(results[0].Err, archiver.ErrSlow) || !results[0].Tree.IsNull() || results[1].Tree != f.naive(t, pol) {
			t.Fatalf("Archive = %+v, %v", results, err)
		}
		complete(t, rs[1], results[1].Tree)
		if took := time.Since(start); took < 10*time.Second || took > 14*time.Second {
			t.Errorf("it took %v", took)
		}
		if !slices.Equal(end.order, []int{0, 1}) {
			t.Errorf("the ends are %v", end.order)
		}
		for i, n := range f.opens {
			if n != 1 {
				t.Errorf("%q was opened %d times", i, n)
			}
		}
	})
}

func TestRepositoriesThatAreSlowTogetherStay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, _ := heap(320)
		rs := []*repo.Repo{timedRepo(t, newLine(mib)), timedRepo(t, newLine(105*mib/100))}
		results, err := archiver.Archive(locked(t, t.Context(), rs...), targets(rs...), f, archiver.Options{Patience: 10 * time.Second})
		if err != nil || results[0].Err != nil || results[1].Err != nil {
			t.Errorf("Archive = %+v, %v", results, err)
		}
	})
}

func TestAShortStopCostsNoRepository(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, _ := heap(160)
		stops := storagetest.Faults{At: []storagetest.At{{N: 6, Op: storagetest.Save, Fault: storagetest.Late}}, Delay: 8 * time.Second}
		rs := []*repo.Repo{timedRepo(t, storagetest.NewFaulty(mem.New(), stops)), timedRepo(t, mem.New())}
		results, err := archiver.Archive(locked(t, t.Context(), rs...), targets(rs...), f, archiver.Options{Patience: 10 * time.Second})
		if err != nil || results[0].Err != nil {
			t.Errorf("Archive = %+v, %v", results, err)
		}
	})
}

func TestADeadRepositoryDropsOutWhileItIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, _ := heap(160)
		dropsOut(t, f, archiver.Target{Repo: timedRepo(t, &after{Backend: mem.New(), save: hang})}, archiver.Target{Repo: timedRepo(t, mem.New())})
	})
}

func TestARepositoryThatGivesNoTreeOfTheParentDropsOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, files := plant("a/b/c=1", "d/e=2", "f/g=3"), mem.New()
		good := timedRepo(t, files)
		parent, err := archiver.Archive(locked(t, t.Context(), good), targets(good), f, archiver.Options{})
		if err != nil {
			t.Fatal(err)
		}
		dead, err := repo.Open(t.Context(), &after{Backend: files.Clone(), load: hang}, "password", repo.Options{})
		if err == nil {
			err = dead.LoadIndex(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		f.opened()
		dropsOut(t, f, archiver.Target{Repo: dead, Parent: parent[0].Tree}, archiver.Target{Repo: good, Parent: parent[0].Tree})
		if opened := f.opened(); len(opened) > 0 {
			t.Errorf("%q are read again, though the other one has the parent", opened)
		}
	})
}

// dropsOut fails the test unless the first one drops out after ten seconds, and the second one is complete soon after.
func dropsOut(t *testing.T, f *forest, dead, good archiver.Target) {
	t.Helper()
	start := time.Now()
	ctx := locked(t, t.Context(), dead.Repo, good.Repo)
	results, err := archiver.Archive(ctx, []archiver.Target{dead, good}, f, archiver.Options{Patience: 10 * time.Second})
	if err != nil || !errors.Is(results[0].Err, archiver.ErrSlow) || results[1].Tree != f.naive(t, pol) {
		t.Fatalf("Archive = %+v, %v", results, err)
	}
	if took := time.Since(start); took < 10*time.Second || took > 17*time.Second {
		t.Errorf("it took %v", took)
	}
	complete(t, good.Repo, results[1].Tree)
}

func TestNobodyWaitsForTheLastUploadsOfAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, _ := heap(4)
		late := &after{Backend: mem.New(), save: func(ctx context.Context, _ int) error { return clock.System.Sleep(ctx, time.Hour) }}
		rs := []*repo.Repo{timedRepo(t, late), timedRepo(t, mem.New())}
		start, end := time.Now(), ending{}
		closed := time.Duration(-1)
		opt := archiver.Options{Patience: 10 * time.Second, Done: end.done(start), Read: func() error { closed = time.Since(start); return nil }}
		results, err := archiver.Archive(locked(t, t.Context(), rs...), targets(rs...), f, opt)
		if err != nil || results[0].Err != nil || results[1].Err != nil {
			t.Fatalf("Archive = %+v, %v", results, err)
		}
		if end.at[1] > time.Second || end.at[0] < time.Hour || closed > end.at[1] || closed < 0 {
			t.Errorf("the ends are at %v, and all was read at %v", end.at, closed)
		}
	})
}

func TestWhatIsDurableWhenTheRunIsCancelledIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, _ := heap(4)
		rs := []*repo.Repo{timedRepo(t, &after{Backend: mem.New(), save: hang}), timedRepo(t, mem.New())}
		why := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(locked(t, t.Context(), rs...))
		time.AfterFunc(time.Minute, func() { cancel(why) })
		results, err := archiver.Archive(ctx, targets(rs...), f, archiver.Options{})
		if !errors.Is(err, why) || !errors.Is(results[0].Err, why) || results[1].Err != nil || results[1].Tree != f.naive(t, pol) {
			t.Errorf("Archive = %+v, %v", results, err)
		}
	})
}

func TestAnErrorOfReadMakesNoTree(t *testing.T) {
	f, bad := plant("a=1"), errors.New("the dump failed")
	r := newRepo(t, mem.New(), pol)
	opt := archiver.Options{Read: func() error { return bad }, Done: func(_ int, r archiver.Result) { t.Errorf("Done gets %+v", r) }}
	results, err := archiver.Archive(locked(t, t.Context(), r), targets(r), f, opt)
	if !errors.Is(err, bad) || !results[0].Tree.IsNull() {
		t.Errorf("Archive = %+v, %v", results, err)
	}
}
