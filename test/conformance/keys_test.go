//go:build linux

package conformance

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/test/quickrepo"
	"github.com/backstay/backstay/test/resticbin"
)

// theyOpen has restic open the repository with a password.
func (s *site) theyOpen(t *testing.T, password string) error {
	r := s.restic
	r.Password = password
	_, err := r.Run(t.Context(), "cat", "config")
	return err
}

func (s *site) addKey(t *testing.T, password string) {
	t.Helper()
	if _, err := quickrepo.AddKey(t.Context(), s.storage, s.master, password); err != nil {
		t.Fatal(err)
	}
}

func (s *site) weOpen(t *testing.T, password string) error {
	_, err := repo.Open(t.Context(), s.storage, password, repo.Options{})
	return err
}

// wantPassword compares whether each side opens the repository.
func (s *site) wantPassword(t *testing.T, password string, opens bool) {
	t.Helper()
	if err := s.weOpen(t, password); err == nil != opens || !opens && !errors.Is(err, repo.ErrWrongPassword) {
		t.Errorf("password %.40q for us: %v, want it to open: %t", password, err, opens)
	}
	if err := s.theyOpen(t, password); err == nil != opens || !opens && !strings.Contains(err.Error(), "wrong password") {
		t.Errorf("password %.40q for restic: %v, want it to open: %t", password, err, opens)
	}
}

func TestPasswordsOfAnyBytesOpenOnBothSides(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		t.Parallel()
		s := newSite(t, bin, 2)
		odd := []string{"pässwörd ключ 🔑", "pa\u0308sswo\u0308rd", strings.Repeat("k", 1024), "inner  space", " outer space\t", "line\nbreak\n", "\xff\xfe\x80",
			`"'$HOME\` + "`", "-p"}
		for _, p := range odd {
			s.wantPassword(t, p, false)
			s.addKey(t, p)
			s.wantPassword(t, p, true)
		}
	})
}

func TestKeysThatOneSideAddsChangesOrRemovesAreSoForTheOther(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		t.Parallel()
		s := newSite(t, bin, 2)
		ours, theirs := " of ours ü ", "of restic 🔑 ключ"
		var id crypto.ID
		s.locked(t, repo.Shared, func(ctx context.Context) (err error) {
			id, err = s.ours.AddKey(ctx, ours, repo.KeyOptions{})
			return err
		})
		s.wantPassword(t, ours, true)
		s.run(t, "key", "remove", id.String())
		s.wantPassword(t, ours, false)

		s.run(t, "key", "add", "--new-password-file", passwordFile(t, "  "+theirs+"\n")) // restic takes white space off a file
		s.wantPassword(t, theirs, true)
		s.locked(t, repo.Exclusive, func(ctx context.Context) error {
			for key, err := range s.ours.ListKeys(ctx) {
				if err != nil {
					return err
				}
				if !key.Current {
					if err := s.ours.RemoveKey(ctx, key.ID); err != nil {
						return err
					}
				}
			}
			_, err := s.ours.ChangePassword(ctx, ours)
			return err
		})
		s.wantPassword(t, theirs, false)
		s.wantPassword(t, ours, true)
		s.restic.Password = ours
		s.run(t, "key", "passwd", "--new-password-file", passwordFile(t, theirs))
		s.wantPassword(t, ours, false)
		s.wantPassword(t, theirs, true)
	})
}

func passwordFile(t *testing.T, password string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAKeyThatWouldCostTooMuchIsPassedOver(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		t.Parallel()
		s := place(t, bin)
		s.addDearKey(t)
		s.save(t, "config", make([]byte, 155))
		if err := s.weOpen(t, password); !errors.Is(err, repo.ErrDamaged) {
			t.Errorf("open with nothing but a key of 1 TiB = %v, want it damaged", err)
		}
		for range 8 { // in no order: one of them at least comes before the right one, as good as surely
			s = newSite(t, bin, 2)
			s.addDearKey(t)
			if err := s.weOpen(t, password); err != nil {
				t.Errorf("open beside a key of 1 TiB = %v", err)
			}
		}
	})
}

// addDearKey saves a key file that asks for 1 TiB of memory.
func (s *site) addDearKey(t *testing.T) {
	t.Helper()
	if _, err := quickrepo.SaveKey(t.Context(), s.storage, crypto.KDF{N: 1 << 30, R: 8, P: 1}, make([]byte, crypto.SaltSize), make([]byte, 200)); err != nil {
		t.Fatal(err)
	}
}
