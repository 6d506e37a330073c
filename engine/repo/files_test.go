package repo

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
)

// putSealed saves a file of this plaintext, whatever it is.
func putSealed(t testing.TB, r *Repo, kind FileType, plain []byte) crypto.ID {
	t.Helper()
	sealed, err := r.key.Seal(nil, plain, r.opt.Rand)
	if err != nil {
		t.Fatal(err)
	}
	id := crypto.Hash(sealed)
	if err := r.saveRaw(t.Context(), kind, id, sealed); err != nil {
		t.Fatal(err)
	}
	return id
}

func frame(t testing.TB, plain []byte) []byte {
	t.Helper()
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return e.EncodeAll(plain, []byte{2})
}

func TestAFileIsStoredCompressedAndReadAgain(t *testing.T) {
	b := mem.New()
	r := openFast(t, b, Options{})
	plain := []byte(`{"packs":[` + strings.Repeat(" ", 5000) + `]}`)
	id, err := r.SaveFile(locked(t, r, Shared), Index, plain)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := r.LoadRaw(t.Context(), Index, id)
	if err != nil || len(stored) > 200 || crypto.Hash(stored) != id {
		t.Fatalf("stored are %d bytes, %v, want few, named by their hash", len(stored), err)
	}
	if opened, err := r.key.Open(nil, stored); err != nil || opened[0] != 2 {
		t.Errorf("the plaintext begins with %x, %v, want 2", opened, err)
	}
	if got, err := r.LoadFile(t.Context(), Index, id); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("LoadFile = %d bytes, %v, want %d", len(got), err, len(plain))
	}
}

func TestFilesOfOldProgramsAreRead(t *testing.T) {
	r := openFast(t, mem.New(), Options{})
	for _, plain := range []string{`{"packs":[]}`, `[1]`} {
		if got, err := r.LoadFile(t.Context(), Snapshots, putSealed(t, r, Snapshots, []byte(plain))); err != nil || string(got) != plain {
			t.Errorf("LoadFile of %s, not compressed = %q, %v", plain, got, err)
		}
	}
	r.config.Version = 1
	id, err := r.SaveFile(locked(t, r, Shared), Snapshots, []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := r.LoadRaw(t.Context(), Snapshots, id)
	if err != nil || len(stored) != 7+crypto.Overhead {
		t.Errorf("in a repository of version 1 stored are %d bytes, %v, want the plain JSON sealed", len(stored), err)
	}
}

func TestWhatIsNotWhatItShouldBeIsDamaged(t *testing.T) {
	b := mem.New()
	r := openFast(t, b, Options{})
	huge := bytes.Repeat([]byte(" "), 17<<20)
	flipped := putSealed(t, r, Snapshots, frame(t, []byte(`{}`)))
	flip(t, b, Snapshots.Name(flipped), 30)
	misnamed := crypto.Hash([]byte("another name"))
	replace(t, b, Snapshots.Name(misnamed), []byte("bytes of another name"))
	foreign := crypto.Hash([]byte("not sealed at all, but named by its hash"))
	replace(t, b, Snapshots.Name(foreign), []byte("not sealed at all, but named by its hash"))
	large := crypto.Hash(huge)
	replace(t, b, Snapshots.Name(large), huge)
	for name, id := range map[string]crypto.ID{
		"an empty plaintext":        putSealed(t, r, Snapshots, nil),
		"an unknown first byte":     putSealed(t, r, Snapshots, []byte("\x01{}")),
		"a frame without its mark":  putSealed(t, r, Snapshots, frame(t, []byte(`{}`))[1:]),
		"a mark without frame":      putSealed(t, r, Snapshots, []byte{2}),
		"a broken frame":            putSealed(t, r, Snapshots, frame(t, huge[:1000])[:12]),
		"a frame of 17 MiB":         putSealed(t, r, Snapshots, frame(t, huge)),
		"two frames of 10 MiB each": putSealed(t, r, Snapshots, append(frame(t, huge[:10<<20]), frame(t, huge[:10<<20])[1:]...)),
		"a flipped bit":             flipped,
		"a name that isn't its own": misnamed,
		"bytes that aren't sealed":  foreign,
		"a file of 17 MiB":          large,
	} {
		if got, err := r.LoadFile(t.Context(), Snapshots, id); !errors.Is(err, ErrDamaged) || got != nil {
			t.Errorf("LoadFile of %s = %d bytes, %v, want ErrDamaged", name, len(got), err)
		}
	}
	missing := crypto.ID{1}
	if _, err := r.LoadFile(t.Context(), Snapshots, missing); !errors.Is(err, storage.ErrNotFound) || errors.Is(err, ErrDamaged) {
		t.Errorf("LoadFile of a file that isn't there = %v, want ErrNotFound", err)
	}
}

func TestAFileThatCameDamagedOnceIsReadAgain(t *testing.T) {
	inner := mem.New()
	id := put(t, openFast(t, inner, Options{}), Snapshots, `{"a":1}`)
	for n, want := range []bool{true, true, false} {
		faults := storagetest.Faults{}
		for i := range n {
			faults.At = append(faults.At, storagetest.At{N: i + 1, Op: storagetest.Load, Fault: storagetest.FlipBody})
		}
		b := storagetest.NewFaulty(inner, faults)
		_, err := openFast(t, b, Options{}).LoadFile(t.Context(), Snapshots, id)
		if want != (err == nil) || !want && !errors.Is(err, ErrDamaged) {
			t.Errorf("LoadFile that comes damaged %d times = %v, want success %v", n, err, want)
		}
	}
}

func TestAnErrorOfTheStorageIsNoDamage(t *testing.T) {
	inner := mem.New()
	id := put(t, openFast(t, inner, Options{}), Snapshots, `{"a":1}`)
	for _, fault := range []storagetest.Fault{storagetest.Refuse, storagetest.ShortRead} {
		b := storagetest.NewFaulty(inner, storagetest.Faults{At: []storagetest.At{{N: 1, Op: storagetest.Load, Fault: fault}}})
		if _, err := openFast(t, b, Options{}).LoadFile(t.Context(), Snapshots, id); !errors.Is(err, storagetest.ErrInjected) || errors.Is(err, ErrDamaged) {
			t.Errorf("LoadFile with %s = %v, want it not to be called damage", fault, err)
		}
	}
}

func TestAListingHoldsOnlyWhatIsNamedLikeAFile(t *testing.T) {
	b := mem.New()
	r := openFast(t, b, Options{})
	pack := crypto.Hash([]byte("a pack")).String()
	for _, name := range []string{"data/" + pack[:2] + "/" + pack, "data/" + pack, "data/00/" + pack, "data/" + pack[:2] + "/" + pack + ".tmp", "data/.DS_Store",
		"data/" + pack[:2] + "/" + strings.ToUpper(pack)} {
		replace(t, b, name, []byte("12345"))
	}
	var got []FileInfo
	for info, err := range r.List(t.Context(), Packs) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, info)
	}
	if len(got) != 1 || got[0].ID.String() != pack || got[0].Size != 5 {
		t.Errorf("List = %v, want %s of 5 bytes", got, pack)
	}
}

func TestAListingThatFailsSaysSo(t *testing.T) {
	inner := mem.New()
	for i := range byte(10) {
		replace(t, inner, Snapshots.Name(crypto.ID{i}), []byte("x"))
	}
	b := storagetest.NewFaulty(inner, storagetest.Faults{At: []storagetest.At{{N: 1, Fault: storagetest.CutList}}})
	n, last := 0, error(nil)
	for _, err := range openFast(t, b, Options{}).List(t.Context(), Snapshots) {
		n, last = n+1, err
	}
	if !errors.Is(last, storagetest.ErrInjected) {
		t.Errorf("List ends after %d with %v, want the fault", n, last)
	}
}

func TestAFileIsFoundByItsPrefix(t *testing.T) {
	b := mem.New()
	r := openFast(t, b, Options{})
	one, two := crypto.ID{0xab, 0x01}, crypto.ID{0xab, 0x02}
	replace(t, b, Snapshots.Name(one), nil)
	if got, err := r.FindFile(t.Context(), Snapshots, ""); err != nil || got != one {
		t.Errorf("FindFile of the only file = %v, %v", got, err)
	}
	replace(t, b, Snapshots.Name(two), nil)
	for _, c := range []struct {
		prefix string
		id     crypto.ID
		err    error
	}{
		{"ab01", one, nil},
		{two.String(), two, nil},
		{"ab", crypto.ID{}, ErrAmbiguous},
		{"ac", crypto.ID{}, storage.ErrNotFound},
		{"AB01", crypto.ID{}, storage.ErrNotFound},
		{one.String() + "0", crypto.ID{}, storage.ErrNotFound},
	} {
		if got, err := r.FindFile(t.Context(), Snapshots, c.prefix); got != c.id || !errors.Is(err, c.err) {
			t.Errorf("FindFile(%q) = %v, %v, want %v, %v", c.prefix, got, err, c.id, c.err)
		}
	}
}

func TestAFileThatIsTooLargeIsNotRead(t *testing.T) {
	for kind, limit := range map[FileType]int{Keys: 64 << 10, Locks: 64 << 10, Snapshots: 16 << 20} {
		inner := mem.New()
		p := make([]byte, limit+1)
		id := crypto.Hash(p)
		replace(t, inner, kind.Name(id), p)
		b := storagetest.NewFaulty(inner, storagetest.Faults{})
		if _, err := openFast(t, b, Options{}).LoadRaw(t.Context(), kind, id); !errors.Is(err, ErrDamaged) {
			t.Errorf("LoadRaw of %s of %d bytes = %v, want ErrDamaged", kind, len(p), err)
		}
		for _, c := range b.Trace() {
			if c.Op == storagetest.Load {
				t.Errorf("there was %v", c)
			}
		}
	}
}
