package sftp_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"

	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/servers"
)

func TestAFolderOfAnybodyIsShownAsItIs(t *testing.T) {
	s := servers.StartSFTP(t)
	then := time.Unix(1_000_000_000, 0)
	odd := "odd \xff\n'name'"
	path := filepath.Join(s.Dir, "folder", odd)
	err := errors.Join(os.MkdirAll(filepath.Join(s.Dir, "folder", "inner"), 0o750), os.WriteFile(path, []byte("12345"), 0o640), os.Chtimes(path, then, then),
		os.Symlink("../none", filepath.Join(s.Dir, "folder", "link")), syscall.Mkfifo(filepath.Join(s.Dir, "folder", "fifo"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, at(s, s.Dir)).(storage.Browser)
	got := make(map[string]entry.Meta)
	for m, err := range b.ReadDir(t.Context(), "folder") {
		if err != nil {
			t.Fatal(err)
		}
		got[m.Name] = m
	}
	if m := got[odd]; m.Type != entry.File || m.Size != 5 || m.Mode != 0o640 || !m.ModTime.Equal(then) || m.UID != uint32(os.Getuid()) || m.GID != uint32(os.Getgid()) {
		t.Errorf("the file is shown as %+v", m)
	}
	if got["inner"].Type != entry.Dir || got["fifo"].Type != entry.Fifo || got["link"].Type != entry.Symlink || got["link"].LinkTarget != "../none" || len(got) != 4 {
		t.Errorf("the folder is shown as %+v", got)
	}
	if m, err := b.Lookup(t.Context(), "folder/"+odd); err != nil || !reflect.DeepEqual(m, got[odd]) {
		t.Errorf("Lookup = %+v, %v, want %+v", m, err, got[odd])
	}
	p := make([]byte, 3)
	if err := b.Load(t.Context(), "folder/"+odd, p, 2); err != nil || string(p) != "345" {
		t.Errorf("Load = %q, %v", p, err)
	}
	for _, outside := range []string{"../x", "/etc/passwd", "a/../../x", ""} {
		if _, err := b.Lookup(t.Context(), outside); !errors.Is(err, storage.ErrPermanent) {
			t.Errorf("Lookup(%q) = %v, want ErrPermanent", outside, err)
		}
	}
	for m, err := range b.ReadDir(t.Context(), "none") {
		if !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("ReadDir of a folder that isn't there = %+v, %v, want ErrNotFound", m, err)
		}
	}
}
