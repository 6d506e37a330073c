package resticbin_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/backstay/backstay/test/resticbin"
)

// repo is a new repository with one snapshot of one file.
func repo(t *testing.T) resticbin.Repo {
	t.Helper()
	r := resticbin.Repo{Bin: resticbin.Newest(t), Dir: filepath.Join(t.TempDir(), "repo"), Password: "secret", Work: t.TempDir()}
	if err := os.WriteFile(filepath.Join(r.Work, "file"), []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init"}, {"backup", "--host", "h", "file"}} {
		if _, err := r.Run(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// TestARealRestic shares one repository, which the last of its parts damages: to make one takes restic seconds.
func TestARealRestic(t *testing.T) {
	r := repo(t)
	t.Run("a command's output is returned and decoded", func(t *testing.T) { outputIsDecoded(t, r) })
	t.Run("a failing command tells its exit code and what it said", func(t *testing.T) { failureTells(t, r) })
	t.Run("check accepts a sound repository and refuses a damaged one", func(t *testing.T) { checkRefusesDamage(t, r) })
}

func outputIsDecoded(t *testing.T, r resticbin.Repo) {
	var snapshots []struct{ Hostname string }
	if err := r.JSON(t.Context(), &snapshots, "snapshots"); err != nil {
		t.Fatal(err)
	}
	if len(snapshots) != 1 || snapshots[0].Hostname != "h" {
		t.Errorf("snapshots = %+v, want one of host h", snapshots)
	}
	out, err := r.Run(t.Context(), "dump", "latest", "file")
	if err != nil || string(out) != "content" {
		t.Errorf("dump = %q, %v", out, err)
	}
	if err := r.JSON(t.Context(), &snapshots, "dump", "latest", "file"); err == nil || !strings.Contains(err.Error(), "decode") {
		t.Errorf("JSON of what is none = %v", err)
	}
}

func failureTells(t *testing.T, r resticbin.Repo) {
	r.Password = "wrong"
	_, err := r.Run(t.Context(), "snapshots")
	var failed *resticbin.Error
	if !errors.As(err, &failed) || failed.Exit < 1 || !strings.Contains(err.Error(), "wrong password") {
		t.Errorf("Run with a wrong password = %v", err)
	}
}

func checkRefusesDamage(t *testing.T, r resticbin.Repo) {
	if err := r.Check(t.Context()); err != nil {
		t.Errorf("Check of a sound repository = %v", err)
	}
	packs, err := filepath.Glob(filepath.Join(r.Dir, "data/*/*"))
	if err != nil || len(packs) == 0 {
		t.Fatalf("Glob = %v, %v", packs, err)
	}
	spare := filepath.Join(filepath.Dir(packs[0]), filepath.Base(filepath.Dir(packs[0]))+strings.Repeat("0", 62))
	pack, err := os.ReadFile(packs[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(spare, pack, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Check(t.Context()); err == nil {
		t.Error("Check of a repository with a pack that no index knows = nil error, though restic gives a hint")
	}
	if err := errors.Join(os.Remove(spare), os.RemoveAll(filepath.Join(r.Dir, "index")), os.Mkdir(filepath.Join(r.Dir, "index"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := r.Check(t.Context()); err == nil {
		t.Error("Check of a repository that lacks its index = nil error")
	}
}

func TestOpenRefusesWhatIsNoRestic(t *testing.T) {
	for _, program := range []string{"", "/nothing/here", "true", "echo"} {
		if bin, err := resticbin.Open(t.Context(), program); err == nil {
			t.Errorf("Open(%q) = %+v, want an error", program, bin)
		}
	}
}

// recorder stands in for a test that looks for restic, to see how that test would end.
type recorder struct {
	testing.TB
	failed, skipped string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// ends calls look with a recorder, in a goroutine of its own as the test may end there.
func ends(t *testing.T, look func(testing.TB) resticbin.Bin) *recorder {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		look(r)
	}()
	<-done
	return r
}

func TestAResticThatIsNamedButCannotBeRunFailsTheTest(t *testing.T) {
	missing, notExecutable := filepath.Join(t.TempDir(), "missing"), filepath.Join(t.TempDir(), "restic")
	if err := os.WriteFile(notExecutable, []byte("#!/bin/sh\necho restic 0.19.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for variable, look := range map[string]func(testing.TB) resticbin.Bin{"RESTIC_BIN": resticbin.Newest, "RESTIC_OLD_BIN": resticbin.Old} {
		for _, program := range []string{missing, notExecutable, "true", t.TempDir()} {
			t.Setenv("CI", "")
			t.Setenv(variable, program)
			if r := ends(t, look); !strings.Contains(r.failed, program) || !strings.Contains(r.failed, variable) {
				t.Errorf("with %s=%q the test is skipped with %q, fails with %q; want it to fail and name both", variable, program, r.skipped, r.failed)
			}
		}
	}
}

func TestAResticThatNobodyNamedIsSkippedExceptInCI(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for variable, look := range map[string]func(testing.TB) resticbin.Bin{"RESTIC_BIN": resticbin.Newest, "RESTIC_OLD_BIN": resticbin.Old} {
		t.Setenv(variable, "")
		t.Setenv("CI", "")
		if r := ends(t, look); r.skipped == "" || r.failed != "" {
			t.Errorf("without %s and CI the test is skipped with %q, fails with %q, want it skipped", variable, r.skipped, r.failed)
		}
		t.Setenv("CI", "true")
		if r := ends(t, look); r.skipped != "" || r.failed == "" {
			t.Errorf("without %s in CI the test is skipped with %q, fails with %q, want it to fail", variable, r.skipped, r.failed)
		}
	}
}
