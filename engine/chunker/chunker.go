// Package chunker finds where to cut the content of files, so that equal content is cut alike wherever it lies.
//
// A chunk is a piece of content between two boundaries. A boundary lies behind a window of 64 bytes whose Rabin
// fingerprint ends in 20 zero bits: the window is taken as a polynomial over GF(2), its first bit as the highest, modulo
// an irreducible polynomial of degree 53 that belongs to the repository (Pol). Boundaries before MinSize bytes of a
// chunk don't count, one is forced at MaxSize, and the end of the content is one too. So chunks have 1.5 MiB in the
// mean, and a changed byte moves only the boundaries next to it. The cuts are those of restic, so both share chunks.
//
// The invariant: where a chunk ends depends on the content and the polynomial alone, never on the pieces in which it was
// read. As a boundary depends on 64 bytes only, nothing needs to be remembered between pieces, and several stretches of
// one piece are searched at the same time. This package does no I/O and copies nothing.
package chunker

import "fmt"

// The bounds of a chunk, in bytes. Only the last chunk of some content is shorter than MinSize.
const (
	MinSize = 512 << 10
	MaxSize = 8 << 20
)

const (
	window       = 64 // bytes
	boundaryBits = 20 // zeros that make a boundary: 1 MiB apart in the mean
)

// Chunker cuts with one polynomial. It never changes: any number of goroutines may use it for any number of files.
type Chunker struct{ tables *tables }

// New returns a Chunker for a polynomial, refusing one that isn't Valid. It takes about a millisecond.
func New(pol Pol) (*Chunker, error) {
	if !pol.Valid() {
		return nil, fmt.Errorf("chunker polynomial %q: not irreducible of degree %d", pol, degree)
	}
	return &Chunker{newTables(pol)}, nil
}

// Cut returns the length of the chunk that p begins with, or 0 if no boundary is in p. Then the caller appends what it
// reads next and asks again, saying in asked how long p was before: those bytes have been searched. At the end of the
// content all that is left is the last chunk. The answer is never 0 for MaxSize bytes. The first MinSize-65 bytes are not
// looked at.
func (c *Chunker) Cut(p []byte, asked int) int {
	to := min(len(p), MaxSize)
	for from := max(asked, firstFrom); from < to; {
		// The last block reaches back over bytes that have been searched: lanes do so faster than one does the rest.
		start := min(from, to-blockSize)
		if start < firstFrom || to-from < blockSize/3 {
			if hit := c.tables.findFirst(p[from-window : to]); hit != 0 {
				return from + hit
			}
			break
		}
		block := p[start-window:][:window+blockSize]
		if hit := c.tables.findAny((*[window + blockSize]byte)(block)); hit != 0 {
			return start + c.tables.findFirst(block[:window+hit])
		}
		from = start + blockSize
	}
	if to == MaxSize {
		return MaxSize
	}
	return 0
}

// firstFrom is where the search of a chunk begins: the first boundary that counts is the one a byte behind it.
const firstFrom = MinSize - 1
