package runner_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/engine/archiver"
	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/chunker"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/limit"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/test/quickrepo"
)

const mib = 1 << 20

// bubble runs fn beside n files of a MiB each, where time passes only while everybody waits. Pools keep what belongs to another bubble, so they
// are emptied before.
func bubble(t *testing.T, n int, fn func(t *testing.T)) {
	plant(t, "a=1")
	for i := range n {
		writeRandom(t, fmt.Sprint(i))
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2)) // more savers than open packs wait at a mutex, and then no time passes in a bubble
	runtime.GC()
	runtime.GC()
	synctest.Test(t, fn)
}

// writeRandom writes a file of a MiB that is like no other.
func writeRandom(t *testing.T, name string) {
	t.Helper()
	p, random := make([]byte, mib), rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%032s", name))))
	_, _ = random.Read(p) // never fails
	if err := os.WriteFile(filepath.Join("root", name), p, 0o600); err != nil {
		t.Fatal(err)
	}
}

// timedRepo returns a repository with small packs, whose clock is that of the bubble.
func timedRepo(t *testing.T, b storage.Backend, pol chunker.Pol) *repo.Repo {
	t.Helper()
	r, _ := quickrepo.Init(t, b, 2, pol, repo.Options{PackSize: 4 * mib, Clock: clock.System})
	return r
}

// slow passes on a MiB in a second.
func slow(b storage.Backend) storage.Backend {
	return limit.New(b, limit.Options{Upload: limit.PerSecond(mib)})
}

// run backs up root with a patience of ten seconds, and returns what notices there were.
func run(ctx context.Context, opt runner.BackupOptions, rs ...*repo.Repo) (results []runner.BackupResult, notices string, err error) {
	var mu sync.Mutex
	opt.Patience = 10 * time.Second
	opt.Progress = func(e progress.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == progress.Notice {
			notices += e.Text + "\n"
		}
	}
	results, err = runner.Backup(ctx, files.New([]string{"root"}, files.Options{}), rs, opt)
	return results, notices, err
}

// sound reads all of a repository and returns its snapshots.
func sound(t *testing.T, r *repo.Repo) (all []*snapshot.Snapshot) {
	t.Helper()
	r.ForgetIndex()
	err := quickrepo.Locked(t.Context(), r, repo.Shared, func(ctx context.Context) error {
		_, err := checker.Check(ctx, r, checker.Options{ReadData: true, Found: func(f checker.Finding) {
			if f.Severity == checker.Error {
				t.Errorf("check finds %v: %s", f.Object, f.Message)
			}
		}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for s, err := range snapshot.List(t.Context(), r, snapshot.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// arrival tells when the first snapshot arrives.
type arrival struct {
	storage.Backend
	at time.Time
}

func (a *arrival) Save(ctx context.Context, name string, body storage.Body) error {
	err := a.Backend.Save(ctx, name, body)
	if strings.HasPrefix(name, "snapshots/") && a.at.IsZero() {
		a.at = time.Now()
	}
	return err
}

func TestASlowRepositoryIsCaughtUpByACopyOnceTheOthersAreDone(t *testing.T) {
	bubble(t, 32, func(t *testing.T) {
		fast := &arrival{Backend: mem.New()}
		rs := []*repo.Repo{timedRepo(t, slow(mem.New()), quickrepo.Polynomial), timedRepo(t, fast, quickrepo.Polynomial)}
		opt := options(0)
		opt.Names = []string{"tortoise", "hare"}
		start := time.Now()
		results, notices, err := run(t.Context(), opt, rs...)
		if err != nil || results[0].Err != nil || results[1].Err != nil || results[1].CaughtUp != nil {
			t.Fatalf("Backup = %+v, %v", results, err)
		}
		if c := results[0].CaughtUp; c == nil || c.From != 1 || !errors.Is(c.Reason, archiver.ErrSlow) {
			t.Errorf("the slow one was caught up: %+v", c)
		}
		if after := fast.at.Sub(start); after > 13*time.Second {
			t.Errorf("the fast one has its snapshot after %v", after)
		}
		if took := time.Since(start); took < 32*time.Second || took > 50*time.Second {
			t.Errorf("it took %v, and the slow one alone takes 32 s", took)
		}
		if want := `"tortoise" drops out and is caught up later: too slow`; !strings.Contains(notices, want) || !strings.Contains(notices, `to "tortoise" what it lacks, from "hare"`) {
			t.Errorf("the notices are %q, want %q", notices, want)
		}
		here, there := sound(t, rs[0]), sound(t, rs[1])
		if len(here) != 1 || len(there) != 1 || here[0].Original != there[0].ID || here[0].Tree != there[0].Tree || results[0].Snapshot.ID != here[0].ID {
			t.Errorf("the slow one has %+v, the fast one %+v", here, there)
		}
		again, _, err := run(t.Context(), options(1), rs...)
		if err != nil || again[0].Counts.FilesUnmodified != 33 || again[0].Snapshot.Parent != here[0].ID {
			t.Errorf("the next backup is %+v, %v, want one that is compared with the copy", again[0], err)
		}
	})
}

func TestWithoutPatienceTheReadWaitsAndThereIsNoCopy(t *testing.T) {
	bubble(t, 32, func(t *testing.T) {
		rs := []*repo.Repo{timedRepo(t, slow(mem.New()), quickrepo.Polynomial), timedRepo(t, mem.New(), quickrepo.Polynomial)}
		start := time.Now()
		s := backup(t, options(0), rs...)
		if took := time.Since(start); took < 30*time.Second || took > 37*time.Second {
			t.Errorf("it took %v, and the slow one alone takes 32 s", took)
		}
		for i, r := range rs {
			if all := sound(t, r); len(all) != 1 || !all[0].Original.IsNull() || all[0].Tree != s.Tree {
				t.Errorf("repository %d has %+v", i, all)
			}
		}
	})
}

// sulking is a backend whose uploads of packs hang, and fail for good once that was given up.
type sulking struct{ storage.Backend }

func (s sulking) Save(ctx context.Context, name string, body storage.Body) error {
	if !strings.HasPrefix(name, "data/") {
		return s.Backend.Save(ctx, name, body)
	}
	_ = clock.System.Sleep(ctx, 20*time.Second)
	return storage.Mark(fmt.Errorf("save %q: it sulks", name), storage.ErrPermanent)
}

func TestWhenTheCopyFailsTooBothReasonsAreTold(t *testing.T) {
	bubble(t, 32, func(t *testing.T) {
		rs := []*repo.Repo{timedRepo(t, mem.New(), quickrepo.Polynomial), timedRepo(t, sulking{mem.New()}, quickrepo.Polynomial)}
		results, _, err := run(t.Context(), options(0), rs...)
		if err != nil || results[0].Err != nil {
			t.Fatalf("Backup = %+v, %v", results, err)
		}
		if err := results[1].Err; !errors.Is(err, archiver.ErrSlow) || !errors.Is(err, storage.ErrPermanent) || results[1].Snapshot != nil {
			t.Errorf("the other one has %+v", results[1])
		}
		if all := sound(t, rs[1]); len(all) > 0 {
			t.Errorf("it has the snapshots %+v", all)
		}
	})
}

func TestTheCopyComesFromARepositoryThatCutsAlike(t *testing.T) {
	bubble(t, 32, func(t *testing.T) {
		other := chunker.Pol(0x203d21f351140f)
		rs := []*repo.Repo{timedRepo(t, mem.New(), other), timedRepo(t, slow(mem.New()), quickrepo.Polynomial), timedRepo(t, mem.New(), quickrepo.Polynomial)}
		results, _, err := run(t.Context(), options(0), rs...)
		if err != nil || results[1].CaughtUp == nil || results[1].CaughtUp.From != 2 {
			t.Fatalf("Backup = %+v, %v", results, err)
		}
		results, _, err = run(t.Context(), options(0), timedRepo(t, slow(mem.New()), quickrepo.Polynomial), rs[0])
		if err != nil || results[0].CaughtUp == nil {
			t.Fatalf("where there is no such one: Backup = %+v, %v", results, err)
		}
	})
}

func TestWhereNothingHasChangedTheSlowOneGetsACopyOfTheLastSnapshot(t *testing.T) {
	bubble(t, 32, func(t *testing.T) {
		rs := []*repo.Repo{timedRepo(t, slow(mem.New()), quickrepo.Polynomial), timedRepo(t, mem.New(), quickrepo.Polynomial)}
		first := backup(t, options(0), rs[1])
		opt := options(1)
		opt.SkipIfUnchanged = true
		results, _, err := run(t.Context(), opt, rs...)
		if err != nil || !results[1].Skipped || results[0].CaughtUp == nil {
			t.Fatalf("Backup = %+v, %v", results, err)
		}
		if all := sound(t, rs[0]); len(all) != 1 || all[0].Original != first.ID {
			t.Errorf("the slow one has %+v", all)
		}
	})
}

func TestACancelDuringTheCopyLeavesTheOthersTheirSnapshots(t *testing.T) {
	bubble(t, 32, func(t *testing.T) {
		rs := []*repo.Repo{timedRepo(t, slow(mem.New()), quickrepo.Polynomial), timedRepo(t, mem.New(), quickrepo.Polynomial)}
		why := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(20*time.Second, func() { cancel(why) })
		results, _, err := run(ctx, options(0), rs...)
		if err != nil || !errors.Is(results[0].Err, why) || results[1].Err != nil {
			t.Errorf("Backup = %+v, %v", results, err)
		}
		if here, there := sound(t, rs[0]), sound(t, rs[1]); len(here) != 0 || len(there) != 1 {
			t.Errorf("there are %d and %d snapshots", len(here), len(there))
		}
	})
}

// absent is a backend that gives no index file the first time.
type absent struct {
	storage.Backend
	again bool
}

func (a *absent) Load(ctx context.Context, name string, p []byte, offset int64) error {
	if strings.HasPrefix(name, "index/") && !a.again {
		a.again = true
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return a.Backend.Load(ctx, name, p, offset)
}

func TestARepositoryThatIsNotReadyInTimeIsCaughtUpToo(t *testing.T) {
	bubble(t, 1, func(t *testing.T) {
		fast, files := &arrival{Backend: mem.New()}, mem.New()
		rs := []*repo.Repo{timedRepo(t, &absent{Backend: files}, quickrepo.Polynomial), timedRepo(t, fast, quickrepo.Polynomial)}
		backup(t, options(0), rs[0])
		rs[0].ForgetIndex()
		start := time.Now()
		results, notices, err := run(t.Context(), options(1), rs...)
		if err != nil || results[0].CaughtUp == nil || results[1].Err != nil {
			t.Fatalf("Backup = %+v, %v", results, err)
		}
		if after := fast.at.Sub(start); after > 12*time.Second || !strings.Contains(notices, "its index was not loaded within 10s") {
			t.Errorf("the other one has its snapshot after %v, with the notices %q", after, notices)
		}
		if n := len(sound(t, rs[0])); n != 2 {
			t.Errorf("it has %d snapshots", n)
		}
	})
}
