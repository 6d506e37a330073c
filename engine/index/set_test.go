package index

import (
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
)

func TestASetHoldsBlobsThatTheIndexKnewAndEachOnce(t *testing.T) {
	handle := func(kind pack.Type, n byte) pack.Handle { return pack.Handle{ID: crypto.Hash([]byte{n}), Type: kind} }
	x := New()
	for n := range byte(200) {
		blobs := []pack.Blob{{Handle: handle(pack.Data, n), Length: 40}, {Handle: handle(pack.Data, n/2), Offset: 40, Length: 40}}
		x.Add(crypto.Hash([]byte{n, 1}), blobs)
	}
	s := x.NewSet()
	for n := range byte(100) {
		if added, known := s.Add(handle(pack.Data, n)); !added || !known {
			t.Errorf("Add(%d) = %t, %t, want it added and known", n, added, known)
		}
	}
	x.Add(crypto.Hash([]byte("later")), []pack.Blob{{Handle: handle(pack.Data, 7), Length: 40}, {Handle: handle(pack.Data, 250), Offset: 40, Length: 40}})
	for n := range 1000 { // the table grows
		id := crypto.Hash([]byte{byte(n), byte(n >> 8), 1, 2})
		x.Add(id, []pack.Blob{{Handle: pack.Handle{ID: id, Type: pack.Data}, Length: 40}})
	}
	x.Add(crypto.Hash([]byte("tree")), []pack.Blob{{Handle: handle(pack.Tree, 1), Length: 40}})
	for n := range byte(200) {
		if got, want := s.Has(handle(pack.Data, n)), n < 100; got != want {
			t.Errorf("Has(%d) = %t, want %t", n, got, want)
		}
	}
	if added, known := s.Add(handle(pack.Data, 7)); added || !known {
		t.Errorf("Add of what is in it = %t, %t, want it known and not added", added, known)
	}
	for what, h := range map[string]pack.Handle{"of another type": handle(pack.Tree, 1), "unknown": handle(pack.Data, 251), "known later": handle(pack.Data, 250)} {
		if added, known := s.Add(h); added || known || s.Has(h) {
			t.Errorf("Add of a blob %s = %t, %t", what, added, known)
		}
	}
	if n := s.Len(); n != 100 {
		t.Errorf("Len = %d, want 100", n)
	}
}

func TestAnIterationYieldsWhatWasThereAtItsBeginning(t *testing.T) {
	x := New()
	for n := range byte(10) {
		x.Add(crypto.Hash([]byte{n}), []pack.Blob{{Handle: pack.Handle{ID: crypto.Hash([]byte{n, n})}, Length: 40}})
	}
	packs, blobs := 0, 0
	for id := range x.EachPack() {
		packs++
		x.Add(crypto.Hash(id[:]), []pack.Blob{{Handle: pack.Handle{ID: id}, Length: 40}})
	}
	for l := range x.Blobs(pack.Data) {
		blobs++
		x.Add(l.ID, []pack.Blob{{Handle: pack.Handle{ID: crypto.Hash(l.ID[:])}, Length: 40}})
	}
	if packs != 10 || blobs != 20 {
		t.Errorf("%d packs and %d blobs, want 10 and 20", packs, blobs)
	}
}
