package sftp_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/servers"
)

const password = "password"

// restic is the real restic on a folder of the server, over SFTP.
func restic(t *testing.T, s *servers.SFTP, dir string) resticbin.Repo {
	t.Helper()
	hosts := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(hosts, []byte(s.KnownHosts+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The restic of Debian has no -o sftp.args, so that the whole command is given.
	wrapper := filepath.Join(t.TempDir(), "restic")
	bin := resticbin.Newest(t)
	script := fmt.Sprintf("#!/bin/sh\nexec %s -o sftp.command='ssh -F none -p %s -i %s -o UserKnownHostsFile=%s -o StrictHostKeyChecking=yes %s@%s -s sftp' \"$@\"\n",
		bin.Path, s.Port, s.KeyFile, hosts, s.User, s.Host)
	if err := os.WriteFile(wrapper, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	bin.Path = wrapper
	return resticbin.Repo{Bin: bin, Dir: s.Location(dir), Password: password}
}

func TestARepositoryOfResticIsRead(t *testing.T) {
	s := servers.StartSFTP(t)
	dir := filepath.Join(s.Dir, "repo")
	r := restic(t, s, dir)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, bytes.Repeat([]byte("content "), 300_000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init"}, {"backup", file}} {
		if _, err := r.Run(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	b := open(t, at(s, dir))
	if _, err := repo.Open(t.Context(), b, password, repo.Options{}); err != nil {
		t.Error(err)
	}
	for _, folder := range []string{"data", "keys", "snapshots", "index", "locks"} {
		infos, err := list(t.Context(), b, folder)
		if err != nil || len(infos) == 0 != (folder == "locks") {
			t.Errorf("List(%q) = %d files, %v", folder, len(infos), err)
		}
		for _, info := range infos {
			if p, err := storage.LoadAll(t.Context(), b, info.Name); err != nil || int64(len(p)) != info.Size {
				t.Errorf("LoadAll(%q) = %d bytes, %v, want %d", info.Name, len(p), err, info.Size)
			}
		}
	}
}

func TestTheRealResticReadsWhatWasSaved(t *testing.T) {
	s := servers.StartSFTP(t)
	dir := filepath.Join(s.Dir, "repo")
	if _, err := repo.Init(t.Context(), open(t, at(s, dir)), password, repo.Options{}, repo.InitOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := restic(t, s, dir).Check(t.Context()); err != nil {
		t.Error(err)
	}
	local := resticbin.Repo{Bin: resticbin.Newest(t), Dir: dir, Password: password}
	if err := local.Check(t.Context()); err != nil {
		t.Errorf("in the folder itself: %v", err)
	}
}
