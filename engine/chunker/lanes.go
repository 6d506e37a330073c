package chunker

// A digest is kept in the highest bits of a word. So a shift drops the bits that the table mod makes up for, and the
// index of that table needs no mask.
const (
	unused       = 64 - degree
	boundaryMask = (1<<boundaryBits - 1) << unused
)

// A digest's step waits for the one before, mostly for a look at a table. Six lanes side by side, each over its own
// stretch, fill that time: together they run nearly three times as fast as one, and a tenth faster than four.
const (
	lanes     = 6
	laneWidth = 2 << 10 // so short that little is lost when the first lane meets a boundary
	blockSize = lanes * laneWidth
)

// tables make a digest of the next one.
type tables struct {
	mod [256]uint64 // by the highest 8 bits of a digest: what they amount to, once shifted out
	out [256]uint64 // by the byte that leaves the window: what it amounts to, once shifted by the window
}

func newTables(pol Pol) *tables {
	t := new(tables)
	for b := range t.mod {
		left := Pol(b)
		for range window {
			left = (left << 8).mod(pol)
		}
		t.out[b] = uint64(left) << unused
		t.mod[b] = uint64((Pol(b) << degree).mod(pol)) << unused
	}
	return t
}

// slide returns the digest of a window moved by one byte, from its digest d.
func (t *tables) slide(d uint64, gone, come byte) uint64 {
	return d<<8 ^ (t.out[gone] ^ uint64(come)<<unused) ^ t.mod[d>>56]
}

// findFirst returns how many bytes behind the first window of p the first boundary lies, or 0 if there is none.
func (t *tables) findFirst(p []byte) int {
	var d uint64
	for _, b := range p[:window] {
		d = t.slide(d, 0, b)
	}
	for i := window; i < len(p); i++ {
		d = t.slide(d, p[i-window], p[i])
		if d&boundaryMask == 0 {
			return i - window + 1
		}
	}
	return 0
}

// findAny returns how many bytes behind the first window of p some boundary lies, not always the first one, or 0 if there
// is none within blockSize.
func (t *tables) findAny(p *[window + blockSize]byte) int {
	d0, d1, d2, d3, d4, d5 := t.firstDigests(p)
	for i := range laneWidth {
		// With offsets that are constant the digests stay in registers, and no bounds are checked.
		d0 = t.slide(d0, p[i], p[i+window])
		if d0&boundaryMask == 0 {
			return i + 1
		}
		d1 = t.slide(d1, p[i+laneWidth], p[i+laneWidth+window])
		if d1&boundaryMask == 0 {
			return i + 1 + laneWidth
		}
		d2 = t.slide(d2, p[i+2*laneWidth], p[i+2*laneWidth+window])
		if d2&boundaryMask == 0 {
			return i + 1 + 2*laneWidth
		}
		d3 = t.slide(d3, p[i+3*laneWidth], p[i+3*laneWidth+window])
		if d3&boundaryMask == 0 {
			return i + 1 + 3*laneWidth
		}
		d4 = t.slide(d4, p[i+4*laneWidth], p[i+4*laneWidth+window])
		if d4&boundaryMask == 0 {
			return i + 1 + 4*laneWidth
		}
		d5 = t.slide(d5, p[i+5*laneWidth], p[i+5*laneWidth+window])
		if d5&boundaryMask == 0 {
			return i + 1 + 5*laneWidth
		}
	}
	return 0
}

// firstDigests returns the digests of the windows before each lane.
func (t *tables) firstDigests(p *[window + blockSize]byte) (d0, d1, d2, d3, d4, d5 uint64) {
	for i := range window {
		d0 = t.slide(d0, 0, p[i])
		d1 = t.slide(d1, 0, p[i+laneWidth])
		d2 = t.slide(d2, 0, p[i+2*laneWidth])
		d3 = t.slide(d3, 0, p[i+3*laneWidth])
		d4 = t.slide(d4, 0, p[i+4*laneWidth])
		d5 = t.slide(d5, 0, p[i+5*laneWidth])
	}
	return d0, d1, d2, d3, d4, d5
}
