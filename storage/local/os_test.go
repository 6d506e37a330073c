package local

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestRenameNeverReplaces(t *testing.T) {
	for what, rename := range map[string]func(from, to string) error{"Rename": OS{}.Rename, "renameByLink": renameByLink} {
		from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
		if err := os.WriteFile(from, []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := rename(from, to); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := os.Stat(from); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s leaves the old name (Stat = %v)", what, err)
		}
		if err := os.WriteFile(from, []byte("other"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := rename(from, to); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s to a name that is taken = %v, want fs.ErrExist", what, err)
		}
		if got, err := os.ReadFile(to); err != nil || string(got) != "content" {
			t.Errorf("%s to a name that is taken leaves %q, %v, want what was there", what, got, err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	backend := New(OS{}, b.TempDir(), Options{})
	if err := os.WriteFile(filepath.Join(backend.dir, "pack"), make([]byte, 1<<20), 0o600); err != nil {
		b.Fatal(err)
	}
	p := make([]byte, 4096)
	for b.Loop() {
		if err := backend.Load(b.Context(), "pack", p, 8192); err != nil {
			b.Fatal(err)
		}
	}
}
