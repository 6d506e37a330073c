package repo

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
)

func TestALockThatIsRefreshedWhileItIsLookedAtStillBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		below := mem.New()
		other := openFast(t, below, Options{})
		_, unlock := lock(t, other, Shared)
		b := hook(below)
		listed := true
		b.before(func(_ context.Context, op storagetest.Op, _ string) error {
			if op == storagetest.Stat && listed { // the first time in each of the two looks
				listed = false
				time.Sleep(lockRefresh + lockTick)
			}
			listed = listed || op == storagetest.Save
			return nil
		})
		_, _, err := openFast(t, b, Options{}).Lock(t.Context(), Exclusive, LockOptions{})
		if !errors.Is(err, ErrLocked) {
			t.Errorf("an exclusive lock beside a living one: %v, want ErrLocked", err)
		}
		unlock()
	})
}

func TestASaveThatArrivesAfterTheLockWasRemovedIsTakenBack(t *testing.T) {
	for _, kind := range []FileType{Index, Snapshots} {
		synctest.Test(t, func(t *testing.T) {
			clk := new(suspending)
			b := hook(mem.New())
			r := openFast(t, b, Options{Clock: clk})
			ctx, unlock := lock(t, r, Shared)
			b.before(func(_ context.Context, op storagetest.Op, _ string) error {
				if op == storagetest.Save { // on its way
					b.before(nil)
					clk.suspend(31 * time.Minute)
					if _, err := openFast(t, b, Options{Clock: clk}).Unlock(t.Context(), false); err != nil {
						return err
					}
				}
				return nil
			})
			_, err := r.SaveFile(ctx, kind, []byte("{}"))
			if left := names(t, b, kind); !errors.Is(err, ErrLockLost) || left != nil {
				t.Errorf("a late save in %s = %v and leaves %q, want ErrLockLost and nothing", kind, err, left)
			}
			unlock()
		})
	}
}
