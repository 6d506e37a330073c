package corrupt

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
)

// Folder writes the repository to a folder that lasts as long as the test, for other programs. These want a key that takes some
// work, so it has another than the Lab, though the password is the same.
func (l *Lab) Folder(t testing.TB) string {
	t.Helper()
	out := *l
	out.Store = l.Store.Clone()
	for _, name := range out.list("keys") {
		l.must(out.Store.Remove(t.Context(), name))
	}
	out.KeyFile(Password, crypto.KDF{N: 1 << 14, R: 8, P: 1})
	dir := t.TempDir()
	for _, folder := range []repo.FileType{repo.Keys, repo.Locks, repo.Snapshots, repo.Index, repo.Packs} {
		l.must(os.Mkdir(filepath.Join(dir, string(folder)), 0o700))
		for _, name := range out.list(string(folder)) {
			out.export(dir, name)
		}
	}
	out.export(dir, string(repo.Config))
	return dir
}

func (l *Lab) export(dir, name string) {
	p, err := storage.LoadAll(l.t.Context(), l.Store, name)
	l.must(err)
	file := filepath.Join(dir, name)
	l.must(os.MkdirAll(filepath.Dir(file), 0o700))
	l.must(os.WriteFile(file, p, 0o600))
}

func (l *Lab) list(folder string) (names []string) {
	for info, err := range l.Store.List(l.t.Context(), folder) {
		l.must(err)
		names = append(names, info.Name)
	}
	return names
}
