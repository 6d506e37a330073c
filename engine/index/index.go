// Package index knows which blob is in which pack.
//
// An index file lists whole packs with their blobs; an Index is the union of all index files of a repository in memory,
// about 60 bytes for each blob. A blob may lie in several packs: each place is a Location. The table is open-addressed
// over the IDs themselves, which are hashes already, and holds no pointers, so that the garbage collector
// passes it by. The invariant: a pack is named completely, and only after it is durable.
package index

import (
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
	"sync"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
)

// Location is one place where a blob lies.
type Location struct {
	Pack crypto.ID
	pack.Blob
}

// Index is safe for concurrent use.
type Index struct {
	mu     sync.RWMutex
	tables [2]table // by pack.Type
	packs  []crypto.ID
	number map[crypto.ID]uint32 // position in packs
}

// New returns an empty Index.
func New() *Index { return &Index{number: make(map[crypto.ID]uint32)} }

// Add takes in the blobs of a pack. What it knows already is not added again.
func (x *Index) Add(id crypto.ID, blobs []pack.Blob) {
	x.mu.Lock()
	defer x.mu.Unlock()
	n, known := x.number[id]
	if !known {
		n = uint32(len(x.packs))
		x.packs = append(x.packs, id)
		x.number[id] = n
	}
	for _, b := range blobs {
		t := &x.tables[b.Type]
		r := row{id: b.ID, pack: n, offset: b.Offset, length: b.Length, plain: b.UncompressedLength}
		if !known || !t.has(r) {
			t.add(r)
		}
	}
}

// Has reports whether the blob is in some pack.
func (x *Index) Has(h pack.Handle) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for range x.tables[h.Type].find(h.ID) {
		return true
	}
	return false
}

// Lookup returns every place where the blob lies; none if it is not known.
func (x *Index) Lookup(h pack.Handle) []Location {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var locations []Location
	for r := range x.tables[h.Type].find(h.ID) {
		locations = append(locations, x.location(h.Type, r))
	}
	return locations
}

// First returns the first place where the blob lies.
func (x *Index) First(h pack.Handle) (Location, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for r := range x.tables[h.Type].find(h.ID) {
		return x.location(h.Type, r), true
	}
	return Location{}, false
}

// Size returns the length of the blob's plaintext in bytes.
func (x *Index) Size(h pack.Handle) (uint32, bool) {
	l, ok := x.First(h)
	if !ok {
		return 0, false
	}
	return l.PlainLength(), true
}

func (x *Index) location(t pack.Type, r *row) Location {
	return Location{Pack: x.packs[r.pack], Blob: r.blob(t)}
}

// Count is the number of places of blobs of the type: distinct blobs and their copies.
func (x *Index) Count(t pack.Type) int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.tables[t].count
}

// Packs returns the IDs of all packs, in the order they were added.
func (x *Index) Packs() []crypto.ID {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return slices.Clone(x.packs)
}

// HasPack reports whether the index names the pack.
func (x *Index) HasPack(id crypto.ID) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	_, ok := x.number[id]
	return ok
}

// EachPack yields every pack with its blobs by ascending offset. The slice is valid until the next step. What is added
// meanwhile is not yielded.
func (x *Index) EachPack() iter.Seq2[crypto.ID, []pack.Blob] {
	return func(yield func(crypto.ID, []pack.Blob) bool) {
		x := x.freeze()
		starts, rows := x.byPack()
		var blobs []pack.Blob
		for n, id := range x.packs {
			blobs = blobs[:0]
			for _, ref := range rows[starts[n]:starts[n+1]] {
				t := pack.Type(ref & 1)
				blobs = append(blobs, x.tables[t].row(ref>>1).blob(t))
			}
			slices.SortFunc(blobs, func(a, b pack.Blob) int { return cmp.Compare(a.Offset, b.Offset) })
			if !yield(id, blobs) {
				return
			}
		}
	}
}

// freeze returns what x holds now, to be iterated over without the lock: rows and packs are only ever appended. It can't be
// searched.
func (x *Index) freeze() *Index {
	x.mu.RLock()
	defer x.mu.RUnlock()
	frozen := &Index{packs: x.packs}
	for t := range x.tables {
		frozen.tables[t] = table{blocks: x.tables[t].blocks, count: x.tables[t].count}
	}
	return frozen
}

// byPack sorts the rows of both tables by their pack, by counting: rows[starts[n]:starts[n+1]] are those of pack n, each as
// position*2 + type.
func (x *Index) byPack() (starts, rows []uint32) {
	starts = make([]uint32, len(x.packs)+1)
	for t := range x.tables {
		for i := range uint32(x.tables[t].count) {
			starts[x.tables[t].row(i).pack+1]++
		}
	}
	for n := range x.packs {
		starts[n+1] += starts[n]
	}
	rows = make([]uint32, starts[len(x.packs)])
	next := slices.Clone(starts)
	for t := range x.tables {
		for i := range uint32(x.tables[t].count) {
			n := x.tables[t].row(i).pack
			rows[next[n]] = i<<1 | uint32(t)
			next[n]++
		}
	}
	return starts, rows
}

// Blobs yields every place of every blob of the type, in no order. What is added meanwhile is not yielded.
func (x *Index) Blobs(t pack.Type) iter.Seq[Location] {
	return func(yield func(Location) bool) {
		x := x.freeze()
		for i := range uint32(x.tables[t].count) {
			if !yield(x.location(t, x.tables[t].row(i))) {
				return
			}
		}
	}
}

// row is one place of a blob; 48 bytes.
type row struct {
	id                          crypto.ID
	pack, offset, length, plain uint32
}

func (r *row) blob(t pack.Type) pack.Blob {
	return pack.Blob{Handle: pack.Handle{ID: r.id, Type: t}, Offset: r.offset, Length: r.length, UncompressedLength: r.plain}
}

const blockBits = 12 // rows are kept in blocks of 4,096, so that growing copies none

// table is a hash table from ID to rows, with linear probing. Slots hold position+1, 0 is empty.
type table struct {
	blocks [][]row
	slots  []uint32 // length is a power of two
	count  int
}

func (t *table) row(i uint32) *row { return &t.blocks[i>>blockBits][i&(1<<blockBits-1)] }

func (t *table) slot(id *crypto.ID) uint64 { return binary.LittleEndian.Uint64(id[:8]) }

func (t *table) add(r row) {
	if (t.count+1)*4 > len(t.slots)*3 {
		t.grow()
	}
	if t.count>>blockBits == len(t.blocks) {
		t.blocks = append(t.blocks, make([]row, 1<<blockBits))
	}
	*t.row(uint32(t.count)) = r
	t.put(uint32(t.count))
	t.count++
}

func (t *table) put(i uint32) {
	mask := uint64(len(t.slots) - 1)
	at := t.slot(&t.row(i).id) & mask
	for t.slots[at] != 0 {
		at = (at + 1) & mask
	}
	t.slots[at] = i + 1
}

func (t *table) grow() {
	t.slots = make([]uint32, max(64, 2*len(t.slots)))
	for i := range uint32(t.count) {
		t.put(i)
	}
}

// find yields the rows of id.
func (t *table) find(id crypto.ID) iter.Seq[*row] {
	return func(yield func(*row) bool) {
		if t.count == 0 {
			return
		}
		mask := uint64(len(t.slots) - 1)
		for at := t.slot(&id) & mask; t.slots[at] != 0; at = (at + 1) & mask {
			if r := t.row(t.slots[at] - 1); r.id == id && !yield(r) {
				return
			}
		}
	}
}

// first returns the position of the first row of id that was added.
func (t *table) first(id crypto.ID) (uint32, bool) {
	if t.count == 0 {
		return 0, false
	}
	mask := uint64(len(t.slots) - 1)
	for at := t.slot(&id) & mask; t.slots[at] != 0; at = (at + 1) & mask {
		if i := t.slots[at] - 1; t.row(i).id == id {
			return i, true
		}
	}
	return 0, false
}

func (t *table) has(r row) bool {
	for have := range t.find(r.id) {
		if *have == r {
			return true
		}
	}
	return false
}
