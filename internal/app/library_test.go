package app_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
)

// shelf is a process that looks at snapshots, and counts how often a storage is opened for it.
type shelf struct {
	*rig
	a     *app.App
	opens atomic.Int64
	locks func(name string) int
}

// steady is a clock whose hands nobody moves by sleeping.
type steady struct{ *wall }

func (steady) Sleep(ctx context.Context, d time.Duration) error { return clock.System.Sleep(ctx, d) }

func newShelf(r *rig) *shelf {
	s := &shelf{rig: r}
	r.wrap = func(b *mem.Backend) storage.Backend { s.opens.Add(1); return b }
	s.a = r.process(steady{r.clock})
	r.t.Cleanup(func() {
		if err := s.a.CloseLibrary(); err != nil {
			r.t.Error(err)
		}
	})
	s.locks = func(name string) (n int) {
		r.mu.Lock()
		b := r.storages["mem:"+name+"/"+name]
		r.mu.Unlock()
		for _, err := range b.List(r.ctx, "locks") {
			if err != nil {
				r.t.Fatal(err)
			}
			n++
		}
		return n
	}
	return s
}

// backup backs up by a plan, and returns the snapshot.
func (s *shelf) backup(plan string) backstay.Snapshot {
	s.t.Helper()
	run := s.start(s.a, plan)
	for s.work(s.a, "a") {
	}
	if run = s.run(s.a, run.ID); run.State != backstay.Succeeded {
		s.t.Fatalf("the backup is %s: %+v", run.State, run.Failure)
	}
	page, _, err := s.a.Snapshots.List(s.ctx, backstay.Server, app.List{Filters: map[string]string{"run": run.ID}})
	if must(s.rig, page, err); len(page) != 1 {
		s.t.Fatalf("the backup made %d snapshots", len(page))
	}
	return page[0]
}

// look looks at a snapshot, and returns how often its storage was opened for it.
func (s *shelf) look(snap backstay.Snapshot) int64 {
	s.t.Helper()
	before := s.opens.Load()
	page, _, err := s.a.BrowseSnapshot(s.ctx, backstay.Server, snap.ID, "/", "", 10)
	if must(s.rig, page, err); len(page) != 1 || page[0].Name != "file" {
		s.t.Fatalf("the snapshot holds %+v", page)
	}
	return s.opens.Load() - before
}

func (s *shelf) tidy() {
	s.t.Helper()
	if err := s.a.TidyLibrary(s.ctx); err != nil {
		s.t.Fatal(err)
	}
}

func TestWhoLooksAgainFindsTheRepositoryOpen(t *testing.T) {
	eachRig(t, func(r *rig) {
		s := newShelf(r)
		p := r.small(s.a, "a", backstay.Plan{})
		first := s.backup(p.ID)
		if n := s.look(first); n != 1 {
			t.Errorf("the first look opens the storage %d times", n)
		}
		if n := s.look(first); n != 0 || s.locks("a") != 1 {
			t.Errorf("the second look opens the storage %d times; there are %d locks, want the one of the first look", n, s.locks("a"))
		}
		r.clock.jump(time.Minute) // so that the file is another one
		second := s.backup(p.ID)
		if n := s.look(second); n != 0 {
			t.Errorf("a look at a snapshot that was made since opens the storage %d times", n)
		}
		if _, err := s.a.DiffSnapshots(r.ctx, backstay.Server, first.ID, second.ID, true, 10); err != nil {
			t.Errorf("DiffSnapshots = %v", err)
		}
		r.clock.jump(10 * time.Minute)
		s.tidy()
		if n := s.look(second); n != 1 {
			t.Errorf("ten minutes later a look opens the storage %d times", n)
		}
	})
}

func TestALockGoesSoonAfterTheLastLook(t *testing.T) {
	eachRig(t, func(r *rig) {
		s := newShelf(r)
		snap := s.backup(r.small(s.a, "a", backstay.Plan{}).ID)
		s.look(snap)
		s.tidy()
		if n := s.locks("a"); n != 1 {
			t.Errorf("right after a look there are %d locks", n)
		}
		r.clock.jump(3 * time.Second)
		s.tidy()
		if n := s.locks("a"); n != 0 {
			t.Errorf("three seconds after a look there are %d locks", n)
		}
		s.look(snap)
		if err := s.a.CloseLibrary(); err != nil || s.locks("a") != 0 {
			t.Errorf("CloseLibrary = %v and leaves %d locks", err, s.locks("a"))
		}
	})
}

func TestWhoDeletesWaitsForNobodyWhoHasLooked(t *testing.T) {
	eachRig(t, func(r *rig) {
		s := newShelf(r)
		snap := s.backup(r.small(s.a, "a", backstay.Plan{}).ID)
		s.look(snap)
		begun := r.clock.Now()
		if err := s.a.DeleteSnapshot(r.ctx, backstay.Server, snap.ID); err != nil {
			t.Errorf("DeleteSnapshot = %v, %v", err, errors.Unwrap(err))
		}
		if took := r.clock.Now().Sub(begun); took > 3*time.Second { // who meets a lock waits longer for it
			t.Errorf("the deletion took %s", took)
		}
	})
}

func TestARepositoryIsOpenedAnewWhereItsStorageHasChanged(t *testing.T) {
	eachRig(t, func(r *rig) {
		s := newShelf(r)
		p := r.small(s.a, "a", backstay.Plan{})
		snap := s.backup(p.ID)
		s.look(snap)
		all, _, err := s.a.Storages.List(r.ctx, backstay.Server, app.List{})
		must(r, all, err)
		if _, err := r.process().Storages.Update(r.ctx, backstay.Server, all[0].ID, 0, []byte(`{"download":"100"}`)); err != nil { // another process does
			t.Fatal(err)
		}
		if n := s.look(snap); n != 1 {
			t.Errorf("the look after the change opens the storage %d times", n)
		}
		s.tidy()
		if n := s.locks("a"); n != 1 {
			t.Errorf("there are %d locks, want that of the last look", n)
		}
	})
}

func TestOnlySomeRepositoriesStayOpen(t *testing.T) {
	eachRig(t, func(r *rig) {
		s := newShelf(r)
		var all []backstay.Snapshot
		for i := range 10 {
			all = append(all, s.backup(r.small(s.a, fmt.Sprint("number", i), backstay.Plan{}).ID))
			s.look(all[i])
			r.clock.jump(time.Second)
		}
		s.tidy()
		if first, last := s.look(all[0]), s.look(all[9]); first != 1 || last != 0 {
			t.Errorf("of ten repositories the first is opened %d times, the last %d times", first, last)
		}
	})
}

func TestManyLookAtOnce(t *testing.T) {
	eachRig(t, func(r *rig) {
		s := newShelf(r)
		snap := s.backup(r.small(s.a, "a", backstay.Plan{}).ID)
		before := s.opens.Load()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				for range 5 {
					if _, _, err := s.a.BrowseSnapshot(r.ctx, backstay.Server, snap.ID, "/", "", 10); err != nil {
						t.Errorf("BrowseSnapshot = %v, %v", err, errors.Unwrap(err))
					}
				}
			})
		}
		for range 20 {
			r.clock.jump(time.Second)
			s.tidy()
		}
		all.Wait()
		if n := s.opens.Load() - before; n != 1 {
			t.Errorf("the storage is opened %d times", n)
		}
		r.clock.jump(time.Minute)
		s.tidy()
		if n := s.locks("a"); n != 0 {
			t.Errorf("in the end there are %d locks", n)
		}
	})
}

func TestWhoWatchesARunIsToldOfEachLineOnce(t *testing.T) {
	eachRig(t, func(r *rig) {
		a, other := r.process(), r.process()
		begun, release := r.hold("a")
		defer release()
		p := r.small(a, "a", backstay.Plan{})
		run := r.start(a, p.ID)
		ended := r.background(other, "other")
		soon(r, begun)
		var watchers sync.WaitGroup
		told := make([]string, 5)
		for i := range told {
			feed, err := a.WatchRun(r.ctx, backstay.Server, run.ID, 0)
			must(r, feed, err)
			watchers.Go(func() {
				defer feed.Close()
				for {
					news, is, err := feed.Next(r.ctx)
					if err != nil {
						t.Errorf("Next = %v", err)
						return
					}
					for _, line := range news.Lines {
						told[i] += fmt.Sprintln(line.Seq, line.Text)
					}
					if is && news.Run.State.Ended() && !news.More {
						return
					}
				}
			})
		}
		release()
		soon(r, ended)
		done := make(chan struct{})
		go func() { watchers.Wait(); close(done) }()
		for open := true; open; {
			select {
			case <-done:
				open = false
			default:
				if err := a.TellNews(r.ctx); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
		lines, err := a.RunLines(r.ctx, backstay.Server, run.ID, 0, 1000)
		must(r, lines, err)
		want := ""
		for _, line := range lines {
			want += fmt.Sprintln(line.Seq, line.Text)
		}
		for i := range told {
			if told[i] != want {
				t.Errorf("watcher %d was told\n%swant\n%s", i, told[i], want)
			}
		}
	})
}
