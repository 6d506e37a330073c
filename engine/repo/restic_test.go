package repo

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/local"
)

var cheapKDF = crypto.KDF{N: 1 << 15, R: 8, P: 1}

// restic is the real program, on a repository of ours.
type restic struct{ path, dir, password string }

func (x restic) command(args ...string) *exec.Cmd {
	cmd := exec.Command(x.path, append([]string{"--no-cache", "-r", x.dir}, args...)...)
	cmd.Env = append(os.Environ(), "RESTIC_PASSWORD="+x.password, "RESTIC_PROGRESS_FPS=0")
	return cmd
}

func (x restic) run(args ...string) (string, error) {
	out, err := x.command(args...).CombinedOutput()
	return string(out), err
}

func (x restic) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := x.run(args...)
	if err != nil {
		t.Fatalf("restic %v: %v\n%s", args, err, out)
	}
	return out
}

// withRestic makes a repository in a folder, and skips where there is no restic.
func withRestic(t *testing.T) (restic, *Repo, storage.Backend) {
	t.Helper()
	path, err := exec.LookPath("restic")
	if err != nil {
		t.Skip("SKIPPED: there is no restic to test the format against")
	}
	x := restic{path, t.TempDir(), "pässword with spaces"}
	b := local.New(local.OS{}, x.dir, local.Options{})
	r, err := Init(t.Context(), b, x.password, Options{}, InitOptions{KDF: cheapKDF})
	if err != nil {
		t.Fatal(err)
	}
	return x, r, b
}

func TestResticReadsOurConfigAndOurLocks(t *testing.T) {
	x, r, _ := withRestic(t)
	var config RepoConfig
	if err := json.Unmarshal([]byte(x.must(t, "cat", "config")), &config); err != nil || config != r.Config() {
		t.Errorf("restic cat config = %v, %v, want %v", config, err, r.Config())
	}
	_, unlock := lock(t, r, Shared)
	defer unlock()
	listed := x.must(t, "list", "locks", "--no-lock")
	id, err := r.FindFile(t.Context(), Locks, "")
	if err != nil || strings.TrimSpace(listed) != id.String() {
		t.Fatalf("restic list locks = %q, want %v, %v", listed, id, err)
	}
	var info LockInfo
	if err := json.Unmarshal([]byte(x.must(t, "cat", "lock", id.String(), "--no-lock")), &info); err != nil {
		t.Fatal(err)
	}
	ours, err := r.readLock(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if !info.Time.Equal(ours.Time) || info.PID != os.Getpid() || info.Hostname != r.opt.Hostname || info.Exclusive {
		t.Errorf("restic cat lock = %v, want %v", info, ours)
	}
}

func TestResticAndWeKeepToEachOthersLocks(t *testing.T) {
	x, r, b := withRestic(t)
	_, unlock := lock(t, r, Shared)
	x.must(t, "snapshots")
	if out, err := x.run("check"); err == nil {
		t.Errorf("restic check beside our shared lock succeeded:\n%s", out)
	}
	unlock()
	_, unlock = lock(t, r, Exclusive)
	if out, err := x.run("snapshots"); err == nil {
		t.Errorf("restic snapshots beside our exclusive lock succeeded:\n%s", out)
	}
	unlock()

	for _, c := range []struct {
		args      []string
		exclusive bool
	}{
		{[]string{"check"}, true},
		{[]string{"backup", "--stdin"}, false},
	} {
		leaveLock(t, x, c.args...)
		_, unlockShared, err := r.Lock(t.Context(), Shared, LockOptions{})
		switch {
		case c.exclusive && !errors.Is(err, ErrLocked):
			t.Errorf("Lock(shared) beside restic %v = %v, want ErrLocked", c.args, err)
		case !c.exclusive && err != nil:
			t.Errorf("Lock(shared) beside restic %v = %v", c.args, err)
		}
		if err == nil {
			if err := unlockShared(); err != nil {
				t.Error(err)
			}
		}
		if _, _, err := r.Lock(t.Context(), Exclusive, LockOptions{}); !errors.Is(err, ErrLocked) {
			t.Errorf("Lock(exclusive) beside restic %v = %v, want ErrLocked", c.args, err)
		}
		removed, err := r.Unlock(t.Context(), false)
		if err != nil || len(removed) != 1 || removed[0].Exclusive != c.exclusive {
			t.Errorf("Unlock removed %v, %v, want the lock of the killed restic", removed, err)
		}
		if left := names(t, b, Locks); left != nil {
			t.Errorf("left is %v", left)
		}
	}
}

// leaveLock runs restic until it holds its lock, and kills it.
func leaveLock(t *testing.T, x restic, args ...string) {
	t.Helper()
	cmd := x.command(args...)
	in, err := cmd.StdinPipe() // held open, so that a backup of it goes on
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		found, err := filepath.Glob(filepath.Join(x.dir, "locks", strings.Repeat("?", 64)))
		if err != nil {
			t.Fatal(err)
		}
		if len(found) > 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
	if ctx.Err() != nil {
		t.Fatalf("restic %v takes no lock", args)
	}
}
