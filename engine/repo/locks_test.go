package repo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
)

// lock takes a lock at once and returns how to give it back.
func lock(t testing.TB, r *Repo, mode LockMode) (context.Context, func()) {
	t.Helper()
	ctx, unlock, err := r.Lock(t.Context(), mode, LockOptions{})
	if err != nil {
		t.Fatalf("Lock(%v): %v", mode, err)
	}
	return ctx, func() {
		t.Helper()
		if err := unlock(); err != nil {
			t.Errorf("unlock: %v", err)
		}
	}
}

func TestOnlySharedLocksGoTogether(t *testing.T) {
	for _, c := range []struct {
		first, second LockMode
		together      bool
	}{
		{Shared, Shared, true},
		{Shared, Exclusive, false},
		{Exclusive, Shared, false},
		{Exclusive, Exclusive, false},
	} {
		t.Run(fmt.Sprintf("%v then %v", c.first, c.second), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := mem.New()
				_, unlock := lock(t, openFast(t, b, Options{Hostname: "one"}), c.first)
				second := openFast(t, b, Options{Hostname: "two"})
				_, unlockSecond, err := second.Lock(t.Context(), c.second, LockOptions{})
				if c.together {
					if err != nil {
						t.Fatalf("Lock = %v, want both to hold", err)
					}
					unlockSecond()
				} else if got := (*LockedError)(nil); !errors.Is(err, ErrLocked) || !errors.As(err, &got) || got.Lock.Hostname != "one" {
					t.Errorf("Lock = %v, want ErrLocked by the lock of one", err)
				}
				unlock()
				if left := names(t, b, Locks); left != nil {
					t.Errorf("after all were given back there are %v", left)
				}
				_, unlock = lock(t, second, Exclusive)
				unlock()
			})
		})
	}
}

func TestOfThoseWhoLockAtOnceAtMostOneHoldsExclusively(t *testing.T) {
	for _, apart := range []time.Duration{0, time.Millisecond, 100 * time.Millisecond, 199 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond} {
		t.Run(apart.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := mem.New()
				var holders, got atomic.Int32
				var group sync.WaitGroup
				for i := range 3 {
					r := openFast(t, b, Options{})
					group.Go(func() {
						time.Sleep(time.Duration(i) * apart)
						_, unlock, err := r.Lock(t.Context(), Exclusive, LockOptions{Wait: time.Hour})
						if err != nil {
							t.Errorf("Lock: %v", err)
							return
						}
						if n := holders.Add(1); n > 1 {
							t.Errorf("%d hold an exclusive lock at once", n)
						}
						time.Sleep(10 * time.Minute)
						holders.Add(-1)
						got.Add(1)
						if err := unlock(); err != nil {
							t.Errorf("unlock: %v", err)
						}
					})
				}
				group.Wait()
				if got.Load() != 3 || names(t, b, Locks) != nil {
					t.Errorf("%d of 3 got the lock within an hour, and %v is left", got.Load(), names(t, b, Locks))
				}
			})
		})
	}
}

func TestALockIsWaitedForAsLongAsAskedFor(t *testing.T) {
	for _, c := range []struct{ held, wait, took time.Duration }{
		{time.Hour, 0, 0},
		{time.Hour, 3 * time.Second, 3 * time.Second},
		{time.Hour, 10 * time.Minute, 10 * time.Minute},
		{time.Minute, 10 * time.Minute, 0}, // succeeds
	} {
		t.Run(fmt.Sprintf("%v for one of %v", c.wait, c.held), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := mem.New()
				_, unlock := lock(t, openFast(t, b, Options{}), Exclusive)
				defer unlock()
				go func() { time.Sleep(c.held); unlock() }()
				start := time.Now()
				_, unlockSecond, err := openFast(t, b, Options{}).Lock(t.Context(), Shared, LockOptions{Wait: c.wait})
				took := time.Since(start)
				if c.held < c.wait {
					if err != nil || took < c.held || took > c.held+2*time.Minute {
						t.Fatalf("Lock = %v after %v, want it soon after %v", err, took, c.held)
					}
					unlockSecond()
				} else if !errors.Is(err, ErrLocked) || took != c.took {
					t.Errorf("Lock = %v after %v, want ErrLocked after %v", err, took, c.took)
				}
				synctest.Wait()
				time.Sleep(c.held)
			})
		})
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mem.New()
		_, unlock := lock(t, openFast(t, b, Options{}), Exclusive)
		defer unlock()
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		if _, _, err := openFast(t, b, Options{}).Lock(ctx, Shared, LockOptions{Wait: time.Hour}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Lock = %v, want the end of the context", err)
		}
		if n := len(names(t, b, Locks)); n != 1 {
			t.Errorf("there are %d locks, want the other's only", n)
		}
	})
}

func TestAFailedTryLeavesNoLock(t *testing.T) {
	// Each call of taking a lock is made to fail in turn, before and after it took effect.
	for _, fault := range []storagetest.Fault{storagetest.Refuse, storagetest.LostAnswer} {
		for n := 1; ; n++ {
			inner := mem.New()
			b := storagetest.NewFaulty(inner, storagetest.Faults{At: []storagetest.At{{N: n, Fault: fault}}})
			done := false
			synctest.Test(t, func(t *testing.T) {
				_, unlock, err := openFast(t, b, Options{}).Lock(t.Context(), Exclusive, LockOptions{})
				if err == nil {
					done = true
					if err := unlock(); err != nil && len(b.Trace()) < n {
						t.Errorf("unlock: %v", err)
					}
				}
			})
			if left := names(t, inner, Locks); left != nil && !done {
				t.Errorf("after a failed Lock with %s at call %d there is %v", fault, n, left)
			}
			if done && n > len(b.Trace()) {
				break
			}
		}
	}
}

func TestUnlockRemovesTheLockAfterTheContextHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mem.New()
		ctx, cancel := context.WithCancel(t.Context())
		locked, unlock, err := openFast(t, b, Options{}).Lock(ctx, Shared, LockOptions{})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if locked.Err() == nil {
			t.Error("the context of the lock has not ended with its parent")
		}
		time.Sleep(31 * time.Minute) // the run takes its time to end, and is still protected
		if n := len(names(t, b, Locks)); n != 1 {
			t.Errorf("before unlock there are %d locks, want 1", n)
		}
		for range 2 { // a second call changes nothing
			if err := unlock(); err != nil {
				t.Errorf("unlock = %v", err)
			}
		}
		if left := names(t, b, Locks); left != nil {
			t.Errorf("after unlock there is %v", left)
		}
	})
}

func TestNothingIsChangedWithoutTheLockItTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mem.New()
		r := openFast(t, b, Options{})
		other := openFast(t, mem.New(), Options{})
		shared, unlock := lock(t, r, Shared)
		id, err := r.SaveFile(shared, Snapshots, []byte(`{}`))
		if err != nil {
			t.Fatalf("SaveFile with a shared lock: %v", err)
		}
		for name, ctx := range map[string]context.Context{"no lock": t.Context(), "a lock on another repository": locked(t, other, Exclusive)} {
			if _, err := r.SaveFile(ctx, Snapshots, []byte(`{}`)); !errors.Is(err, ErrNotLocked) {
				t.Errorf("SaveFile with %s = %v, want ErrNotLocked", name, err)
			}
			if _, err := r.AddKey(ctx, "p", KeyOptions{}); !errors.Is(err, ErrNotLocked) {
				t.Errorf("AddKey with %s = %v, want ErrNotLocked", name, err)
			}
		}
		if err := r.RemoveFile(shared, Snapshots, id); !errors.Is(err, ErrNotLocked) {
			t.Errorf("RemoveFile with a shared lock = %v, want ErrNotLocked", err)
		}
		if _, err := r.ChangePassword(shared, "p"); !errors.Is(err, ErrNotLocked) {
			t.Errorf("ChangePassword with a shared lock = %v, want ErrNotLocked", err)
		}
		unlock()
		if _, err := r.SaveFile(context.WithoutCancel(shared), Snapshots, []byte(`{}`)); !errors.Is(err, ErrNotLocked) {
			t.Errorf("SaveFile after unlock = %v, want ErrNotLocked", err)
		}
		if err := r.RemoveFile(locked(t, r, Exclusive), Snapshots, id); err != nil {
			t.Errorf("RemoveFile with an exclusive lock = %v", err)
		}
	})
}

func TestSeveralRepositoriesAreLockedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stores := []*hooked{hook(mem.New()), hook(mem.New()), hook(mem.New())}
		var rs []*Repo
		for _, b := range stores {
			rs = append(rs, openFast(t, b, Options{}))
		}
		_, unlockOther := lock(t, openFast(t, stores[1], Options{}), Exclusive)
		defer unlockOther()
		ctx, unlock, errs := LockAll(t.Context(), rs, Shared, LockOptions{})
		if errs[0] != nil || !errors.Is(errs[1], ErrLocked) || errs[2] != nil {
			t.Fatalf("LockAll = %v, want the second only to be locked", errs)
		}
		save := func(i int) error {
			_, err := rs[i].SaveFile(ctx, Snapshots, []byte(`{}`))
			return err
		}
		if save(0) != nil || !errors.Is(save(1), ErrNotLocked) || save(2) != nil {
			t.Errorf("SaveFile = %v, %v, %v, want the second only to be refused", save(0), save(1), save(2))
		}
		down := func(context.Context, storagetest.Op, string) error { return storagetest.ErrInjected }
		stores[0].before(down)
		time.Sleep(time.Hour)
		if !errors.Is(save(0), ErrLockLost) || ctx.Err() != nil || save(2) != nil {
			t.Errorf("after one lock was lost: SaveFile = %v, the context ends with %v; want ErrLockLost, and the other to go on", save(0), context.Cause(ctx))
		}
		stores[2].before(down)
		time.Sleep(time.Hour)
		if !errors.Is(context.Cause(ctx), ErrLockLost) {
			t.Errorf("after the last lock was lost the context ends with %v, want ErrLockLost", context.Cause(ctx))
		}
		for _, b := range stores {
			b.before(nil)
		}
		if err := unlock(); err != nil {
			t.Errorf("unlock: %v", err)
		}
		for i, want := range []int{0, 1, 0} {
			if n := len(names(t, stores[i], Locks)); n != want {
				t.Errorf("repository %d has %d locks after unlock, want %d", i, n, want)
			}
		}
		if ctx, _, errs := LockAll(t.Context(), rs[1:2], Shared, LockOptions{}); !errors.Is(errs[0], ErrLocked) || !errors.Is(context.Cause(ctx), ErrLocked) {
			t.Errorf("LockAll that gets none = %v, and a context that ends with %v, want ErrLocked", errs, context.Cause(ctx))
		}
	})
}

// Where each request takes a second, three repositories are locked and unlocked in the time of one.
func TestSeveralRepositoriesAreLockedAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(context.Context, storagetest.Op, string) error { time.Sleep(time.Second); return nil }
		took := func(n int) time.Duration {
			var rs []*Repo
			for range n {
				b := hook(mem.New())
				rs = append(rs, openFast(t, b, Options{}))
				b.before(slow)
			}
			start := time.Now()
			_, unlock, errs := LockAll(t.Context(), rs, Shared, LockOptions{})
			if err := errors.Join(append(errs, unlock())...); err != nil {
				t.Fatal(err)
			}
			return time.Since(start)
		}
		if one, three := took(1), took(3); one < time.Second || three != one {
			t.Errorf("one repository takes %v, three take %v, want the same", one, three)
		}
	})
}

func TestALockThatCantBeReadStopsAfterFourTries(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, b storage.Backend, name string){
		"damaged": func(t *testing.T, b storage.Backend, name string) { flip(t, b, name, 20) },
		"cut": func(t *testing.T, b storage.Backend, name string) {
			p, _ := storage.LoadAll(t.Context(), b, name)
			replace(t, b, name, p[:len(p)/2])
		},
		"huge": func(t *testing.T, b storage.Backend, name string) { replace(t, b, name, make([]byte, 1<<20)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := mem.New()
				r := openFast(t, b, Options{})
				id := put(t, r, Locks, `{"time":"2026-01-01T00:00:00Z","exclusive":false,"hostname":"h","pid":1}`)
				spoil(t, b, Locks.Name(id))
				start := time.Now()
				_, _, err := r.Lock(t.Context(), Shared, LockOptions{})
				if !errors.Is(err, ErrLocked) || !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), id.Short()) {
					t.Errorf("Lock = %v, want ErrLocked by the damaged lock %s", err, id.Short())
				}
				if took := time.Since(start); took != 35*time.Second {
					t.Errorf("Lock gave up after %v, want four tries in 35 s", took)
				}
				if n := len(names(t, b, Locks)); n != 1 {
					t.Errorf("there are %d locks left, want the damaged one", n)
				}
			})
		})
	}
}

func TestALockInTheMiddleOfBeingWrittenIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mem.New()
		r := openFast(t, b, Options{})
		id := put(t, r, Locks, `{"time":"2026-01-01T00:00:00Z","exclusive":false,"hostname":"h","pid":1}`)
		whole, err := storage.LoadAll(t.Context(), b, Locks.Name(id))
		if err != nil {
			t.Fatal(err)
		}
		replace(t, b, Locks.Name(id), whole[:10])
		go func() { time.Sleep(7 * time.Second); replace(t, b, Locks.Name(id), whole) }()
		_, unlock := lock(t, r, Shared)
		unlock()
	})
}

func TestALockThatIsNotUnderstoodBlocks(t *testing.T) {
	for _, text := range []string{`[]`, `{"time":1}`, `{"time":"2026-01-01T00:00:00Z","pid":"1"}`, `{"time":`, `{"exclusive":true}`, `{}`} {
		t.Run(text, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := openFast(t, mem.New(), Options{})
				id := put(t, r, Locks, text)
				if _, _, err := r.Lock(t.Context(), Exclusive, LockOptions{}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), id.Short()) {
					t.Errorf("Lock = %v, want ErrLocked by %s", err, id.Short())
				}
				if removed, err := r.Unlock(t.Context(), true); err != nil || len(removed) != 1 {
					t.Errorf("Unlock of all = %v, %v", removed, err)
				}
			})
		})
	}
}

func TestWhatIsNoLockDoesNotBlock(t *testing.T) {
	for name, lay := range map[string]func(t *testing.T, b storage.Backend, r *Repo){
		"an empty file": func(t *testing.T, b storage.Backend, r *Repo) {
			replace(t, b, Locks.Name([32]byte{1}), nil)
		},
		"a snapshot": func(t *testing.T, _ storage.Backend, r *Repo) {
			put(t, r, Locks, `{"time":"2026-01-01T00:00:00Z","tree":"00","paths":["/"],"hostname":"h","username":"u"}`)
		},
		"an index":         func(t *testing.T, _ storage.Backend, r *Repo) { put(t, r, Locks, `{"packs":[]}`) },
		"a temporary file": func(t *testing.T, b storage.Backend, r *Repo) { replace(t, b, "locks/tmp-1", []byte("x")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := mem.New()
				r := openFast(t, b, Options{})
				lay(t, b, r)
				start := time.Now()
				_, unlock := lock(t, r, Exclusive)
				unlock()
				if took := time.Since(start); took != lockSettle {
					t.Errorf("Lock took %v, want %v", took, lockSettle)
				}
				if n := len(names(t, b, Locks)); n != 1 {
					t.Errorf("%d files are left in the folder, want the one that is no lock", n)
				}
			})
		})
	}
}
