package auth

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// counting returns a Hasher whose hashes are counted, with what each cost, and not computed.
func counting(t *testing.T) (*Hasher, func() []Cost) {
	t.Helper()
	h := NewHasher(rand.Reader, 1, Cost{})
	var all []Cost
	h.derive = func(_, _ []byte, passes, memory uint32, lanes uint8, length uint32) []byte {
		all = append(all, Cost{Memory: memory, Passes: passes, Lanes: lanes})
		return make([]byte, length)
	}
	return h, func() []Cost {
		defer func() { all = nil }()
		return all
	}
}

func TestAPasswordIsTheOneThatWasHashed(t *testing.T) {
	h := NewHasher(rand.Reader, 2, Cost{})
	hash, err := h.Hash(t.Context(), "correct horse battery staple")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(hash), "$argon2id$v=19$m=65536,t=3,p=2$") {
		t.Errorf("Hash = %s, want 64 MiB, 3 passes, 2 lanes", string(hash))
	}
	again, err := h.Hash(t.Context(), "correct horse battery staple")
	if err != nil || again == hash {
		t.Errorf("two hashes of a password are the same (%v): there is no salt", err)
	}
	for password, want := range map[string]bool{"correct horse battery staple": true, "correct horse battery staplE": false, "correct horse battery staple ": false, "": false} {
		if ok, stale, err := h.Verify(t.Context(), password, hash); ok != want || stale || err != nil {
			t.Errorf("Verify(%q) = %v, %v, %v, want %v and not stale", password, ok, stale, err, want)
		}
	}
}

// The hashes were made by the reference implementation: argon2 SALT -id -t .. -m .. -p .. -l 32 -e.
func TestHashesOfTheReferenceImplementationAreRead(t *testing.T) {
	h := NewHasher(rand.Reader, 1, Cost{})
	for _, c := range []struct {
		hash     Secret
		password string
		stale    bool
	}{
		{"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password", true},
		{"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc", "password", true},
		{"$argon2id$v=19$m=65536,t=3,p=2$c29tZXNhbHRzb21lc2FsdA$M9O+WMqryYs/ggt49kk2b/a8yYpk+GDXb49n4E3V2I8", "correct horse battery staple", false},
	} {
		if ok, stale, err := h.Verify(t.Context(), c.password, c.hash); !ok || stale != c.stale || err != nil {
			t.Errorf("Verify(%s) = %v, %v, %v, want true, %v", string(c.hash), ok, stale, err, c.stale)
		}
		if ok, _, err := h.Verify(t.Context(), c.password+"x", c.hash); ok || err != nil {
			t.Errorf("Verify of a wrong password against %s = %v, %v", string(c.hash), ok, err)
		}
	}
}

func TestAHashOfAnotherCostIsStale(t *testing.T) {
	cheap := Cost{Memory: 64, Passes: 1, Lanes: 1}
	little, much := NewHasher(rand.Reader, 1, cheap), NewHasher(rand.Reader, 1, Cost{})
	hash, err := little.Hash(t.Context(), "correct horse battery staple")
	if err != nil || !strings.HasPrefix(string(hash), "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Fatalf("Hash = %s, %v, want 64 KiB, 1 pass, 1 lane", string(hash), err)
	}
	for h, want := range map[*Hasher]bool{little: false, much: true} {
		if ok, stale, err := h.Verify(t.Context(), "correct horse battery staple", hash); !ok || stale != want || err != nil {
			t.Errorf("Verify by a hasher of %s = %v, %v, %v, want true, %v", h.cost, ok, stale, err, want)
		}
	}
}

func TestAStrangeHashIsAnErrorAndCostsNothing(t *testing.T) {
	h, hashes := counting(t)
	const salt, key = "c29tZXNhbHQ", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHApl8ArZWb2GRPPc"
	for _, hash := range []string{
		"", "hunter2", "$2y$10$abcdefghijklmnopqrstuv", "$argon2id$", "$$$$$",
		"$argon2i$v=19$m=65536,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=16$m=65536,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=4294967295,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=4294967295,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=0,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=2,p=0$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=2,p=256$" + salt + "$" + key,
		"$argon2id$v=19$m=8,t=2,p=2$" + salt + "$" + key,
		"$argon2id$v=19$m=-1,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=2,p=1 $" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=2,p=1,x=1$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=2,p=1$$" + key,
		"$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$",
		"$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$AA",
		"$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$" + strings.Repeat("A", 4000),
		"$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$" + key + "=",
		"$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$" + key + "$x",
	} {
		ok, _, err := h.Verify(t.Context(), "password", Secret(hash))
		if ok || err == nil {
			t.Errorf("Verify against %.80q = %v, %v, want an error", hash, ok, err)
		} else if len(hash) > 8 && strings.Contains(err.Error(), hash) {
			t.Errorf("the error has the hash in it: %v", err)
		}
	}
	if n := len(hashes()); n != 0 {
		t.Errorf("%d hashes were computed, want none", n)
	}
}

func TestAnUnknownAccountCostsTheSameWorkAsAKnownOne(t *testing.T) {
	h, hashes := counting(t)
	hash, err := h.Hash(t.Context(), "correct horse battery staple")
	if err != nil {
		t.Fatal(err)
	}
	hashes()
	for _, password := range []string{"", "wrong", "correct horse battery staple", strings.Repeat("a", maxPassword), strings.Repeat("a", maxPassword+1), strings.Repeat("a", 1<<20)} {
		if _, _, err := h.Verify(t.Context(), password, hash); err != nil {
			t.Fatal(err)
		}
		known := hashes()
		if err := h.Burn(t.Context(), password); err != nil {
			t.Fatal(err)
		}
		unknown := hashes()
		if len(known) != len(unknown) || len(known) > 0 && known[0] != unknown[0] {
			t.Errorf("a password of %d bytes costs %v for a known account and %v for an unknown one", len(password), known, unknown)
		}
		if want := len(password) <= maxPassword; want != (len(known) == 1) {
			t.Errorf("a password of %d bytes was hashed %d times", len(password), len(known))
		}
	}
}

func TestAHasherComputesSoManyAtOnceAndNoMore(t *testing.T) {
	h := NewHasher(rand.Reader, 3, Cost{})
	var now, peak atomic.Int32
	release, entered := make(chan struct{}), make(chan struct{}, 10)
	h.derive = func(_, _ []byte, _, _ uint32, _ uint8, length uint32) []byte {
		n := now.Add(1)
		for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
		}
		entered <- struct{}{}
		<-release
		now.Add(-1)
		return bytes.Repeat([]byte{1}, int(length))
	}
	done := make(chan error, 10)
	for range 10 {
		go func() { done <- h.Burn(t.Context(), "correct horse battery staple") }()
	}
	for range 3 {
		<-entered
	}
	select {
	case <-entered:
		close(release)
		t.Fatal("a fourth hash is computed beside three others")
	case <-time.After(20 * time.Millisecond):
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := h.Burn(ctx, "impatient"); !errors.Is(err, context.Canceled) {
		t.Errorf("Burn of somebody who went away while all places were taken = %v, want context.Canceled", err)
	}
	close(release)
	for range 10 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if peak.Load() != 3 {
		t.Errorf("%d hashes were computed at once, want 3", peak.Load())
	}
}

func FuzzStoredHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=65536,t=3,p=2$c29tZXNhbHRzb21lc2FsdA$M9O+WMqryYs/ggt49kk2b/a8yYpk+GDXb49n4E3V2I8")
	f.Add("$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc")
	f.Add("$argon2id$v=19$m=17,t=1,p=1$00000000000$\n00000000000000000000000")
	f.Fuzz(func(t *testing.T, hash string) {
		c, salt, key, err := parseHash(hash)
		if err != nil {
			return
		}
		if c.Memory > 256<<10 || c.Passes > 10 || len(salt) > 64 || len(key) < 16 || len(key) > 64 {
			t.Errorf("parseHash(%q) = %v, a salt of %d and a key of %d bytes, beyond the bounds", hash, c, len(salt), len(key))
		}
		if again := fmt.Sprintf("$argon2id$v=19$%s$%s$%s", c, b64.EncodeToString(salt), b64.EncodeToString(key)); again != hash {
			t.Errorf("parseHash(%q) is that of %q", hash, again)
		}
	})
}
