package repo

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
)

// youngest returns the age of the newest lock, and how many there are.
func youngest(t testing.TB, r *Repo) (age time.Duration, count int) {
	t.Helper()
	age = time.Duration(1<<63 - 1)
	for l, err := range r.ListLocks(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		age = min(age, r.opt.Clock.Now().Sub(l.Time))
		count++
	}
	return age, count
}

func TestALockIsNeverOlderThanItsRefreshFor41Hours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mem.New()
		r := openFast(t, b, Options{})
		ctx, unlock := lock(t, r, Exclusive)
		time.Sleep(lockTick / 2) // not to look while the lock is replaced
		for minute := range 41 * 60 {
			time.Sleep(time.Minute)
			if age, n := youngest(t, r); n != 1 || age > lockRefresh+lockTick {
				t.Fatalf("after %d minutes there are %d locks, the newest of %v", minute+1, n, age)
			}
			if err := r.guard(ctx, Exclusive); err != nil {
				t.Fatalf("after %d minutes the lock is refused: %v", minute+1, err)
			}
		}
		unlock()
		if left := names(t, b, Locks); left != nil {
			t.Errorf("after unlock there is %v", left)
		}
	})
}

func TestALockWhoseRemovalFailedIsRemovedLater(t *testing.T) {
	for _, fault := range []storagetest.Fault{storagetest.Refuse, storagetest.LostAnswer} {
		synctest.Test(t, func(t *testing.T) {
			var at []storagetest.At
			for n := range 5 {
				at = append(at, storagetest.At{N: n + 1, Op: storagetest.Remove, Fault: fault})
			}
			b := storagetest.NewFaulty(mem.New(), storagetest.Faults{At: at})
			r := openFast(t, b, Options{})
			_, unlock := lock(t, r, Shared)
			time.Sleep(time.Hour + lockTick/2) // not while the lock is replaced
			if n := len(names(t, b, Locks)); n != 1 {
				t.Errorf("%s: after removals that failed there are %d locks, want 1", fault, n)
			}
			unlock()
			if left := names(t, b, Locks); left != nil {
				t.Errorf("%s: after unlock there is %v", fault, left)
			}
		})
	}
}

func TestALockThatWasSavedWithoutAnAnswerIsRemovedLater(t *testing.T) {
	for _, fault := range []storagetest.Fault{storagetest.LostAnswer, storagetest.TornWrite} {
		synctest.Test(t, func(t *testing.T) {
			b := storagetest.NewFaulty(mem.New(), storagetest.Faults{At: []storagetest.At{{N: 2, Op: storagetest.Save, Fault: fault}, {N: 3, Op: storagetest.Save, Fault: fault}}})
			r := openFast(t, b, Options{})
			_, unlock := lock(t, r, Shared)
			time.Sleep(lockRefresh + 3*lockTick/2)
			if n := len(names(t, b, Locks)); n != 2 {
				t.Errorf("%s: there are %d locks, want the first and the lost one", fault, n)
			}
			time.Sleep(3 * lockRetry)
			if age, n := youngest(t, r); n != 1 || age > 3*lockRetry {
				t.Errorf("%s: there are %d locks, the newest of %v, want one new one", fault, n, age)
			}
			unlock()
			if left := names(t, b, Locks); left != nil {
				t.Errorf("%s: after unlock there is %v", fault, left)
			}
		})
	}
}

// outage is a storage that takes no changes to locks, at once or by never answering.
func outage(hangs bool) func(context.Context, storagetest.Op, string) error {
	return func(ctx context.Context, op storagetest.Op, name string) error {
		if op != storagetest.Save || name[:5] != "locks" {
			return nil
		}
		if hangs {
			<-ctx.Done()
			return context.Cause(ctx)
		}
		return storagetest.ErrInjected
	}
}

func TestALockThatCantBeRefreshedEndsAllChangesBeforeItIsStale(t *testing.T) {
	for _, hangs := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			inner := mem.New()
			b := hook(inner)
			r := openFast(t, b, Options{})
			ctx, unlock := lock(t, r, Shared)
			start := time.Now()
			b.before(outage(hangs))
			var last time.Duration // of a change that was let through
			for time.Since(start) < 40*time.Minute {
				if _, err := r.SaveFile(ctx, Snapshots, []byte(`{}`)); err == nil {
					last = time.Since(start)
				} else if !errors.Is(err, ErrLockLost) {
					t.Fatalf("hangs %v: SaveFile after %v = %v, want ErrLockLost", hangs, time.Since(start), err)
				}
				time.Sleep(10*time.Second + time.Millisecond)
			}
			if last < 22*time.Minute || last > lockExpired {
				t.Errorf("hangs %v: the last change was let through after %v, want one just before %v", hangs, last, lockExpired)
			}
			if !errors.Is(context.Cause(ctx), ErrLockLost) {
				t.Errorf("hangs %v: the context ends with %v, want ErrLockLost", hangs, context.Cause(ctx))
			}
			b.before(nil)
			unlock()
			if left := names(t, inner, Locks); left != nil {
				t.Errorf("hangs %v: after unlock there is %v", hangs, left)
			}
		})
	}
}

func TestAChangeUnderWayIsCutOffBeforeTheLockIsStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := hook(mem.New())
		r := openFast(t, b, Options{})
		ctx, unlock := lock(t, r, Shared)
		defer unlock()
		defer b.before(nil)
		start := time.Now()
		b.before(func(ctx context.Context, op storagetest.Op, _ string) error {
			if op == storagetest.List {
				return nil
			}
			<-ctx.Done()
			return context.Cause(ctx)
		})
		_, err := r.SaveFile(ctx, Snapshots, []byte(`{}`))
		if took := time.Since(start); !errors.Is(err, ErrLockLost) || took < lockExpired || took > lockExpired+lockRevive+lockTick {
			t.Errorf("SaveFile on a storage that hangs = %v after %v, want ErrLockLost between %v and %v", err, took, lockExpired, lockExpired+lockRevive+lockTick)
		}
	})
}

func TestAStorageThatIsAwayForTwentyMinutesLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := hook(mem.New())
		r := openFast(t, b, Options{})
		ctx, unlock := lock(t, r, Shared)
		time.Sleep(2 * time.Minute)
		b.before(func(context.Context, storagetest.Op, string) error { return storagetest.ErrInjected })
		time.Sleep(20 * time.Minute)
		b.before(nil)
		time.Sleep(time.Minute)
		if age, n := youngest(t, r); n != 1 || age > time.Minute {
			t.Errorf("there are %d locks, the newest of %v, want one new one", n, age)
		}
		if err := r.guard(ctx, Shared); err != nil {
			t.Errorf("the lock is refused: %v", err)
		}
		unlock()
	})
}

func TestASuspendedMachineGoesOnIfItsLockIsStillThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clk := new(suspending)
		b := storagetest.NewFaulty(mem.New(), storagetest.Faults{})
		r := openFast(t, b, Options{Clock: clk})
		ctx, unlock := lock(t, r, Shared)
		time.Sleep(90*time.Second + 500*time.Millisecond)
		clk.suspend(31 * time.Minute)
		before := len(b.Trace())
		if _, err := r.SaveFile(ctx, Snapshots, []byte(`{}`)); err != nil {
			t.Errorf("SaveFile after the machine woke: %v", err)
		}
		// Before the change come: a look, a new lock, a look, and the removal of the old one.
		var ops []storagetest.Op
		for _, c := range b.Trace()[before:] {
			ops = append(ops, c.Op)
		}
		want := []storagetest.Op{storagetest.Stat, storagetest.Save, storagetest.Stat, storagetest.Remove, storagetest.Save}
		if len(ops) != len(want) {
			t.Fatalf("the calls are %v, want %v", ops, want)
		}
		for i := range want {
			if ops[i] != want[i] {
				t.Fatalf("the calls are %v, want %v", ops, want)
			}
		}
		if age, n := youngest(t, r); n != 1 || age > time.Second {
			t.Errorf("there are %d locks, the newest of %v, want one new one", n, age)
		}
		time.Sleep(time.Hour)
		if ctx.Err() != nil {
			t.Errorf("the context ended with %v", context.Cause(ctx))
		}
		unlock()
		if left := names(t, b, Locks); left != nil {
			t.Errorf("after unlock there is %v", left)
		}
	})
}

func TestASuspendedMachineWritesNothingIfItsLockWasRemoved(t *testing.T) {
	for _, when := range []time.Duration{0, lockSettle / 2} { // before it woke, or while it looks
		synctest.Test(t, func(t *testing.T) {
			clk := new(suspending)
			b := storagetest.NewFaulty(mem.New(), storagetest.Faults{})
			r := openFast(t, b, Options{Clock: clk})
			ctx, unlock := lock(t, r, Shared)
			time.Sleep(90*time.Second + 500*time.Millisecond)
			clk.suspend(31 * time.Minute)
			old := names(t, b, Locks)[0]
			remove := func() {
				time.Sleep(when)
				if err := b.Remove(context.Background(), old); err != nil {
					t.Error(err)
				}
			}
			if when == 0 {
				remove()
			} else {
				go remove()
			}
			if _, err := r.SaveFile(ctx, Snapshots, []byte(`{}`)); !errors.Is(err, ErrLockLost) || !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("SaveFile = %v, want ErrLockLost", err)
			}
			time.Sleep(2 * time.Second)
			if !errors.Is(context.Cause(ctx), ErrLockLost) {
				t.Errorf("the context ends with %v, want ErrLockLost", context.Cause(ctx))
			}
			for _, c := range b.Trace() {
				if c.Op == storagetest.Save && c.Name[:5] != "locks" {
					t.Errorf("there was %v", c)
				}
			}
			unlock()
			if left := names(t, b, Locks); left != nil {
				t.Errorf("after unlock there is %v", left)
			}
		})
	}
}

func TestASuspendedMachineIsNoticedWithoutAnyChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clk := new(suspending)
		b := mem.New()
		r := openFast(t, b, Options{Clock: clk})
		ctx, unlock := lock(t, r, Shared)
		defer unlock()
		clk.suspend(31 * time.Minute)
		if err := b.Remove(t.Context(), names(t, b, Locks)[0]); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * lockTick)
		if !errors.Is(context.Cause(ctx), ErrLockLost) {
			t.Errorf("two ticks after the machine woke the context has ended with %v, want ErrLockLost", context.Cause(ctx))
		}
	})
}

func TestUnlockWhileTheLockIsBroughtBackLeavesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clk := new(suspending)
		b := mem.New()
		r := openFast(t, b, Options{Clock: clk})
		ctx, unlock := lock(t, r, Shared)
		time.Sleep(500 * time.Millisecond)
		clk.suspend(31 * time.Minute)
		saved := make(chan error)
		go func() {
			_, err := r.SaveFile(context.WithoutCancel(ctx), Snapshots, []byte(`{}`))
			saved <- err
		}()
		time.Sleep(lockSettle / 2)
		if n := len(names(t, b, Locks)); n != 2 {
			t.Fatalf("half way there are %d locks, want the old and the new", n)
		}
		unlock()
		if err := <-saved; !errors.Is(err, ErrNotLocked) {
			t.Errorf("SaveFile = %v, want ErrNotLocked", err)
		}
		if left := names(t, b, Locks); left != nil {
			t.Errorf("after unlock there is %v", left)
		}
	})
}

func TestAClockThatIsSetBackDoesNotStopTheRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clk := new(suspending)
		b := mem.New()
		r := openFast(t, b, Options{Clock: clk})
		_, unlock := lock(t, r, Shared)
		defer unlock()
		first := names(t, b, Locks)[0]
		time.Sleep(time.Minute)
		clk.suspend(-24 * time.Hour)
		time.Sleep(2 * lockTick)
		if now := names(t, b, Locks); len(now) != 1 || now[0] == first {
			t.Errorf("the locks are %v, want a new one", now)
		}
		if age, _ := youngest(t, r); age < 0 || age > 2*lockTick {
			t.Errorf("the lock is %v old by the clock that was set back", age)
		}
	})
}
