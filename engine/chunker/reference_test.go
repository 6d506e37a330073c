package chunker

import (
	"bytes"
	"slices"
	"testing"
)

// referenceCut does to the letter what the format says, bit by bit, and returns the lengths of the chunks of p.
func referenceCut(pol Pol, p []byte) []int {
	appendByte := func(digest Pol, b byte) Pol {
		for bit := 7; bit >= 0; bit-- {
			digest = digest<<1 | Pol(b>>bit&1)
			if digest>>53 == 1 {
				digest ^= pol
			}
		}
		return digest
	}
	var leaving [256]Pol // what the oldest byte of the window amounts to
	for b := range leaving {
		leaving[b] = appendByte(0, byte(b))
		for range 63 {
			leaving[b] = appendByte(leaving[b], 0)
		}
	}
	var lengths []int
	for len(p) > 0 {
		cut := min(len(p), 8<<20)
		ring, at := [64]byte{1}, 1 // each chunk starts with a window of zeros, into which a one was slid
		digest := Pol(1)
		for i := 512<<10 - 64; i < cut; i++ {
			digest = appendByte(digest^leaving[ring[at]], p[i])
			ring[at], at = p[i], (at+1)%64
			if i+1 >= 512<<10 && digest&(1<<20-1) == 0 {
				cut = i + 1
			}
		}
		lengths = append(lengths, cut)
		p = p[cut:]
	}
	return lengths
}

func TestCutsEqualTheReference(t *testing.T) {
	repeated := bytes.Repeat(randomBytes(2, 1000), 3000)
	sparse := randomBytes(3, 3<<20)
	clear(sparse[1_000_000:1_700_000])
	for name, p := range map[string][]byte{
		"random": randomBytes(1, 6<<20), "repeated": repeated, "sparse": sparse, "ones": bytes.Repeat([]byte{0xff}, 9<<20),
		"short": randomBytes(4, 1000), "of the minimum": randomBytes(5, MinSize), "zeros": make([]byte, MinSize+1),
	} {
		for _, pol := range []Pol{vectorPol, otherPol} {
			want := referenceCut(pol, p)
			if got := cutPieces(t, newChunker(t, pol), p, 300_000); !slices.Equal(got, want) {
				t.Errorf("%s with polynomial %s: chunks of %v bytes, want %v", name, pol, got, want)
			}
		}
	}
}

// Each pair of bytes in plants puts a window of zeros, a boundary, somewhere in the first two blocks of a chunk.
func FuzzChunkerEqualsReference(f *testing.F) {
	f.Add(uint64(1), uint32(1<<20), uint32(70_000), []byte{})
	f.Add(uint64(0), uint32(2*MinSize), uint32(5000), []byte{0, 0, 47, 255, 48, 0})
	f.Add(uint64(0), uint32(MinSize+blockSize), uint32(blockSize), []byte{8, 1, 7, 255})
	f.Fuzz(func(t *testing.T, seed uint64, size, piece uint32, plants []byte) {
		p := bytes.Repeat([]byte{1}, int(size)%(5<<19))
		if seed != 0 {
			p = randomBytes(seed, len(p))
		}
		for ; len(plants) >= 2; plants = plants[2:] {
			at := MinSize - window + (int(plants[0])<<8|int(plants[1]))%(2*blockSize)
			if at+window <= len(p) {
				clear(p[at : at+window])
			}
		}
		got := cutPieces(t, newChunker(t, vectorPol), p, 1000+int(piece)%(1<<20))
		if want := referenceCut(vectorPol, p); !slices.Equal(got, want) {
			t.Errorf("chunks of %v bytes, want %v", got, want)
		}
	})
}
