package runner_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
)

func TestTheTypeSaysWhatASnapshotIsComparedWith(t *testing.T) {
	plant(t, "a=1", "d/b=2")
	r := newRepo(t, mem.New())
	var made []*snapshot.Snapshot
	for n, c := range []struct {
		kind, want snapshot.Type
		base       int // -1: none
		read       uint64
	}{
		{snapshot.Differential, snapshot.Full, -1, 2}, // there is nothing yet
		{"", snapshot.Incremental, 0, 0},
		{snapshot.Incremental, snapshot.Incremental, 1, 0},
		{snapshot.Differential, snapshot.Differential, 0, 0},
		{snapshot.Full, snapshot.Full, -1, 2},
		{snapshot.Incremental, snapshot.Incremental, 4, 0},
		{snapshot.Differential, snapshot.Differential, 4, 0},
	} {
		opt := options(n)
		opt.Type = c.kind
		s := backup(t, opt, r)
		var base, parent crypto.ID
		if c.base >= 0 {
			base, parent = made[c.base].Identity(), made[c.base].ID
		}
		if s.Type() != c.want || s.Base() != base || s.Parent != parent || s.Summary.FilesNew != c.read {
			t.Errorf("backup %d: type %s, base %s, parent %s, %d files read; want %s, %s, %s, %d", n, s.Type(), s.Base().Short(), s.Parent.Short(),
				s.Summary.FilesNew, c.want, base.Short(), parent.Short(), c.read)
		}
		if saved, err := snapshot.Load(t.Context(), r, s.ID); err != nil || saved.Tree != s.Tree || !saved.HasTag("tag") {
			t.Errorf("backup %d: saved is %+v, %v", n, saved, err)
		}
		made = append(made, s)
	}
}

func TestOnlySnapshotsOfTheSameHostAndPathsAreCompared(t *testing.T) {
	plant(t, "a=1")
	r := newRepo(t, mem.New())
	first := backup(t, options(0), r)
	for name, change := range map[string]func(*snapshot.Snapshot){
		"another host": func(s *snapshot.Snapshot) { s.Hostname = "other" },
		"other paths":  func(s *snapshot.Snapshot) { s.Paths = []string{"/other"} },
		"more paths":   func(s *snapshot.Snapshot) { s.Paths = []string{"/root", "/other"} },
	} {
		opt := options(1)
		change(&opt.Template)
		if s := backup(t, opt, r); s.Type() != snapshot.Full {
			t.Errorf("%s: the type is %s", name, s.Type())
		}
	}
	if s := backup(t, options(2), r); s.Parent != first.ID {
		t.Errorf("the same host and paths: the parent is %s, want %s", s.Parent.Short(), first.ID.Short())
	}
}

func TestWithoutAChangeThereNeedBeNoSnapshot(t *testing.T) {
	plant(t, "a=1")
	b := mem.New()
	r := newRepo(t, b)
	for n, change := range []bool{true, false, true} {
		if change {
			write(t, "a", "changed "+time.Duration(n).String())
		}
		opt := options(n)
		opt.SkipIfUnchanged = true
		before := len(names(t, b, "snapshots"))
		results, err := runner.Backup(t.Context(), files.New([]string{"root"}, files.Options{}), []*repo.Repo{r}, opt)
		if err != nil || results[0].Skipped == change {
			t.Fatalf("backup %d: %+v, %v", n, results, err)
		}
		if more := len(names(t, b, "snapshots")) - before; (more == 1) != change {
			t.Errorf("backup %d made %d snapshots", n, more)
		}
	}
}

func TestADryRunSavesNothing(t *testing.T) {
	plant(t, "a=1")
	b := mem.New()
	opt := options(0)
	opt.DryRun = true
	s := backup(t, opt, newRepo(t, b))
	if got := names(t, b, "data", "index", "snapshots", "locks"); len(got) > 0 || s.Summary.FilesNew != 1 || !s.ID.IsNull() {
		t.Errorf("there are %q, the snapshot would be %+v", got, s)
	}
}

func TestALockedRepositoryDropsOutAndTheOthersFinish(t *testing.T) {
	plant(t, "a=1")
	bs := []*mem.Backend{mem.New(), mem.New()}
	rs := []*repo.Repo{newRepo(t, bs[0]), newRepo(t, bs[1])}
	_, unlock, err := rs[0].Lock(t.Context(), repo.Exclusive, repo.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	results, err := runner.Backup(t.Context(), files.New([]string{"root"}, files.Options{}), rs, options(0))
	if err != nil || !errors.Is(results[0].Err, repo.ErrLocked) || results[0].Snapshot != nil || results[1].Err != nil || results[1].Snapshot.ID.IsNull() {
		t.Errorf("Backup = %+v, %v", results, err)
	}
	if got := names(t, bs[1], "locks"); len(got) > 0 {
		t.Errorf("there are still %q", got)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, bs[0], "data", "snapshots", "locks"); len(got) > 0 {
		t.Errorf("in the locked one there are %q", got)
	}
}

func TestARepositoryThatFailsDropsOutAndTheOthersFinish(t *testing.T) {
	for n := 1; n <= 5; n++ { // lock, two packs, index, snapshot
		plant(t, "a=1", "b=2")
		full := storagetest.NewFaulty(mem.New(), storagetest.Faults{At: []storagetest.At{{N: 2 + n, Op: storagetest.Save, Fault: storagetest.NoSpace}}})
		rs := []*repo.Repo{newRepo(t, full), newRepo(t, mem.New())}
		results, err := runner.Backup(t.Context(), files.New([]string{"root"}, files.Options{}), rs, options(0))
		if err != nil || !errors.Is(results[0].Err, storage.ErrPermanent) || results[0].Snapshot != nil || results[1].Err != nil {
			t.Errorf("save %d fails: Backup = %+v, %v", n, results, err)
		}
		if got := names(t, full, "snapshots", "locks"); len(got) > 0 {
			t.Errorf("save %d fails: there are %q", n, got)
		}
	}
}

func TestWhenAllDropOutThatIsAnError(t *testing.T) {
	plant(t, "a=1")
	r := newRepo(t, mem.New())
	_, unlock, err := r.Lock(t.Context(), repo.Exclusive, repo.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if results, err := runner.Backup(t.Context(), files.New([]string{"root"}, files.Options{}), []*repo.Repo{r}, options(0)); !errors.Is(err, repo.ErrLocked) {
		t.Errorf("Backup = %+v, %v", results, err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}

func TestASourceThatIsNotGoodMakesNoSnapshot(t *testing.T) {
	bad := errors.New("the dump failed")
	for name, o := range map[string]odd{"open": {opening: bad}, "close": {closing: bad}} {
		plant(t, "a=1")
		b := mem.New()
		o.Source = files.New([]string{"root"}, files.Options{})
		results, err := runner.Backup(t.Context(), o, []*repo.Repo{newRepo(t, b)}, options(0))
		if !errors.Is(err, bad) || !errors.Is(results[0].Err, bad) || results[0].Snapshot != nil {
			t.Errorf("%s fails: Backup = %+v, %v", name, results, err)
		}
		if got := names(t, b, "snapshots", "locks"); len(got) > 0 {
			t.Errorf("%s fails: there are %q", name, got)
		}
	}
}

func TestACancelledBackupMakesNoSnapshotAndGivesTheLockBack(t *testing.T) {
	plant(t, "a=1")
	b := mem.New()
	why := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	o := odd{Source: files.New([]string{"root"}, files.Options{}), entries: func(context.Context) { cancel(why) }}
	results, err := runner.Backup(ctx, o, []*repo.Repo{newRepo(t, b)}, options(0))
	if !errors.Is(err, why) || results[0].Snapshot != nil {
		t.Errorf("Backup = %+v, %v", results, err)
	}
	if got := names(t, b, "snapshots", "locks"); len(got) > 0 {
		t.Errorf("there are %q", got)
	}
}

func TestUnreadableFilesAreCountedAndTheSnapshotIsKept(t *testing.T) {
	plant(t, "a=1", "b=2")
	r := newRepo(t, mem.New())
	var lost []string
	opt := options(0)
	opt.Progress = func(e progress.Event) {
		if e.Kind == progress.Failed {
			lost = append(lost, e.Item)
		}
	}
	src := files.New([]string{"root", "missing"}, files.Options{})
	results, err := runner.Backup(t.Context(), src, []*repo.Repo{r}, opt)
	if err != nil || results[0].Counts.Lost != 1 || results[0].Snapshot.ID.IsNull() || len(lost) != 1 || lost[0] != "missing" {
		t.Errorf("Backup = %+v, %v, lost %q", results, err, lost)
	}
}

func TestAnUnreadableSnapshotIsPassedOverWithANotice(t *testing.T) {
	plant(t, "a=1")
	b := mem.New()
	r := newRepo(t, b)
	first := backup(t, options(0), r)
	broken := crypto.Hash([]byte("broken"))
	if err := b.Save(t.Context(), repo.Snapshots.Name(broken), storage.Bytes([]byte("broken"))); err != nil {
		t.Fatal(err)
	}
	var notices []string
	opt := options(1)
	opt.Progress = func(e progress.Event) {
		if e.Kind == progress.Notice {
			notices = append(notices, e.Item)
		}
	}
	if s := backup(t, opt, r); s.Parent != first.ID || len(notices) != 1 || notices[0] != repo.Snapshots.Name(broken) {
		t.Errorf("the parent is %s, notices %q", s.Parent.Short(), notices)
	}
}

func TestHowMuchThereIsToReadIsTold(t *testing.T) {
	plant(t, "a=123", "b/c=4")
	r := newRepo(t, mem.New())
	for n := range 2 { // by a walk, then from the snapshot before
		totals := make(chan progress.Event, 10)
		opt := options(n)
		opt.Estimate = n == 0
		opt.Progress = func(e progress.Event) {
			if e.Kind == progress.Total {
				totals <- e
			}
		}
		src := odd{Source: files.New([]string{"root"}, files.Options{}), entries: func(context.Context) { time.Sleep(10 * time.Millisecond) }}
		if _, err := runner.Backup(t.Context(), src, []*repo.Repo{r}, opt); err != nil {
			t.Fatal(err)
		}
		select {
		case e := <-totals:
			if e.Files != 2 || e.Bytes != 4 {
				t.Errorf("backup %d: the total is %+v", n, e)
			}
		default:
			if n > 0 { // the walk may have been overtaken
				t.Errorf("backup %d: no total", n)
			}
		}
	}
}

func TestAFileThatIsOneHoleTakesNoTime(t *testing.T) {
	plant(t, "a=1")
	if err := os.Truncate("root/a", 100<<30); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s := backup(t, options(0), newRepo(t, mem.New()))
	if took := time.Since(began); s.Summary.TotalBytesProcessed != 100<<30 || took > 10*time.Second {
		t.Errorf("%d bytes took %v", s.Summary.TotalBytesProcessed, took)
	}
}
