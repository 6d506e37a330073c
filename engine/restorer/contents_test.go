package restorer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/restorer"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage/storagetest"
)

func TestFetchDeliversEveryFile(t *testing.T) {
	s := newSite(t)
	same := randomBytes(1, 70<<10)
	root := s.save(folder{"a": lines("one", "two"), "b": lines(), "c": folder{"d": lines("two", "three", "two")}, "e": chunks{same, same, []byte("x"), same}, "f": chunks{randomBytes(2, 5<<20)}})
	files := s.wanted(root)
	got := s.fetch(files, nil)
	want := [][]byte{[]byte("onetwo"), nil, []byte("twothreetwo"), append(append(append(bytes.Clone(same), same...), 'x'), same...), randomBytes(2, 5<<20)}
	for i := range files {
		if got.done[i] != nil || !bytes.Equal(got.files[i], want[i]) {
			t.Errorf("%q: %d bytes, %v, want %d", files[i].Path, len(got.files[i]), got.done[i], len(want[i]))
		}
	}
}

func TestAChunkIsLoadedOnceHoweverOftenItIsUsed(t *testing.T) {
	s := newSite(t)
	c := lines("again and again")
	f := folder{}
	for i := range 50 {
		f[fmt.Sprint(i)] = append(c, c...)
	}
	files := s.wanted(s.save(f))
	trace := storagetest.NewFaulty(s.files, storagetest.Faults{})
	s.Backend = trace
	got := s.fetch(files, nil)
	if n := len(trace.Trace()); n != 1 {
		t.Errorf("%d calls of the storage", n)
	}
	for i := range files {
		if string(got.files[i]) != "again and againagain and again" {
			t.Errorf("file %d is %q", i, got.files[i])
		}
	}
}

func TestAMissingChunkCostsItsFilesOnly(t *testing.T) {
	s := newSite(t)
	there := s.blobs(pack.Data, []byte("there"))
	gone := crypto.Hash([]byte("gone"))
	root := s.save(folder{"a": lines("1"), "b": []crypto.ID{there[0], gone, there[0]}, "c": []crypto.ID{gone}, "d": there})
	got := s.fetch(s.wanted(root), nil)
	for i, lost := range []bool{false, true, true, false} {
		if err := got.done[i]; errors.Is(err, repo.ErrUnknownBlob) != lost {
			t.Errorf("file %d: Done(%v)", i, err)
		}
	}
	if string(got.files[3]) != "there" {
		t.Errorf("a file beside the lost ones is %q", got.files[3])
	}
}

func TestADamagedChunkCostsItsFilesOnly(t *testing.T) {
	s := newSite(t)
	ids := s.blobs(pack.Data, randomBytes(1, 1000), randomBytes(2, 1000), randomBytes(3, 1000))
	root := s.save(folder{"a": ids[:1], "b": ids, "c": ids[2:]})
	files := s.wanted(root)
	s.damage(ids[1])
	got := s.fetch(files, nil)
	for i, lost := range []bool{false, true, false} {
		var damage *repo.DamageError
		if errors.As(got.done[i], &damage) != lost || lost && damage.Blob.ID != ids[1] {
			t.Errorf("file %d: Done(%v)", i, got.done[i])
		}
	}
}

func TestAPackThatIsGoneCostsItsFilesOnly(t *testing.T) {
	s := newSite(t)
	root := s.save(folder{"a": lines("1"), "b": lines("2"), "c": lines("1", "2")})
	if err := s.files.Remove(t.Context(), s.packOf(crypto.Hash([]byte("2")))); err != nil {
		t.Fatal(err)
	}
	got := s.fetch(s.wanted(root), nil)
	for i, lost := range []bool{false, true, true} {
		if errors.Is(got.done[i], repo.ErrDamaged) != lost {
			t.Errorf("file %d: Done(%v)", i, got.done[i])
		}
	}
}

func TestADamagedChunkIsTakenFromASecondPack(t *testing.T) {
	s := newSite(t)
	content := randomBytes(1, 1000)
	ids := s.blobs(pack.Data, content)
	s.repo.ForgetIndex() // so that the next run saves it again
	s.blobs(pack.Data, content)
	if err := s.repo.LoadIndex(s.ctx); err != nil {
		t.Fatal(err)
	}
	root := s.save(folder{"a": ids})
	s.damage(ids[0])
	if got := s.fetch(s.wanted(root), nil); got.done[0] != nil || !bytes.Equal(got.files[0], content) {
		t.Errorf("Done(%v) after %d bytes", got.done[0], len(got.files[0]))
	}
}

func TestATransientFaultCostsNothing(t *testing.T) {
	s := newSite(t)
	root := s.save(folder{"a": lines("1", "2", "3")})
	files := s.wanted(root)
	s.Backend = storagetest.NewFaulty(s.files, storagetest.Faults{At: []storagetest.At{{N: 1, Op: storagetest.Load, Fault: storagetest.FlipBody}}})
	if got := s.fetch(files, nil); got.done[0] != nil || string(got.files[0]) != "123" {
		t.Errorf("Done(%v) after %q", got.done[0], got.files[0])
	}
}

func TestOnlyWhatIsWantedIsDelivered(t *testing.T) {
	s := newSite(t)
	root := s.save(folder{"f": lines("0123", "4567", "89ab", "cdef")})
	for name, c := range map[string]struct {
		want []entry.Range
		got  string
	}{
		"all":               {nil, "0123456789abcdef"},
		"nothing":           {[]entry.Range{}, ""},
		"one chunk":         {[]entry.Range{{Offset: 4, Length: 4}}, "\x00\x00\x00\x004567"},
		"parts of two":      {[]entry.Range{{Offset: 7, Length: 2}}, "\x00\x00\x00\x00456789ab"},
		"first and last":    {[]entry.Range{{Offset: 0, Length: 1}, {Offset: 15, Length: 1}}, "0123\x00\x00\x00\x00\x00\x00\x00\x00cdef"},
		"behind the end":    {[]entry.Range{{Offset: 16, Length: 5}}, ""},
		"an empty range":    {[]entry.Range{{Offset: 4}}, ""},
		"ranges that touch": {[]entry.Range{{Offset: 4, Length: 2}, {Offset: 6, Length: 2}}, "\x00\x00\x00\x004567"},
	} {
		into := newSink()
		into.want = func(int) []entry.Range { return c.want }
		s.fetch(s.wanted(root), into)
		if into.done[0] != nil || string(into.files[0]) != c.got {
			t.Errorf("%s: %q, %v, want %q", name, into.files[0], into.done[0], c.got)
		}
	}
}

func TestAFileThatCannotBeWrittenIsLostAlone(t *testing.T) {
	s := newSite(t)
	root := s.save(folder{"a": lines("1", "2", "3"), "b": lines("1", "3")})
	full := errors.New("no space")
	into := newSink()
	var writes atomic.Int64
	into.write = func(i int) error {
		if i == 0 {
			writes.Add(1)
			return full
		}
		return nil
	}
	s.fetch(s.wanted(root), into)
	if n := writes.Load(); n != 1 {
		t.Errorf("%d writes were tried to the file that can't be written", n)
	}
	if !errors.Is(into.done[0], full) || into.done[1] != nil || string(into.files[1]) != "13" {
		t.Errorf("Done(%v) of the one, Done(%v) of the other with %q", into.done[0], into.done[1], into.files[1])
	}
}

func TestFetchReturnsSoonWhenTheContextEnds(t *testing.T) {
	s := newSite(t)
	f := folder{}
	for i := range 20 {
		f[fmt.Sprint(i)] = chunks{randomBytes(uint64(i/10), 100)} // two chunks, of ten files each
	}
	files := s.wanted(s.save(f))
	why := errors.New("the plug was pulled")
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	into := newSink()
	var once atomic.Bool
	into.write = func(int) error {
		if once.CompareAndSwap(false, true) {
			cancel(why)
		}
		return nil
	}
	if err := restorer.NewContents(s.repo, 1).Fetch(ctx, files, into); !errors.Is(err, why) {
		t.Errorf("Fetch = %v", err)
	}
	if len(into.files) > 2 {
		t.Errorf("%d files were written after the cancel", len(into.files)-1)
	}
}

func TestEntriesOfOthersAreRefused(t *testing.T) {
	s := newSite(t)
	c := restorer.NewContents(s.repo, 0)
	foreign := entry.Entry{Path: "f", Meta: entry.Meta{Name: "f", Type: entry.File}}
	if err := c.Fetch(s.ctx, []entry.Entry{foreign}, newSink()); !errors.Is(err, restorer.ErrForeign) {
		t.Errorf("Fetch = %v", err)
	}
	if _, err := c.Open(s.ctx, foreign); !errors.Is(err, restorer.ErrForeign) {
		t.Errorf("Open = %v", err)
	}
	if _, err := c.Match(s.ctx, foreign, bytes.NewReader(nil)); !errors.Is(err, restorer.ErrForeign) {
		t.Errorf("Match = %v", err)
	}
}

func TestAStreamHasTheBytesInOrder(t *testing.T) {
	s := newSite(t)
	var c chunks
	var want []byte
	for i := range 20 {
		c = append(c, randomBytes(uint64(i), 1000+i))
		want = append(want, c[i]...)
	}
	f := s.wanted(s.save(folder{"f": c}))[0]
	r, err := restorer.NewContents(s.repo, 0).Open(s.ctx, f)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v, want %d", len(got), err, len(want))
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestAStreamMayBeClosedEarly(t *testing.T) {
	s := newSite(t)
	f := s.wanted(s.save(folder{"f": lines("1", "2", "3", "4", "5", "6")}))[0]
	for n := range 4 {
		r, err := restorer.NewContents(s.repo, 0).Open(s.ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, r, int64(n)); err != nil {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAStreamEndsWithTheErrorOfALostChunk(t *testing.T) {
	s := newSite(t)
	there := s.blobs(pack.Data, []byte("there"))
	f := s.wanted(s.save(folder{"f": []crypto.ID{there[0], crypto.Hash([]byte("gone")), there[0]}}))[0]
	r, err := restorer.NewContents(s.repo, 0).Open(s.ctx, f)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the error stays
		if _, err = io.ReadAll(r); !errors.Is(err, repo.ErrUnknownBlob) {
			t.Errorf("ReadAll = %v", err)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func randomBytes(seed uint64, n int) []byte {
	p := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(p) // never fails
	return p
}

// nowhere is a sink that keeps nothing.
type nowhere struct{}

func (nowhere) Want(int) []entry.Range           { return nil }
func (nowhere) WriteAt(int, []byte, int64) error { return nil }
func (nowhere) Done(int, error)                  {}

func BenchmarkFetch(b *testing.B) {
	s := newSite(b)
	f := folder{}
	for i := range 32 {
		f[fmt.Sprint(i)] = chunks{randomBytes(uint64(i), 1<<20)}
	}
	files := s.wanted(s.save(f))
	b.SetBytes(32 << 20)
	for b.Loop() {
		if err := restorer.NewContents(s.repo, 0).Fetch(s.ctx, files, nowhere{}); err != nil {
			b.Fatal(err)
		}
	}
}
