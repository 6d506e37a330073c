package rest_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/servers"
)

const password = "password"

func TestTheRealResticWorksOnTheServer(t *testing.T) {
	for _, opt := range []servers.RESTOptions{{Verify: true}, {Verify: true, Version1: true}} {
		s := servers.StartREST(t, opt)
		r := resticbin.Repo{Bin: resticbin.Newest(t), Dir: s.Location + "inner/", Password: password}
		content := bytes.Repeat([]byte("content "), 300_000)
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, r, "init")
		run(t, r, "backup", file)
		if err := r.Check(t.Context()); err != nil {
			t.Error(err)
		}
		readsItsRepository(t, at(t, r.Dir, nil))
		run(t, r, "backup", file)
		run(t, r, "forget", "--keep-last", "1", "--prune")
		if got := run(t, r, "dump", "latest", file); !bytes.Equal(got, content) {
			t.Errorf("dump gives %d other bytes", len(got))
		}
	}
}

// readsItsRepository opens a repository that restic has made, and reads every file of it.
func readsItsRepository(t *testing.T, b storage.Backend) {
	t.Helper()
	if _, err := repo.Open(t.Context(), b, password, repo.Options{}); err != nil {
		t.Error(err)
	}
	for _, dir := range []string{"data", "keys", "snapshots", "index", "locks"} {
		infos, err := list(t.Context(), b, dir)
		if err != nil || len(infos) == 0 != (dir == "locks") {
			t.Errorf("List(%q) = %d files, %v", dir, len(infos), err)
		}
		for _, info := range infos {
			if p, err := storage.LoadAll(t.Context(), b, info.Name); err != nil || int64(len(p)) != info.Size {
				t.Errorf("LoadAll(%q) = %d bytes, %v, want %d", info.Name, len(p), err, info.Size)
			}
		}
	}
}

func TestTheRealResticReadsWhatWasSaved(t *testing.T) {
	s := servers.StartREST(t, servers.RESTOptions{Verify: true})
	b := at(t, s.Location, nil)
	if _, err := repo.Init(t.Context(), b, password, repo.Options{}, repo.InitOptions{}); err != nil {
		t.Fatal(err)
	}
	r := resticbin.Repo{Bin: resticbin.Newest(t), Dir: s.Location, Password: password}
	if err := r.Check(t.Context()); err != nil {
		t.Error(err)
	}
	local := resticbin.Repo{Bin: r.Bin, Dir: s.Dir, Password: password}
	if err := local.Check(t.Context()); err != nil {
		t.Errorf("in the folder of the server: %v", err)
	}
}

func run(t *testing.T, r resticbin.Repo, args ...string) []byte {
	t.Helper()
	out, err := r.Run(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
