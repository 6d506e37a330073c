package resticbin_test

import (
	"errors"
	"os"
	"path/filepath"
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
