package rest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/rest"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/servers"
)

// rclone returns the settings by which a folder of this machine is a remote, without a configuration of the user's.
func rclone(t *testing.T) settings.Values {
	t.Helper()
	if _, err := exec.LookPath("rclone"); err != nil {
		t.Skip("no rclone on this machine: apt-get install rclone")
	}
	return settings.Values{"program": "rclone --config '" + filepath.Join(t.TempDir(), "no such file") + "'"}
}

func TestRcloneKeepsThePromises(t *testing.T) {
	beside := rclone(t)
	storagetest.Run(t, func(t *testing.T) storage.Backend {
		dir := t.TempDir()
		for _, kind := range []string{"data", "keys", "locks", "snapshots", "index"} {
			if err := os.Mkdir(filepath.Join(dir, kind), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		return of(t, rest.Rclone, dir, beside)
	}, rest.Rclone.Lacks...)
}

func TestTheRESTServerOfRcloneIsUnderstood(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Backend {
		return at(t, servers.StartRcloneREST(t).Location, nil)
	}, rest.Rclone.Lacks...) // as they are those of rclone
	s := servers.StartRcloneREST(t, "--append-only", "--user", "user", "--pass", "right horse")
	b := at(t, s.Location, settings.Values{"user": "user", "password": "right horse"})
	save(t, b, packName, []byte("x"))
	if err := b.Remove(t.Context(), packName); !errors.Is(err, storage.ErrPermanent) || !strings.Contains(err.Error(), "append-only") {
		t.Errorf("Remove = %v, want ErrPermanent that says append-only", err)
	}
	if err := b.Save(t.Context(), packName, storage.Bytes([]byte("y"))); !errors.Is(err, storage.ErrExists) {
		t.Errorf("Save of a name that is taken = %v, want ErrExists", err)
	}
	if _, err := at(t, s.Location, nil).Stat(t.Context(), "config"); !errors.Is(err, storage.ErrPermanent) {
		t.Errorf("Stat without a password = %v, want ErrPermanent", err)
	}
}

func TestRcloneServesBothProgramsOneRepository(t *testing.T) {
	beside := rclone(t)
	dir := filepath.Join(t.TempDir(), "repo")
	b := of(t, rest.Rclone, dir, beside)
	if _, err := repo.Init(t.Context(), b, password, repo.Options{}, repo.InitOptions{}); err != nil {
		t.Fatal(err)
	}
	r := resticbin.Repo{Bin: resticbin.Newest(t), Dir: "rclone:" + dir, Password: password, Env: []string{"RCLONE_CONFIG=" + t.TempDir() + "/none"}}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, bytes.Repeat([]byte("content "), 300_000), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, r, "backup", file)
	if err := r.Check(t.Context()); err != nil {
		t.Error(err)
	}
	readsItsRepository(t, b)
}

func TestARcloneThatCannotWorkSaysWhy(t *testing.T) {
	beside := rclone(t)
	_, err := of(t, rest.Rclone, "noSuchRemote:path", beside).Stat(t.Context(), "config")
	if !errors.Is(err, storage.ErrPermanent) || !strings.Contains(err.Error(), "didn't find section in config file") {
		t.Errorf("Stat with a remote that isn't configured = %v, want ErrPermanent with what rclone says", err)
	}
	_, err = of(t, rest.Rclone, ":sftp,host=127.0.0.1,port=1,pass=secret:path", beside).Stat(t.Context(), "config")
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("Stat with a remote in which a password stands = %v, want an error that doesn't show it", err)
	}
	_, err = of(t, rest.Rclone, "remote:", settings.Values{"program": "/none/rclone"}).Stat(t.Context(), "config")
	if !errors.Is(err, storage.ErrPermanent) {
		t.Errorf("Stat without rclone = %v, want ErrPermanent", err)
	}
	if _, err := rest.Rclone.Parse("--config=/x"); err == nil {
		t.Error("Parse of a remote that is an option = nil error")
	}
}

func TestRcloneEndsWhenItIsNotUsedAndIsStartedAgain(t *testing.T) {
	beside := rclone(t)
	b := of(t, rest.Rclone, t.TempDir(), beside)
	save(t, b, "config", []byte("x"))
	if n := len(descendants(t)); n != 1 {
		t.Fatalf("%d processes run after a call, want one rclone", n)
	}
	closeIdle(t, b)
	if _, err := b.Stat(t.Context(), "config"); err != nil {
		t.Errorf("Stat after rclone has ended: %v", err)
	}
	for _, pid := range descendants(t) {
		if err := exec.Command("kill", "-9", pid).Run(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Stat(t.Context(), "config"); errors.Is(err, storage.ErrPermanent) {
		t.Errorf("Stat after rclone was killed = %v, want none or one that passes", err)
	}
	if _, err := b.Stat(t.Context(), "config"); err != nil {
		t.Errorf("Stat after that = %v", err)
	}
}

// closeIdle closes the connection to rclone once the last request is over on both sides, and waits until rclone has ended.
func closeIdle(t testing.TB, b storage.Backend) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	for b.(interface{ CloseIdle() }).CloseIdle(); len(descendants(t)) > 0; b.(interface{ CloseIdle() }).CloseIdle() {
		if clock.System.Sleep(ctx, 10*time.Millisecond) != nil {
			t.Fatal("rclone doesn't end")
		}
	}
}

// descendants returns the processes that this one has started.
func descendants(t testing.TB) []string {
	t.Helper()
	var all []string
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		content, _ := os.ReadFile(task) // a thread may have ended
		all = append(all, strings.Fields(string(content))...)
	}
	return all
}
