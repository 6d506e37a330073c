package checker_test

import (
	"context"
	"errors"
	"testing"

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
