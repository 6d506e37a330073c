package repo

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/storage/mem"
)

// Whatever a sealed file holds, it is opened or refused, and never larger than a file of its kind may be.
func FuzzOpenFile(f *testing.F) {
	f.Add([]byte(`{"packs":[]}`))
	f.Add([]byte{compressedJSON})
	f.Add([]byte("\x02\x28\xb5\x2f\xfd\x04\x00\x11\x00\x00{}"))
	f.Add([]byte{})
	r := openFast(f, mem.New(), Options{})
	zeros, err := r.files.compress(writes(bytes.Repeat([]byte("0"), 1<<20)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(zeros)
	f.Fuzz(func(t *testing.T, plain []byte) {
		box, err := r.key.Seal(nil, plain, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for kind, most := range map[FileType]int64{Locks: maxSize[Locks], Snapshots: maxSize[Snapshots]} {
			got, err := r.openFile(kind, box)
			if err == nil && int64(len(got)) > most {
				t.Fatalf("a %s of %d bytes opens to %d", kind, len(plain), len(got))
			}
		}
	})
}

// Whatever is sealed in the folder of locks, it is a lock with a time or none.
func FuzzLockFile(f *testing.F) {
	f.Add([]byte(`{"time":"2026-01-01T00:00:00Z","exclusive":true,"hostname":"h","username":"u","pid":1}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, p []byte) {
		b := mem.New()
		r := openFast(t, b, Options{})
		put(t, r, Locks, string(p))
		for _, err := range r.ListLocks(t.Context()) {
			if err != nil {
				t.Fatalf("ListLocks with %q: %v", p, err)
			}
		}
		for info, err := range r.List(t.Context(), Locks) {
			if err != nil {
				t.Fatal(err)
			}
			if lock, err := r.readLock(t.Context(), info.ID); err == nil && (lock.ID != info.ID || r.Stale(lock) && lock.Time.IsZero()) {
				t.Fatalf("%q is taken for the lock %v", p, lock)
			}
		}
	})
}

func FuzzKeyFile(f *testing.F) {
	f.Add([]byte(`{"created":"2026-01-01T00:00:00Z","username":"u","hostname":"h","kdf":"scrypt","N":2,"r":1,"p":1,"salt":"","data":""}`))
	f.Add([]byte(`{"kdf":"scrypt","N":1099511627776,"r":2147483647,"p":-1,"salt":"` + strings.Repeat("A", 88) + `","data":"AAAA"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, p []byte) {
		b := mem.New()
		r := openFast(t, b, Options{})
		id := crypto.Hash(p)
		if err := r.saveRaw(t.Context(), Keys, id, p); err != nil {
			t.Fatal(err)
		}
		for key, err := range r.ListKeys(t.Context()) {
			if err != nil || key.ID != id {
				t.Fatalf("ListKeys with %q: %v, %v", p, key, err)
			}
		}
		if file, err := r.loadKeyFile(t.Context(), id); err == nil && file.N > 1<<8 {
			return // what a derivation costs is bounded, and tested, in package crypto
		}
		if _, err := r.openKey(t.Context(), id, "password"); !errors.Is(err, ErrDamaged) && !errors.Is(err, errPassword) {
			t.Fatalf("openKey of %q: %v", p, err)
		}
	})
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"version":2,"id":"` + strings.Repeat("ab", 32) + `","chunker_polynomial":"3da3358b4dc173"}`))
	f.Add([]byte(`{"version":1,"chunker_polynomial":"2"}`))
	f.Add([]byte(`{"version":3}`))
	f.Add([]byte(`7`))
	f.Fuzz(func(t *testing.T, p []byte) {
		r := openFast(t, mem.New(), Options{})
		put(t, r, Config, string(p))
		if err := r.loadConfig(t.Context()); err != nil {
			return
		}
		if c := r.config; c.Version < 1 || c.Version > 2 || !c.Polynomial.Valid() {
			t.Fatalf("%q is taken for the config %+v", p, c)
		}
	})
}
