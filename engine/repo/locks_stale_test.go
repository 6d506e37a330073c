package repo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
)

// deadPID returns the number of a process that has ended.
func deadPID(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

func TestALockIsStaleByItsAgeOrItsDeadProcess(t *testing.T) {
	now := time.Now()
	r := openFast(t, mem.New(), Options{Hostname: "here"})
	dead := deadPID(t)
	for name, c := range map[string]struct {
		lock LockInfo
		want bool
	}{
		"young, of a living process":    {LockInfo{Time: now, Hostname: "here", PID: os.Getpid()}, false},
		"young, of a dead process":      {LockInfo{Time: now, Hostname: "here", PID: dead}, true},
		"young, of another host":        {LockInfo{Time: now, Hostname: "there", PID: dead}, false},
		"29 minutes old":                {LockInfo{Time: now.Add(-29 * time.Minute), Hostname: "there", PID: 1}, false},
		"31 minutes old":                {LockInfo{Time: now.Add(-31 * time.Minute), Hostname: "there", PID: 1}, true},
		"old, of a living process":      {LockInfo{Time: now.Add(-31 * time.Minute), Hostname: "here", PID: os.Getpid()}, true},
		"of the future":                 {LockInfo{Time: now.Add(40 * time.Minute), Hostname: "there", PID: 1}, false},
		"of the future and dead":        {LockInfo{Time: now.Add(40 * time.Minute), Hostname: "here", PID: dead}, true},
		"one that could not be read":    {LockInfo{ID: crypto.Hash(nil)}, false},
		"of a process without a number": {LockInfo{Time: now, Hostname: "here"}, false},
	} {
		if got := r.Stale(c.lock); got != c.want {
			t.Errorf("Stale of a lock %s = %v, want %v", name, got, c.want)
		}
	}
}

func TestUnlockRemovesStaleLocksOrAll(t *testing.T) {
	for _, all := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := mem.New()
			r := openFast(t, b, Options{Hostname: "here"})
			at := func(ago time.Duration) string {
				return fmt.Sprintf(`{"time":%q,"exclusive":true,"hostname":"there","username":"u","pid":1}`, time.Now().Add(-ago).Format(time.RFC3339Nano))
			}
			old, young, future := put(t, r, Locks, at(time.Hour)), put(t, r, Locks, at(time.Minute)), put(t, r, Locks, at(-40*time.Minute))
			damaged, other := put(t, r, Locks, at(time.Hour)), put(t, r, Locks, `{"packs":[]}`)
			flip(t, b, Locks.Name(damaged), 40)
			start := time.Now()
			removed, err := r.Unlock(t.Context(), all)
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > 0 {
				t.Errorf("Unlock waited %v for the damaged lock", took)
			}
			var got []crypto.ID
			for _, l := range removed {
				got = append(got, l.ID)
			}
			want := []crypto.ID{old}
			if all {
				want = append(want, young, future, damaged, other)
			}
			byID := func(a, b crypto.ID) int { return slices.Compare(a[:], b[:]) }
			slices.SortFunc(got, byID)
			slices.SortFunc(want, byID)
			if !slices.Equal(got, want) {
				t.Errorf("Unlock(all %v) removed %v, want %v", all, got, want)
			}
			if n := len(names(t, b, Locks)); n != 5-len(want) {
				t.Errorf("Unlock(all %v) left %d locks, want %d", all, n, 5-len(want))
			}
		})
	}
}

func TestAStaleLockStillBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mem.New()
		r := openFast(t, b, Options{Hostname: "here", LockDir: t.TempDir()})
		for _, host := range []string{"here", "there"} {
			id := put(t, r, Locks, fmt.Sprintf(`{"time":"1999-01-01T00:00:00Z","exclusive":true,"hostname":%q,"pid":%d}`, host, deadPID(t)))
			if _, _, err := r.Lock(t.Context(), Shared, LockOptions{}); !errors.Is(err, ErrLocked) {
				t.Errorf("Lock beside an old lock of %s = %v, want ErrLocked", host, err)
			}
			if n := len(names(t, b, Locks)); n != 1 {
				t.Fatalf("there are %d locks, want the old one", n)
			}
			if err := b.Remove(t.Context(), Locks.Name(id)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

const (
	childRepo  = "BACKSTAY_TEST_REPO"
	childLocks = "BACKSTAY_TEST_LOCKS"
	childMode  = "BACKSTAY_TEST_MODE"
)

// TestChildHoldsALock is run in a process of its own by the tests below, to be killed.
func TestChildHoldsALock(t *testing.T) {
	if os.Getenv(childRepo) == "" {
		return // here it is not the child of another test
	}
	mode, err := strconv.Atoi(os.Getenv(childMode))
	if err != nil {
		t.Fatal(err)
	}
	r := openFast(t, local.New(local.OS{}, os.Getenv(childRepo), local.Options{}), Options{LockDir: os.Getenv(childLocks)})
	lock(t, r, LockMode(mode))
	fmt.Println("locked")
	time.Sleep(time.Minute)
}

// killed leaves the lock of a process that was killed.
func killed(t *testing.T, b storage.Backend, dir, locks string, mode LockMode) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestChildHoldsALock$")
	cmd.Env = append(os.Environ(), childRepo+"="+dir, childLocks+"="+locks, childMode+"="+strconv.Itoa(int(mode)))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "locked\n" {
		t.Errorf("the child says %q, %v", line, err)
	}
	r := openFast(t, b, Options{LockDir: locks})
	if _, _, err := r.Lock(t.Context(), Exclusive, LockOptions{}); !errors.Is(err, ErrLocked) {
		t.Errorf("Lock beside a living process = %v, want ErrLocked", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
}

func TestTheLockOfAKilledProcessIsRemovedAndTold(t *testing.T) {
	for _, left := range []LockMode{Shared, Exclusive} {
		dir, locks := t.TempDir(), t.TempDir()
		b := local.New(local.OS{}, dir, local.Options{})
		killed(t, b, dir, locks, left)
		name := names(t, b, Locks)[0]

		elsewhere := openFast(t, b, Options{LockDir: t.TempDir()})
		if _, _, err := elsewhere.Lock(t.Context(), Exclusive, LockOptions{}); !errors.Is(err, ErrLocked) {
			t.Errorf("Lock on another machine = %v, want ErrLocked", err)
		}
		var told []progress.Event
		r := openFast(t, b, Options{LockDir: locks, Progress: func(e progress.Event) { told = append(told, e) }})
		_, unlock := lock(t, r, Shared)
		unlock()
		if len(told) != 1 || told[0].Kind != progress.Notice || told[0].Item != name {
			t.Errorf("told was %v, want a notice of %s", told, name)
		}
		if rest := names(t, b, Locks); rest != nil {
			t.Errorf("left in the storage is %v", rest)
		}
		if rest, err := os.ReadDir(locks); err != nil || len(rest) != 0 {
			t.Errorf("left in the local folder is %v, %v", rest, err)
		}
	}
}

func TestALockThatCouldNotBeRemovedIsFoundDead(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		inner := mem.New()
		b := hook(inner)
		r := openFast(t, b, Options{LockDir: dir})
		_, unlock, err := r.Lock(t.Context(), Exclusive, LockOptions{})
		if err != nil {
			t.Fatal(err)
		}
		b.before(outageOfRemovals)
		if err := unlock(); err == nil {
			t.Error("unlock on a storage that removes nothing = nil error")
		}
		b.before(nil)
		_, release := lock(t, openFast(t, b, Options{LockDir: dir}), Exclusive)
		release()
		if left := names(t, inner, Locks); left != nil {
			t.Errorf("left is %v", left)
		}
	})
}

func outageOfRemovals(_ context.Context, op storagetest.Op, _ string) error {
	if op == storagetest.Remove {
		return storagetest.ErrInjected
	}
	return nil
}

func TestAFolderForLocksThatCantBeMadeIsNoObstacle(t *testing.T) {
	var notices []string
	r := openFast(t, mem.New(), Options{LockDir: "/dev/null/locks", Progress: func(e progress.Event) { notices = append(notices, e.Text) }})
	_, unlock, err := r.Lock(t.Context(), Shared, LockOptions{})
	if err != nil {
		t.Fatalf("Lock = %v", err)
	}
	if err := unlock(); err != nil {
		t.Errorf("unlock = %v", err)
	}
	if len(notices) != 1 || !strings.Contains(notices[0], "removed by hand") {
		t.Errorf("notices %q, want one about the lock", notices)
	}
}
