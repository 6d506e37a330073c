package smb_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/servers"
)

// restic speaks no SMB, and goes to the same files.
func TestARepositoryOfResticIsReadThroughTheShare(t *testing.T) {
	t.Parallel()
	s := servers.StartSMB(t)
	r := resticbin.Repo{Bin: resticbin.Newest(t), Dir: filepath.Join(s.Dir, "repo"), Password: "password"}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, bytes.Repeat([]byte("content "), 300_000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init"}, {"backup", file}} {
		if _, err := r.Run(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	b := open(t, at(s, "repo"), env())
	if _, err := repo.Open(t.Context(), b, r.Password, repo.Options{}); err != nil {
		t.Error(err)
	}
	for _, folder := range []string{"data", "keys", "snapshots", "index", "locks"} {
		files := 0
		for info, err := range b.List(t.Context(), folder) {
			if err != nil {
				t.Fatal(err)
			}
			if p, err := storage.LoadAll(t.Context(), b, info.Name); err != nil || int64(len(p)) != info.Size {
				t.Errorf("LoadAll(%q) = %d bytes, %v, want %d", info.Name, len(p), err, info.Size)
			}
			files++
		}
		if files == 0 != (folder == "locks") {
			t.Errorf("List(%q) yields %d files", folder, files)
		}
	}
}

func TestTheRealResticReadsWhatWasSavedThroughTheShare(t *testing.T) {
	t.Parallel()
	s := servers.StartSMB(t)
	quickly := repo.InitOptions{KDF: crypto.KDF{N: 1 << 15, R: 8, P: 1}}
	if _, err := repo.Init(t.Context(), open(t, at(s, "repo"), env()), "password", repo.Options{}, quickly); err != nil {
		t.Fatal(err)
	}
	r := resticbin.Repo{Bin: resticbin.Newest(t), Dir: filepath.Join(s.Dir, "repo"), Password: "password"}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, bytes.Repeat([]byte("content "), 300_000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Run(t.Context(), "backup", file); err != nil {
		t.Fatal(err)
	}
	if err := r.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
