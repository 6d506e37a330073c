package checker_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/test/corrupt"
)

// files returns the names and bytes of all files of a repository.
func files(t testing.TB, b *mem.Backend) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	for _, dir := range []string{"keys", "snapshots", "index", "data"} {
		for info, err := range b.List(t.Context(), dir) {
			if err != nil {
				t.Fatal(err)
			}
			all[info.Name] = nil
		}
	}
	all["config"] = nil
	for name := range all {
		p, err := storage.LoadAll(t.Context(), b, name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = p
	}
	return all
}

func TestAWrongBitInAnyByteIsReportedForTheFileItIsIn(t *testing.T) {
	t.Parallel()
	l := corrupt.New(t)
	r := l.Open(t)
	const seed = 1
	random := rand.New(rand.NewPCG(seed, 0))
	flips := 0
	for name, good := range files(t, l.Store) {
		for i := range good {
			p := bytes.Clone(good)
			p[i] ^= 1 << random.IntN(8)
			l.Put(name, p)
			flips++
			if dir := path.Dir(name); dir == "." || dir == "keys" {
				refused(t, l.Store, name, i)
				continue
			}
			found, _ := check(t, r, checker.Options{ReadData: true})
			id := path.Base(name)
			if !slices.ContainsFunc(found, func(f checker.Finding) bool { return f.Severity == checker.Error && f.Object.ID.String() == id }) {
				t.Fatalf("seed %d: a wrong bit in byte %d of %s: found %v", seed, i, name, found)
			}
			for _, f := range found {
				if strings.HasPrefix(name, "data/") && f.Object.ID.String() != id {
					t.Fatalf("seed %d: a wrong bit in byte %d of %s: found %s in %s", seed, i, name, f.Kind, f.Object)
				}
			}
		}
		l.Put(name, good)
	}
	if found, _ := check(t, r, checker.Options{ReadData: true}); len(found) > 0 {
		t.Errorf("the repository put together again has %v", found)
	}
	t.Logf("R7: %d wrong bits, one in each byte of a repository, 0 not reported for the right file, seed %d", flips, seed)
}

// refused fails the test unless the repository doesn't open for the right reason.
func refused(t *testing.T, b storage.Backend, name string, i int) {
	t.Helper()
	_, err := repo.Open(t.Context(), b, corrupt.Password, corrupt.Options())
	if !errors.Is(err, repo.ErrDamaged) {
		t.Fatalf("Open with a wrong bit in byte %d of %s = %v, want ErrDamaged", i, name, err)
	}
}
