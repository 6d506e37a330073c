package repo

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
)

// packed saves blobs of the sizes as one pack that an index names, and returns it.
func packed(t testing.TB, r *Repo, seed uint64, sizes ...int) (crypto.ID, []pack.Blob) {
	t.Helper()
	w := pack.NewWriter(r.key, r.opt.Rand, 0)
	for i, n := range sizes {
		h, plain := noise(pack.Data, seed+uint64(i), n)
		err := r.codec.Encode(h, plain, func(e Encoded) error {
			_, err := w.Add(h, e.Packed, e.UncompressedLength)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	id, p, blobs, err := w.Finish()
	if err == nil {
		err = r.saveRaw(t.Context(), Packs, id, bytes.Clone(p))
	}
	if err != nil {
		t.Fatal(err)
	}
	var f index.File
	f.Add(id, blobs)
	put(t, r, Index, string(f.JSON()))
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	return id, blobs
}

// loads returns the reads of packs.
func loads(b *storagetest.Faulty) (calls []storagetest.Call) {
	for _, c := range b.Trace() {
		if c.Op == storagetest.Load && c.Name[:5] == "data/" {
			calls = append(calls, c)
		}
	}
	return calls
}

// collect loads blobs of a pack and returns which came whole, and which did not.
func collect(t testing.TB, r *Repo, id crypto.ID, blobs []pack.Blob) (whole []crypto.ID, lost map[crypto.ID]error) {
	t.Helper()
	lost = make(map[crypto.ID]error)
	err := r.LoadPack(t.Context(), id, blobs, func(b pack.Blob, plain []byte, err error) error {
		switch {
		case err != nil:
			lost[b.ID] = err
		case crypto.Hash(plain) != b.ID:
			t.Errorf("LoadPack gives other bytes for blob %s", b.Handle)
		default:
			whole = append(whole, b.ID)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return whole, lost
}

func TestBlobsThatLieTogetherAreReadAtOnce(t *testing.T) {
	b := storagetest.NewFaulty(mem.New(), storagetest.Faults{})
	r := openFast(t, b, Options{})
	id, all := packed(t, r, 0, 1000, 1000, 60<<10, 1000, 70<<10, 1000, 3<<20, 2<<20, 5<<20, 10)
	for name, c := range map[string]struct {
		want  []int // positions in the pack
		reads int
	}{
		"one":                             {[]int{3}, 1},
		"neighbours":                      {[]int{0, 1, 2, 3}, 1},
		"a small gap between":             {[]int{1, 3}, 1},
		"a large gap between":             {[]int{3, 5}, 2},
		"more than is read at once":       {[]int{6, 7}, 2},
		"one that is larger than a span":  {[]int{8}, 1},
		"in any order, one of them twice": {[]int{3, 0, 1, 1}, 2},
		"none":                            {nil, 0},
		"all":                             {[]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 4},
	} {
		var blobs []pack.Blob
		for _, i := range c.want {
			blobs = append(blobs, all[i])
		}
		before := len(loads(b))
		whole, lost := collect(t, r, id, blobs)
		if len(whole) != len(c.want) || len(lost) > 0 {
			t.Errorf("%s: %d of %d blobs came, lost are %v", name, len(whole), len(c.want), lost)
		}
		if n := len(loads(b)) - before; n != c.reads {
			t.Errorf("%s: LoadPack took %d reads, want %d", name, n, c.reads)
		}
	}
}

func TestADamagedBlobIsTakenFromAnotherPack(t *testing.T) {
	for name, spoil := range map[string]func(b storage.Backend, id crypto.ID, at pack.Blob){
		"flipped": func(b storage.Backend, id crypto.ID, at pack.Blob) { flip(t, b, Packs.Name(id), int(at.Offset)+20) },
		"cut": func(b storage.Backend, id crypto.ID, at pack.Blob) {
			p, err := storage.LoadAll(t.Context(), b, Packs.Name(id))
			if err != nil {
				t.Fatal(err)
			}
			replace(t, b, Packs.Name(id), p[:at.Offset+10])
		},
		"gone": func(b storage.Backend, id crypto.ID, _ pack.Blob) {
			if err := b.Remove(t.Context(), Packs.Name(id)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		b := mem.New()
		r := openFast(t, b, Options{})
		first, blobs := packed(t, r, 0, 500, 600, 700)
		spoil(b, first, blobs[2])
		h := blobs[2].Handle

		_, err := r.LoadBlob(t.Context(), h, nil)
		damage := (*DamageError)(nil)
		if !errors.Is(err, ErrDamaged) || !errors.As(err, &damage) || damage.ID != first || damage.Blob != h {
			t.Errorf("%s: LoadBlob = %v, want a DamageError of %s in %s", name, err, h, first.Short())
		}
		whole, lost := collect(t, r, first, slices.Clone(blobs))
		if len(lost) == 0 || !errors.Is(lost[h.ID], ErrDamaged) || name != "gone" && len(whole) != 2 {
			t.Errorf("%s: LoadPack gives %v and loses %v, want the one that is damaged to be lost", name, whole, lost)
		}
		packed(t, r, 2, 700, 10) // the same blob again
		if _, err := r.LoadBlob(t.Context(), h, nil); err != nil {
			t.Errorf("%s: LoadBlob with a second copy = %v", name, err)
		}
		if _, lost := collect(t, r, first, slices.Clone(blobs)); lost[h.ID] != nil {
			t.Errorf("%s: LoadPack with a second copy loses %v", name, lost)
		}
	}
}

func TestAFaultThatPassesIsNoDamage(t *testing.T) {
	inner := mem.New()
	id, blobs := packed(t, openFast(t, inner, Options{}), 0, 500, 600, 700)
	size := int64(blobs[2].Offset+blobs[2].Length) + int64(pack.HeaderSize(blobs))
	for _, fault := range []storagetest.Fault{storagetest.FlipBody, storagetest.ShortRead} {
		open := func() *Repo {
			r := openFast(t, inner, Options{})
			if err := r.LoadIndex(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.backend = storagetest.NewFaulty(inner, storagetest.Faults{At: []storagetest.At{{N: 1, Op: storagetest.Load, Fault: fault}}})
			return r
		}
		if _, err := open().LoadBlob(t.Context(), blobs[1].Handle, nil); err != nil {
			t.Errorf("LoadBlob with one %s = %v", fault, err)
		}
		if whole, lost := collect(t, open(), id, slices.Clone(blobs)); len(whole) != 3 {
			t.Errorf("LoadPack with one %s loses %v", fault, lost)
		}
		if got, err := open().PackBlobs(t.Context(), id, size); err != nil || !slices.Equal(got, blobs) {
			t.Errorf("PackBlobs with one %s = %v, %v", fault, got, err)
		}
	}
}

func TestAStorageThatIsDownIsNotCalledDamagedNorAskedForEachBlob(t *testing.T) {
	inner := mem.New()
	id, blobs := packed(t, openFast(t, inner, Options{}), 0, 500, 600, 700)
	b := storagetest.NewFaulty(inner, storagetest.Faults{})
	r := openFast(t, b, Options{})
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	down := storagetest.NewFaulty(inner, storagetest.Faults{Chance: map[storagetest.Fault]float64{storagetest.Refuse: 1}})
	r.backend = down
	_, lost := collect(t, r, id, slices.Clone(blobs))
	for _, blob := range blobs {
		if err := lost[blob.ID]; !errors.Is(err, storagetest.ErrInjected) || errors.Is(err, ErrDamaged) {
			t.Errorf("LoadPack gives %v for %s, want the error of the storage", err, blob.Handle)
		}
	}
	if n := len(loads(down)); n != 1 {
		t.Errorf("LoadPack asked %d times, want once", n)
	}
	if _, err := r.LoadBlob(t.Context(), blobs[0].Handle, nil); !errors.Is(err, storagetest.ErrInjected) || errors.Is(err, ErrDamaged) {
		t.Errorf("LoadBlob = %v, want the error of the storage", err)
	}
}

func TestAWrongIndexIsNoticed(t *testing.T) {
	r := openFast(t, mem.New(), Options{})
	id, blobs := packed(t, r, 0, 500, 600)
	for name, wrong := range map[string]pack.Blob{
		"another offset":    {Handle: pack.Handle{ID: crypto.Hash([]byte("1"))}, Offset: 1, Length: blobs[0].Length},
		"another length":    {Handle: pack.Handle{ID: crypto.Hash([]byte("2"))}, Length: blobs[0].Length - 1},
		"another blob":      {Handle: pack.Handle{ID: crypto.Hash([]byte("3"))}, Offset: blobs[1].Offset, Length: blobs[1].Length},
		"compressed":        {Handle: pack.Handle{ID: crypto.Hash([]byte("4"))}, Length: blobs[0].Length, UncompressedLength: 1000},
		"beyond the end":    {Handle: pack.Handle{ID: crypto.Hash([]byte("5"))}, Offset: 1 << 20, Length: 100},
		"a blob of 3 GiB":   {Handle: pack.Handle{ID: crypto.Hash([]byte("6"))}, Length: 3 << 30},
		"3 GiB once opened": {Handle: pack.Handle{ID: crypto.Hash([]byte("7"))}, Length: blobs[0].Length, UncompressedLength: 3 << 30},
	} {
		r.Index().Add(id, []pack.Blob{wrong})
		if got, err := r.LoadBlob(t.Context(), wrong.Handle, nil); !errors.Is(err, ErrDamaged) || got != nil {
			t.Errorf("LoadBlob with %s in the index = %d bytes, %v, want ErrDamaged", name, len(got), err)
		}
		if _, lost := collect(t, r, id, []pack.Blob{wrong}); !errors.Is(lost[wrong.ID], ErrDamaged) {
			t.Errorf("LoadPack with %s in the index gives %v, want ErrDamaged", name, lost)
		}
	}
	if _, err := r.LoadBlob(t.Context(), pack.Handle{ID: crypto.Hash([]byte("none"))}, nil); !errors.Is(err, ErrUnknownBlob) || errors.Is(err, ErrDamaged) {
		t.Errorf("LoadBlob of an unknown blob = %v, want ErrUnknownBlob", err)
	}
}

func TestACompressedBlobMustBeAsLongAsTheIndexSays(t *testing.T) {
	r := openFast(t, mem.New(), Options{})
	plain := make([]byte, 100_000)
	h := pack.Handle{ID: crypto.Hash(plain), Type: pack.Data}
	ctx := locked(t, r, Shared)
	w := r.NewWriter()
	defer w.Close()
	if _, err := w.SaveBlob(ctx, h, plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	l, _ := r.Index().First(h)
	if l.UncompressedLength != 100_000 || l.Length > 1000 {
		t.Fatalf("100,000 zeros are stored as %v, want them compressed", l)
	}
	for _, n := range []uint32{1, 99_999, 100_001, 1 << 29} {
		l.UncompressedLength = n
		if _, err := r.loadFrom(ctx, []index.Location{l}, nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("a blob of 100,000 bytes read as %d = %v, want ErrDamaged", n, err)
		}
	}
}

func TestTheCallerEndsTheReading(t *testing.T) {
	r := openFast(t, mem.New(), Options{})
	id, blobs := packed(t, r, 0, 500, 600, 700)
	stop, calls := errors.New("stop"), 0
	err := r.LoadPack(t.Context(), id, blobs, func(pack.Blob, []byte, error) error { calls++; return stop })
	if err != stop || calls != 1 {
		t.Errorf("LoadPack = %v after %d calls, want the caller's error after 1", err, calls)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	err = r.LoadPack(ctx, id, blobs, func(pack.Blob, []byte, error) error { cancel(stop); return nil })
	if err != stop {
		t.Errorf("LoadPack whose context ends = %v, want its cause", err)
	}
}

func TestALongHeaderIsRead(t *testing.T) {
	r := openFast(t, mem.New(), Options{})
	id, blobs := packed(t, r, 0, slices.Repeat([]int{40}, 1000)...)
	size := int64(blobs[999].Offset+blobs[999].Length) + int64(pack.HeaderSize(blobs))
	if got, err := r.PackBlobs(t.Context(), id, size); err != nil || !slices.Equal(got, blobs) {
		t.Errorf("PackBlobs = %d blobs, %v, want %d", len(got), err, len(blobs))
	}
	for _, wrong := range []int64{0, 3, 72, size - 1, size + 1} {
		if got, err := r.PackBlobs(t.Context(), id, wrong); !errors.Is(err, ErrDamaged) {
			t.Errorf("PackBlobs of a pack said to have %d bytes = %d blobs, %v, want ErrDamaged", wrong, len(got), err)
		}
	}
}

func TestLoadIndexReadsOnlyWhatIsNew(t *testing.T) {
	inner := mem.New()
	writer := openFast(t, inner, Options{})
	_, one := packed(t, writer, 0, 100)
	b := storagetest.NewFaulty(inner, storagetest.Faults{})
	r := openFast(t, b, Options{})
	read := func() (n int) {
		before := len(b.Trace())
		if err := r.LoadIndex(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, c := range b.Trace()[before:] {
			if c.Op == storagetest.Load {
				n++
			}
		}
		return n
	}
	if n := read(); n != 1 || !r.Index().Has(one[0].Handle) {
		t.Errorf("the first LoadIndex reads %d files, want 1, and to know its blob", n)
	}
	_, two := packed(t, writer, 1, 100)
	if n := read(); n != 1 || !r.Index().Has(two[0].Handle) {
		t.Errorf("LoadIndex after one more file reads %d, want 1, and to know its blob", n)
	}
	if n := read(); n != 0 {
		t.Errorf("LoadIndex without news reads %d files", n)
	}
}

func TestLoadIndexForgetsWhatIsGone(t *testing.T) {
	b := mem.New()
	r := openFast(t, b, Options{})
	_, old := packed(t, r, 0, 100)
	first := names(t, b, Index)[0]
	_, kept := packed(t, r, 1, 100)
	if err := b.Remove(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r.Index().Has(old[0].Handle) || !r.Index().Has(kept[0].Handle) {
		t.Error("after an index file was removed its blob is known still, or the other's is not")
	}
}

func TestWhatIsSavedWhileTheIndexIsReadAnewIsKnown(t *testing.T) {
	inner := mem.New()
	b := hook(inner)
	r := openFast(t, b, Options{})
	packed(t, r, 0, 100)
	first := names(t, inner, Index)[0]
	packed(t, r, 1, 100)
	if err := inner.Remove(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	ctx := locked(t, r, Shared)
	var once sync.Once
	b.before(func(_ context.Context, op storagetest.Op, name string) error {
		if op == storagetest.Load && name[:5] == "index" {
			once.Do(func() {
				w := r.NewWriter()
				defer w.Close()
				save(t, ctx, w, pack.Data, 50, 1, 100)
				if err := w.Flush(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		return nil
	})
	if err := r.LoadIndex(ctx); err != nil {
		t.Fatal(err)
	}
	h, _ := noise(pack.Data, 50, 100)
	if n := len(r.Index().Lookup(h)); n != 1 || r.Index().Count(pack.Data) != 2 {
		t.Errorf("the blob is known in %d places, and %d blobs in all, want 1 and 2", n, r.Index().Count(pack.Data))
	}
}

func TestAnIndexFileThatCantBeReadIsAnError(t *testing.T) {
	b := mem.New()
	r := openFast(t, b, Options{})
	packed(t, r, 0, 100)
	for name, id := range map[string]crypto.ID{
		"half a list":         put(t, r, Index, `{"packs":[`),
		"a list that is none": put(t, r, Index, `{"packs":7}`),
	} {
		other := openFast(t, b, Options{})
		err := other.LoadIndex(t.Context())
		if !errors.Is(err, ErrDamaged) || !errors.Is(err, index.ErrFormat) {
			t.Errorf("LoadIndex beside %s = %v, want ErrDamaged", name, err)
		}
		if err := b.Remove(t.Context(), Index.Name(id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.LoadIndex(t.Context()); err != nil || r.Index().Count(pack.Data) != 1 {
		t.Errorf("LoadIndex afterwards = %v, and %d blobs", err, r.Index().Count(pack.Data))
	}
}

func TestAFileOfAnotherKindAmongTheIndexFilesIsPassedOver(t *testing.T) {
	var notices []string
	r := openFast(t, mem.New(), Options{Progress: func(e progress.Event) {
		if e.Kind == progress.Notice {
			notices = append(notices, e.Text)
		}
	}})
	put(t, r, Index, `{"time":"2026-01-01T00:00:00Z","tree":"ac08ce34ba4f8123618661bef2425f7028ffb9ac740578a3ee88684d2523fee8","paths":["/"]}`)
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Errorf("LoadIndex with a snapshot among the index files: %v", err)
	}
	if len(notices) != 1 {
		t.Errorf("notices %q, want one", notices)
	}
	put(t, r, Index, `{"packs":[{"id":"x"}]}`)
	if err := r.LoadIndex(t.Context()); !errors.Is(err, ErrDamaged) {
		t.Errorf("LoadIndex with a malformed index = %v, want ErrDamaged", err)
	}
}
