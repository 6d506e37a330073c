package sftp_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/servers"
)

// openFiles counts the files of the test's folder that the server has open.
func openFiles(t *testing.T, s *servers.SFTP) (n int) {
	t.Helper()
	for _, pid := range s.Sessions(t) {
		links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links {
			if file, err := os.Readlink(link); err == nil && strings.HasPrefix(file, s.Dir) {
				n++
			}
		}
	}
	return n
}

func TestFilesKeptOpenAreBounded(t *testing.T) {
	s := servers.StartSFTP(t)
	b := open(t, at(s, s.Dir))
	const files, kept = 40, 4 * 16
	for i := range files {
		save(t, b, fmt.Sprint("data/", i), []byte("x"))
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 400 {
				if err := b.Load(t.Context(), fmt.Sprint("data/", i%files), make([]byte, 1), 0); err != nil {
					t.Errorf("Load: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for i := range 4 { // an answer after those to what was closed without waiting
		if _, err := b.Stat(t.Context(), fmt.Sprint("data/", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := openFiles(t, s); n == 0 || n > kept+8 {
		t.Errorf("%d files are open after many loads, want 1 to %d, and a few that are being closed", n, kept)
	}
	for i := range files {
		name := fmt.Sprint("data/", i)
		if err := b.Remove(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if err := b.Load(t.Context(), name, make([]byte, 1), 0); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Load of a removed file = %v, want ErrNotFound", err)
		}
	}
}

func TestAFileThatIsShorterThanItWasIsOpenedAnew(t *testing.T) {
	s := servers.StartSFTP(t)
	b := open(t, at(s, s.Dir))
	save(t, b, packName, []byte("12345"))
	if err := b.Load(t.Context(), packName, make([]byte, 6), 0); !errors.Is(err, storage.ErrShort) {
		t.Fatalf("Load = %v, want ErrShort", err)
	}
	path := filepath.Join(s.Dir, packName)
	if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte("123456"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := b.Load(t.Context(), packName, make([]byte, 6), 0); err != nil {
		t.Errorf("Load of the file that is there now = %v", err)
	}
}
