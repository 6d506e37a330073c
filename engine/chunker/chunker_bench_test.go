package chunker

import (
	"crypto/sha256"
	"math/rand/v2"
	"testing"
)

// All of these run over the same 64 MiB: what the lanes gain, and how cutting compares with naming.

func BenchmarkCutLanes(b *testing.B) {
	c, p := benchmarkInput(b)
	for b.Loop() {
		for rest, cut := p, 1; cut != 0; rest = rest[cut:] {
			cut = c.Cut(rest, 0)
		}
	}
}

func BenchmarkCutLanesInPieces(b *testing.B) {
	c, p := benchmarkInput(b)
	const piece = 256 << 10
	for b.Loop() {
		start, asked := 0, 0
		for end := piece; end <= len(p); end += piece {
			for cut := c.Cut(p[start:end], asked); cut != 0; cut = c.Cut(p[start:end], 0) {
				start += cut
			}
			asked = end - start
		}
	}
}

func BenchmarkCutSerial(b *testing.B) {
	c, p := benchmarkInput(b)
	for b.Loop() {
		for rest := p; len(rest) > MinSize; {
			to := min(len(rest), MaxSize)
			if first := c.tables.findFirst(rest[firstFrom-window : to]); first != 0 {
				to = firstFrom + first
			}
			rest = rest[to:]
		}
	}
}

func BenchmarkSHA256(b *testing.B) {
	_, p := benchmarkInput(b)
	for b.Loop() {
		sha256.Sum256(p)
	}
}

func benchmarkInput(b *testing.B) (*Chunker, []byte) {
	b.Helper()
	c, err := New(0x3da3358b4dc173)
	if err != nil {
		b.Fatal(err)
	}
	p := make([]byte, 64<<20)
	rand.NewChaCha8([32]byte{1}).Read(p)
	b.SetBytes(int64(len(p)))
	return c, p
}
