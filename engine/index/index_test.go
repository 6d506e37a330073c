package index

import (
	"maps"
	"runtime"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
)

func TestABlobIsFoundInEachPackThatHasIt(t *testing.T) {
	x := New()
	b := blob(1, pack.Data, 0, 50, 0)
	moved := blob(1, pack.Data, 100, 60, 70)
	x.Add(number(10), []pack.Blob{b})
	x.Add(number(11), []pack.Blob{blob(2, pack.Data, 0, 100, 0), moved})

	want := []Location{{number(10), b}, {number(11), moved}}
	if got := x.Lookup(b.Handle); !slices.Equal(got, want) {
		t.Errorf("Lookup = %v, want %v", got, want)
	}
	if got, ok := x.First(b.Handle); !ok || got != want[0] {
		t.Errorf("First = %v, %v, want %v", got, ok, want[0])
	}
	if size, ok := x.Size(b.Handle); !ok || size != 50-crypto.Overhead {
		t.Errorf("Size = %d, %v, want %d", size, ok, 50-crypto.Overhead)
	}
	if n := x.Count(pack.Data); n != 3 {
		t.Errorf("Count = %d, want 3 places", n)
	}
}

func TestABlobOfOneTypeIsNotFoundAsTheOther(t *testing.T) {
	x := New()
	x.Add(number(10), []pack.Blob{blob(1, pack.Tree, 0, 50, 0)})
	h := pack.Handle{ID: number(1), Type: pack.Data}
	if _, ok := x.Size(h); ok || x.Has(h) || x.Lookup(h) != nil {
		t.Error("a tree is found as data")
	}
	h.Type = pack.Tree
	if !x.Has(h) {
		t.Error("the tree is not found as a tree")
	}
}

func TestAPackListedTwiceIsTakenInOnce(t *testing.T) {
	x := New()
	blobs := []pack.Blob{blob(1, pack.Data, 0, 50, 0), blob(1, pack.Data, 50, 50, 0), blob(2, pack.Tree, 100, 50, 0)}
	x.Add(number(10), blobs[:2]) // an index that was split
	x.Add(number(10), blobs)
	x.Add(number(10), blobs)
	if d, tr := x.Count(pack.Data), x.Count(pack.Tree); d != 2 || tr != 1 {
		t.Errorf("Count = %d data and %d trees, want 2 and 1", d, tr)
	}
	if got := x.Packs(); !slices.Equal(got, []crypto.ID{number(10)}) {
		t.Errorf("Packs = %v, want it once", got)
	}
}

func TestTwoIndexFilesThatDisagreeAreBothKept(t *testing.T) {
	x := New()
	wrong, right := blob(1, pack.Data, 0, 49, 0), blob(1, pack.Data, 0, 50, 0)
	x.Add(number(10), []pack.Blob{wrong})
	x.Add(number(10), []pack.Blob{right})
	want := []Location{{number(10), wrong}, {number(10), right}}
	if got := x.Lookup(right.Handle); !slices.Equal(got, want) {
		t.Errorf("Lookup = %v, want both, so that a reader can try each: %v", got, want)
	}
}

// TestAnIndexHoldsWhatWasAdded compares with a map, through several growths of the table.
func TestAnIndexHoldsWhatWasAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, places, packs := New(), map[pack.Handle][]Location{}, map[crypto.ID][]pack.Blob{}
		for range rapid.IntRange(0, 20).Draw(t, "packs") {
			id := number(1000 + rapid.Uint64Range(0, 30).Draw(t, "pack"))
			if x.HasPack(id) {
				continue
			}
			var blobs []pack.Blob
			offset := uint32(0)
			for range rapid.IntRange(0, 60).Draw(t, "blobs") {
				b := blob(rapid.Uint64Range(0, 200).Draw(t, "blob"), pack.Type(rapid.IntRange(0, 1).Draw(t, "type")), offset, 40, offset%3)
				offset += b.Length
				blobs = append(blobs, b)
				places[b.Handle] = append(places[b.Handle], Location{id, b})
			}
			packs[id] = slices.Clone(blobs)
			slices.Reverse(blobs) // the order inside an index file is free
			x.Add(id, blobs)
		}
		for n := range uint64(201) {
			for _, kind := range []pack.Type{pack.Data, pack.Tree} {
				h := pack.Handle{ID: number(n), Type: kind}
				got := x.Lookup(h)
				if len(got) != len(places[h]) || x.Has(h) != (len(got) > 0) {
					t.Fatalf("Lookup(%v) = %v, want %v", h, got, places[h])
				}
				for _, l := range places[h] {
					if !slices.Contains(got, l) {
						t.Fatalf("Lookup(%v) = %v, which lacks %v", h, got, l)
					}
				}
			}
		}
		yielded := map[crypto.ID][]pack.Blob{}
		for id, blobs := range x.EachPack() {
			yielded[id] = slices.Clone(blobs)
		}
		if !maps.EqualFunc(yielded, packs, slices.Equal) {
			t.Fatalf("EachPack yields %v, want %v", yielded, packs)
		}
		n := 0
		for _, kind := range []pack.Type{pack.Data, pack.Tree} {
			for l := range x.Blobs(kind) {
				if n++; !slices.Contains(places[l.Handle], l) {
					t.Fatalf("Blobs(%v) yields %v, which was not added", kind, l)
				}
			}
		}
		if n != x.Count(pack.Data)+x.Count(pack.Tree) {
			t.Fatalf("Blobs yield %d places, Count is %d and %d", n, x.Count(pack.Data), x.Count(pack.Tree))
		}
	})
}

func TestAnIndexIsReadWhileItIsAddedTo(t *testing.T) {
	x := New()
	var group sync.WaitGroup
	for w := range uint64(4) {
		group.Go(func() {
			for n := range uint64(500) {
				b := blob(w<<32+n, pack.Data, 0, 50, 0)
				x.Add(number(1<<40+w<<32+n), []pack.Blob{b})
				if !x.Has(b.Handle) || x.Has(pack.Handle{ID: number(1 << 50)}) {
					t.Errorf("Has is wrong after blob %d of goroutine %d", n, w)
				}
			}
		})
	}
	group.Wait()
	if n := x.Count(pack.Data); n != 2000 {
		t.Errorf("Count = %d, want 2000", n)
	}
}

const million = 1_000_000

// fill returns an index of a million blobs, 100 in a pack.
func fill() *Index {
	x, blobs := New(), make([]pack.Blob, 100)
	for n := range uint64(million / 100) {
		for i := range blobs {
			blobs[i] = blob(n*100+uint64(i), pack.Data, uint32(i)*1000, 1000, 5000)
		}
		x.Add(number(1<<32+n), blobs)
	}
	return x
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkAdd(b *testing.B) {
	for b.Loop() {
		before := heap()
		x := fill()
		b.ReportMetric(float64(heap()-before)/million, "bytes/blob")
		runtime.KeepAlive(x)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/million, "ns/blob")
}

func BenchmarkHas(b *testing.B) {
	x := fill()
	handles := make([]pack.Handle, 1<<16)
	for i := range handles {
		handles[i] = pack.Handle{ID: number(uint64(i) * 31), Type: pack.Data} // half of them are there
	}
	i := 0
	for b.Loop() {
		x.Has(handles[i&(1<<16-1)])
		i++
	}
}

func TestABlobTakesAtMost64Bytes(t *testing.T) {
	before := heap()
	x := fill()
	if each := float64(heap()-before) / million; each > 64 {
		t.Errorf("a million blobs take %.1f bytes each, want at most 64", each)
	}
	runtime.KeepAlive(x)
}
