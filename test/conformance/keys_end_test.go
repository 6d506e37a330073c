//go:build linux

package conformance

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/test/quickrepo"
	"github.com/backstay/backstay/test/resticbin"
)

// Restic tries 20 key files and no more, in an order that is not the user's to choose. We try all.
func TestResticTriesTwentyKeysAndWeTryAll(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		t.Parallel()
		s := newSite(t, bin, 2)
		word := func(i int) string { return fmt.Sprint("password ", i) }
		for i := range 21 {
			s.addKey(t, word(i))
		}
		refused := 0
		for i := range 21 {
			if err := s.weOpen(t, word(i)); err != nil {
				t.Errorf("password %d of 21: %v", i, err)
			}
			err := s.theyOpen(t, word(i))
			if err != nil && !strings.Contains(err.Error(), "maximum number of keys reached") {
				t.Errorf("restic with password %d of 21: %v", i, err)
			}
			if err != nil {
				refused++
			}
		}
		if refused < 1 || refused > 2 { // of 22 keys, one of them that of the repository itself
			t.Errorf("restic refuses %d passwords of 22 keys, want those of the last two", refused)
		}
		s.restic.Env = []string{"RESTIC_KEY_HINT=" + s.ours.CurrentKey().String()}
		s.run(t, "cat", "config")
	})
}

func TestAKeyAsDearAsWeAllowOpensOnBothSides(t *testing.T) {
	const most = 1 << 18 // N with r 8: 256 MiB
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		t.Parallel()
		s := newSite(t, bin, 2)
		s.addKeyOfCost(t, "dear", crypto.KDF{N: most, R: 8, P: 1})
		s.wantPassword(t, "dear", true)

		alone := place(t, bin)
		if _, err := quickrepo.SaveKey(t.Context(), alone.storage, crypto.KDF{N: 2 * most, R: 8, P: 1}, make([]byte, crypto.SaltSize), make([]byte, 200)); err != nil {
			t.Fatal(err)
		}
		alone.save(t, "config", make([]byte, 155))
		if err := alone.weOpen(t, password); !errors.Is(err, repo.ErrDamaged) || !strings.Contains(err.Error(), "needs more than") {
			t.Errorf("open with a key of 512 MiB = %v, want it refused", err)
		}
	})
}

// addKeyOfCost adds a key whose opening costs that much.
func (s *site) addKeyOfCost(t *testing.T, password string, cost crypto.KDF) {
	t.Helper()
	salt := make([]byte, crypto.SaltSize)
	user, err := cost.Derive(password, salt)
	if err != nil {
		t.Fatal(err)
	}
	data, err := user.Seal(nil, marshal(t, s.master), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := quickrepo.SaveKey(t.Context(), s.storage, cost, salt, data); err != nil {
		t.Fatal(err)
	}
}

// wrongKey is something that goes wrong with keys, and how each side ends.
type wrongKey struct {
	name           string
	prepare        func(t *testing.T, s *site)
	args           string
	old, new, ours int    // exit codes of restic before 0.17, of later ones, and of Backstay
	theySay, weSay string // a part of it
}

func wrongKeys() []wrongKey {
	wrong := func(t *testing.T, s *site) { s.restic.Password = "wrong" }
	noKey := func(t *testing.T, s *site) { s.removeAll(t, "keys") }
	noConfig := func(t *testing.T, s *site) { s.removeAll(t, "config") }
	return []wrongKey{
		{"a wrong password", wrong, "snapshots", 1, 12, 12, "wrong password or no key found", "wrong password: it opens none of 1 keys"},
		{"the password of a removed key", removedKey, "snapshots", 1, 12, 12, "wrong password or no key found", "wrong password"},
		{"no key", noKey, "snapshots", 1, 12, 1, "wrong password or no key found", "it has no key"},
		{"no config", noConfig, "snapshots", 1, 10, 10, "Is there a repository at the following location?", "there is no repository"},
		{"the key in use is to be removed", nil, "key remove {key}", 1, 1, 1, "refusing to remove key currently used", "it is the key in use"},
		{"a key that isn't there is to be removed", nil, "key remove 0000", 1, 1, 1, "no matching ID found", "0000"},
		{"garbage for a key", garbageKey, "snapshots", 1, 1, 1, "Unmarshal: invalid character", "it has no usable key"},
	}
}

// removeAll removes a file or folder of the repository.
func (s *site) removeAll(t *testing.T, name string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(s.restic.Dir, name)); err != nil {
		t.Fatal(err)
	}
}

func removedKey(t *testing.T, s *site) {
	id, err := quickrepo.AddKey(t.Context(), s.storage, s.master, "another")
	if err != nil {
		t.Fatal(err)
	}
	s.run(t, "key", "remove", id.String())
	s.restic.Password = "another"
}

// garbageKey leaves nothing but garbage among the keys: beside the right one restic stops at it or not, as chance has them listed.
func garbageKey(t *testing.T, s *site) {
	s.removeAll(t, repo.Keys.Name(s.ours.CurrentKey()))
	s.save(t, repo.Keys.Name(crypto.Hash([]byte("garbage"))), []byte("garbage"))
}

func TestEachSideEndsWithItsCodeWhereAKeyIsWrong(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		for _, c := range wrongKeys() {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				s := newSite(t, bin, 2)
				if c.prepare != nil {
					c.prepare(t, s)
				}
				args := strings.Fields(strings.ReplaceAll(c.args, "{key}", s.ours.CurrentKey().String()))
				_, err := s.restic.Run(t.Context(), args...)
				failed := new(resticbin.Error)
				if err != nil && !errors.As(err, &failed) {
					t.Fatal(err)
				}
				want := c.new
				if s.before(17) {
					want = c.old
				}
				if failed.Exit != want || !strings.Contains(failed.Stderr, c.theySay) {
					t.Errorf("restic %s ends with %d, want %d and %q: %s", c.args, failed.Exit, want, c.theySay, failed.Stderr)
				}
				if code, said := s.weRun(t, args...); code != c.ours || !strings.Contains(said, c.weSay) {
					t.Errorf("backstay %s ends with %d, want %d and %q: %s", c.args, code, c.ours, c.weSay, said)
				}
			})
		}
	})
}
