package checker_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/corrupt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// under is a backend whose place another can take.
type under struct{ storage.Backend }

// openUnder opens the Lab over a backend that can be exchanged.
func openUnder(t *testing.T, l *corrupt.Lab) (*under, *repo.Repo) {
	t.Helper()
	u := &under{l.Store}
	r, err := repo.Open(t.Context(), u, corrupt.Password, corrupt.Options())
	if err != nil {
		t.Fatal(err)
	}
	return u, r
}

func TestAFaultOfTheMomentIsNoDamage(t *testing.T) {
	l := corrupt.New(t)
	u, r := openUnder(t, l)
	faults := 0
	for _, fault := range []storagetest.Fault{storagetest.Refuse, storagetest.ShortRead, storagetest.FlipBody} {
		for n := 1; ; n++ {
			faulty := storagetest.NewFaulty(l.Store, storagetest.Faults{Seed: uint64(n), At: []storagetest.At{{N: n, Op: storagetest.Load, Fault: fault}}})
			u.Backend = faulty
			report, err := checker.Check(t.Context(), r, checker.Options{ReadData: true, Found: func(f checker.Finding) {
				t.Errorf("%s at load %d: found %s in %s: %s", fault, n, f.Kind, f.Object, f.Message)
			}})
			if err != nil && !errors.Is(err, storagetest.ErrInjected) {
				t.Errorf("%s at load %d: %v", fault, n, err)
			}
			if err == nil && report.Snapshots != 2 {
				t.Errorf("%s at load %d: %d snapshots", fault, n, report.Snapshots)
			}
			met := false
			for _, call := range faulty.Trace() {
				met = met || call.Fault != storagetest.None
			}
			if !met {
				break
			}
			faults++
		}
	}
	if faults < 30 {
		t.Errorf("only %d faults were met", faults)
	}
}

// counted counts how many loads are under way.
type counted struct {
	storage.Backend
	now, most atomic.Int32
}

func (c *counted) Load(ctx context.Context, name string, p []byte, offset int64) error {
	defer c.now.Add(-1)
	for now := c.now.Add(1); ; {
		if most := c.most.Load(); now <= most || c.most.CompareAndSwap(most, now) {
			break
		}
	}
	time.Sleep(2 * time.Millisecond) // so that all come that may
	return c.Backend.Load(ctx, name, p, offset)
}

func TestNoMorePacksAreLoadedAtOnceThanConnectionsAllow(t *testing.T) {
	l := corrupt.New(t)
	for _, connections := range []int{runtime.GOMAXPROCS(0), runtime.GOMAXPROCS(0) + 1} {
		opt := corrupt.Options()
		opt.Connections = connections
		c := &counted{Backend: l.Store}
		r, err := repo.Open(t.Context(), c, corrupt.Password, opt)
		if err != nil {
			t.Fatal(err)
		}
		report, err := checker.Check(t.Context(), r, checker.Options{ReadData: true})
		if err != nil || report.Errors > 0 || report.PacksRead < 2 {
			t.Fatalf("Check = %+v, %v", report, err)
		}
		if most := int(c.most.Load()); most > connections || most < 2 {
			t.Errorf("%d files were loaded at once, want at least 2 and at most %d", most, connections)
		}
	}
}

func TestAListingThatFailsEndsTheCheck(t *testing.T) {
	l := corrupt.New(t)
	u, r := openUnder(t, l)
	for n := 1; n <= 10; n++ { // five folders, twice each at most
		u.Backend = storagetest.NewFaulty(l.Store, storagetest.Faults{At: []storagetest.At{{N: n, Op: storagetest.List, Fault: storagetest.CutList}}})
		_, err := checker.Check(t.Context(), r, checker.Options{Found: func(f checker.Finding) {
			t.Errorf("list %d is cut: found %s in %s", n, f.Kind, f.Object)
		}})
		if !errors.Is(err, storagetest.ErrInjected) {
			t.Errorf("list %d is cut: Check = %v, want the error of the listing", n, err)
		}
	}
}

func TestAPackThatTheListingLacksIsAskedFor(t *testing.T) {
	l := corrupt.New(t)
	u, r := openUnder(t, l)
	u.Backend = storagetest.NewFaulty(l.Store, storagetest.Faults{At: []storagetest.At{{N: 10, Op: storagetest.List, Fault: storagetest.EmptyList}}})
	if found, _ := check(t, r, checker.Options{}); len(found) > 0 {
		t.Errorf("an empty list of packs that are there: found %v", facts(found))
	}
}

func TestAPackThatCannotBeReadIsNotCalledDamaged(t *testing.T) {
	l := corrupt.New(t)
	u, r := openUnder(t, l)
	u.Backend = broken{l.Store, repo.Packs.Name(l.Packs["data2"])}
	found, _ := check(t, r, checker.Options{ReadData: true})
	if len(found) != 1 || found[0].Kind != checker.PackUnread || found[0].Severity != checker.Error || len(found[0].Paths) != 1 || found[0].Paths[0] != "/docs/c.txt" {
		t.Errorf("a pack that the storage can't read: found %v", facts(found))
	}
}

// broken is a backend that can't read one file.
type broken struct {
	storage.Backend
	name string
}

var errSector = errors.New("input/output error")

func (b broken) Load(ctx context.Context, name string, p []byte, offset int64) error {
	if name == b.name {
		return errSector
	}
	return b.Backend.Load(ctx, name, p, offset)
}

func TestACheckEndsWithItsContext(t *testing.T) {
	_, r := openUnder(t, corrupt.New(t))
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	if _, err := checker.Check(ctx, r, checker.Options{ReadData: true, Found: func(f checker.Finding) { t.Errorf("found %s", f.Kind) }}); !errors.Is(err, reason) {
		t.Errorf("Check = %v, want %v", err, reason)
	}
}
