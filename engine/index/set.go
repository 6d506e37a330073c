package index

import (
	"math/bits"
	"sync/atomic"

	"github.com/backstay/backstay/engine/pack"
)

// Set is a set of blobs that an Index knows. It takes one bit for each place of a blob, and is safe for concurrent use. Blobs that
// became known after the Set was made can't be in it.
type Set struct {
	x    *Index
	rows [2]uint32          // by pack.Type: how many there were when the Set was made
	bits [2][]atomic.Uint32 // by pack.Type; a blob's bit is that of the first row with its ID
}

// NewSet returns an empty Set.
func (x *Index) NewSet() *Set {
	x.mu.RLock()
	defer x.mu.RUnlock()
	s := &Set{x: x}
	for t := range s.bits {
		s.rows[t] = uint32(x.tables[t].count)
		s.bits[t] = make([]atomic.Uint32, (s.rows[t]+31)/32)
	}
	return s
}

// Add puts a blob into the set. Added is false if it was there before, known is false if the Index did not know it.
func (s *Set) Add(h pack.Handle) (added, known bool) {
	word, bit := s.bit(h)
	if word == nil {
		return false, false
	}
	return word.Or(bit)&bit == 0, true
}

// Has reports whether the blob is in the set.
func (s *Set) Has(h pack.Handle) bool {
	word, bit := s.bit(h)
	return word != nil && word.Load()&bit != 0
}

// Len is the number of blobs in the set.
func (s *Set) Len() int {
	n := 0
	for t := range s.bits {
		for i := range s.bits[t] {
			n += bits.OnesCount32(s.bits[t][i].Load())
		}
	}
	return n
}

// bit returns where the blob's bit is; nil if it has none.
func (s *Set) bit(h pack.Handle) (word *atomic.Uint32, bit uint32) {
	s.x.mu.RLock()
	n, ok := s.x.tables[h.Type].first(h.ID)
	s.x.mu.RUnlock()
	if ok && n < s.rows[h.Type] {
		return &s.bits[h.Type][n/32], 1 << (n % 32)
	}
	return nil, 0
}
