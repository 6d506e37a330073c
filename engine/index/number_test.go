package index

import (
	"testing"

	"github.com/backstay/backstay/engine/pack"
)

func TestEachBlobHasANumberOfItsOwn(t *testing.T) {
	x := New()
	if n, ok := x.Number(pack.Handle{ID: number(1)}); ok {
		t.Errorf("Number in an empty index = %d", n)
	}
	const count = 10_000
	for i := range uint64(count) {
		x.Add(number(1<<32+i/100), []pack.Blob{blob(i, pack.Data, uint32(i), 40, 0)})
	}
	x.Add(number(1<<33), []pack.Blob{blob(7, pack.Data, 0, 40, 0), blob(7, pack.Tree, 40, 40, 0)}) // a second place, and another type
	seen := make(map[uint32]bool)
	for i := range uint64(count) {
		n, ok := x.Number(pack.Handle{ID: number(i), Type: pack.Data})
		if !ok || seen[n] || n >= count {
			t.Fatalf("Number of blob %d = %d, %t; want a new one below %d", i, n, ok, count)
		}
		seen[n] = true
	}
	if n, ok := x.Number(pack.Handle{ID: number(7), Type: pack.Tree}); !ok || n != 0 {
		t.Errorf("Number of the only tree = %d, %t, want 0", n, ok)
	}
	if n, ok := x.Number(pack.Handle{ID: number(count), Type: pack.Data}); ok {
		t.Errorf("Number of an unknown blob = %d", n)
	}
}
