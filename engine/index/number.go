package index

import "github.com/backstay/backstay/engine/pack"

// Number returns the number of the blob among those of its type, from 0 to Count-1, by which facts about blobs can be kept
// in bitmaps. It stays the same while the Index lives; a blob with several places has the number of the first.
func (x *Index) Number(h pack.Handle) (n uint32, ok bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	t := &x.tables[h.Type]
	if t.count == 0 {
		return 0, false
	}
	mask := uint64(len(t.slots) - 1)
	for at := t.slot(&h.ID) & mask; t.slots[at] != 0; at = (at + 1) & mask {
		if n := t.slots[at] - 1; t.row(n).id == h.ID {
			return n, true
		}
	}
	return 0, false
}
