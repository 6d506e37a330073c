package pack

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"testing"
	"unsafe"

	"github.com/backstay/backstay/engine/crypto"
)

// add adds each content as a blob of its own, not compressed.
func add(t testing.TB, w *Writer, kind Type, contents ...string) {
	t.Helper()
	for _, content := range contents {
		n, err := w.Add(Handle{ID: crypto.Hash([]byte(content)), Type: kind}, []byte(content), 0)
		if err != nil || n != len(content)+crypto.Overhead {
			t.Fatalf("Add(%q) = %d, %v, want %d", content, n, err, len(content)+crypto.Overhead)
		}
	}
}

// wantPack fails the test unless p is a pack of these contents in this order, and blobs lists them.
func wantPack(t testing.TB, key *crypto.Key, id crypto.ID, p []byte, blobs []Blob, contents ...string) {
	t.Helper()
	if crypto.Hash(p) != id {
		t.Errorf("the ID is %s, want the hash of the pack, %s", id, crypto.Hash(p))
	}
	parsed, err := Parse(key, int64(len(p)), p)
	if err != nil || !slices.Equal(parsed, blobs) {
		t.Fatalf("Parse = %v, %v, want what Finish returned, %v", parsed, err, blobs)
	}
	var got []string
	for _, b := range blobs {
		plain, err := key.Open(nil, p[b.Offset:b.Offset+b.Length])
		if err != nil || crypto.Hash(plain) != b.ID {
			t.Fatalf("blob %v opens to %q, %v", b, plain, err)
		}
		got = append(got, string(plain))
	}
	if !slices.Equal(got, contents) {
		t.Errorf("the pack holds %q, want %q", got, contents)
	}
}

func TestAFinishedPackHoldsWhatWasAdded(t *testing.T) {
	key := newKey(t)
	w := NewWriter(key, rand.Reader, 1<<10)
	add(t, w, Tree, "one", "", "three")
	if w.Count() != 3 || w.Size() != 8+3*crypto.Overhead {
		t.Errorf("Count, Size = %d, %d, want 3, %d", w.Count(), w.Size(), 8+3*crypto.Overhead)
	}
	id, p, blobs, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	wantPack(t, key, id, p, blobs, "one", "", "three")
	if want := 8 + 3*32 + 32 + 4 + 3*37; len(p) != want {
		t.Errorf("the pack has %d bytes, want each blob and its box, a box of three entries, and its length: %d", len(p), want)
	}
	if n := binary.LittleEndian.Uint32(p[len(p)-4:]); n != 32+3*37 {
		t.Errorf("the pack ends with %d, want the length of its sealed header, %d", n, 32+3*37)
	}
}

func TestAResetWriterMakesAnotherPackInTheSameMemory(t *testing.T) {
	key := newKey(t)
	w := NewWriter(key, rand.Reader, 4<<10)
	add(t, w, Data, "first")
	_, first, firstBlobs, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	w.Reset()
	add(t, w, Data, "second")
	id, second, blobs, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	wantPack(t, key, id, second, blobs, "second")
	if unsafe.SliceData(first) != unsafe.SliceData(second) {
		t.Error("the second pack is in other memory than the first")
	}
	if firstBlobs[0].ID != crypto.Hash([]byte("first")) {
		t.Error("the list of the first pack's blobs was overwritten by the second's")
	}
}

func TestAnEmptyPackIsNotFinished(t *testing.T) {
	if _, _, _, err := NewWriter(newKey(t), rand.Reader, 0).Finish(); err == nil {
		t.Error("Finish of an empty pack = nil error")
	}
}

func TestMergedPacksAreOne(t *testing.T) {
	key := newKey(t)
	a, b := NewWriter(key, rand.Reader, 0), NewWriter(key, rand.Reader, 0)
	add(t, a, Data, "a1", "a2")
	add(t, b, Data, "b1", "b2 is longer")
	a.Merge(b)
	if b.Count() != 0 || b.Size() != 0 {
		t.Errorf("the merged Writer has %d blobs in %d bytes left, want none", b.Count(), b.Size())
	}
	add(t, a, Data, "a3")
	id, p, blobs, err := a.Finish()
	if err != nil {
		t.Fatal(err)
	}
	wantPack(t, key, id, p, blobs, "a1", "a2", "b1", "b2 is longer", "a3")
}

func TestAPackIsFullAtItsSizeOrWithAsManyBlobsAsItsHeaderHolds(t *testing.T) {
	w := NewWriter(newKey(t), rand.Reader, 0)
	add(t, w, Data, "1234567890")
	if size := w.Size(); w.Full(size+1) || !w.Full(size) {
		t.Errorf("Full at %d of %d and %d bytes = %v, %v, want false, true", size, size+1, size, w.Full(size+1), w.Full(size))
	}
	w.blobs = make([]Blob, MaxBlobs-1)
	if w.Full(1 << 20) {
		t.Errorf("Full with %d blobs = true", len(w.blobs))
	}
	w.blobs = make([]Blob, MaxBlobs)
	if !w.Full(1 << 20) {
		t.Errorf("Full with %d blobs = false", len(w.blobs))
	}
}

func TestTheLargestHeaderIsParsed(t *testing.T) {
	key := newKey(t)
	blobs := make([]Blob, MaxBlobs)
	for i := range blobs {
		blobs[i] = Blob{Offset: uint32(i) * 33, Length: 33, UncompressedLength: 1}
	}
	if n := HeaderSize(blobs); n > 16<<20+4 || n+compressedEntry <= 16<<20+4 {
		t.Errorf("HeaderSize of MaxBlobs compressed blobs = %d, want just below 16 MiB", n)
	}
	p, size := tail(t, key, appendHeader(nil, blobs), 33*MaxBlobs)
	if got, err := Parse(key, size, p); err != nil || !slices.Equal(got, blobs) {
		t.Errorf("Parse of a header of %d bytes = %d blobs, %v, want %d", len(p), len(got), err, len(blobs))
	}
}

func TestAFailedAddLeavesThePackAsItWas(t *testing.T) {
	key := newKey(t)
	w := NewWriter(key, io.LimitReader(rand.Reader, 16), 1<<10)
	add(t, w, Data, "good")
	if _, err := w.Add(Handle{}, []byte("there is no IV left for this"), 0); err == nil {
		t.Fatal("Add with an exhausted random source = nil error")
	}
	w.rand = rand.Reader
	add(t, w, Data, "next")
	id, p, blobs, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	wantPack(t, key, id, p, blobs, "good", "next")
}

func TestAHeaderThatParsesToSomethingElseIsRefused(t *testing.T) {
	w := NewWriter(newKey(t), rand.Reader, 0)
	add(t, w, Data, "a", "b")
	w.blobs[1].Offset++ // a bit of memory that changed
	if _, _, _, err := w.Finish(); !errors.Is(err, ErrSealMismatch) {
		t.Errorf("Finish = %v, want ErrSealMismatch", err)
	}
}

func TestABlobBeyond4GiBIsRefused(t *testing.T) {
	w := NewWriter(newKey(t), rand.Reader, 0)
	w.buf = make([]byte, math.MaxUint32-crypto.Overhead) // never touched, so it takes no memory
	if _, err := w.Add(Handle{}, []byte{0}, 0); err == nil || w.Count() != 0 {
		t.Errorf("Add beyond 4 GiB = %v, and %d blobs in the pack, want an error and none", err, w.Count())
	}
}
