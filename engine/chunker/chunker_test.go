package chunker

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const (
	vectorPol = Pol(0x3da3358b4dc173)
	otherPol  = Pol(0x203d21f351140f)
)

func newChunker(t testing.TB, pol Pol) *Chunker {
	t.Helper()
	c, err := New(pol)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// cutPieces returns the lengths of the chunks of p, which the Chunker is shown piece by piece.
func cutPieces(t testing.TB, c *Chunker, p []byte, piece int) []int {
	t.Helper()
	var lengths []int
	start, asked := 0, 0
	for end := 0; end < len(p); {
		end = min(end+piece, len(p))
		for {
			cut := c.Cut(p[start:end:end], asked)
			if cut == 0 {
				break
			}
			if cut < MinSize || cut > min(end-start, MaxSize) {
				t.Fatalf("Cut(%d bytes, %d) = %d", end-start, asked, cut)
			}
			lengths = append(lengths, cut)
			start, asked = start+cut, 0
		}
		asked = end - start
		if asked >= MaxSize {
			t.Fatalf("Cut(%d bytes) = 0", asked)
		}
	}
	if start < len(p) {
		lengths = append(lengths, len(p)-start)
	}
	return lengths
}

// vectorInput is SHA256("backstay0"), SHA256("backstay1"), and so on.
func vectorInput(n int) []byte {
	p := make([]byte, 0, n+sha256.Size)
	for i := 0; len(p) < n; i++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "backstay%d", i))
		p = append(p, sum[:]...)
	}
	return p[:n]
}

func randomBytes(seed uint64, n int) []byte {
	p := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	if _, err := rand.NewChaCha8(key).Read(p); err != nil {
		panic(err)
	}
	return p
}

func TestCutsEqualThoseOfRestic(t *testing.T) {
	input := vectorInput(6 << 20)
	if sum := sha256.Sum256(input); hex.EncodeToString(sum[:4]) != "a29c10ac" {
		t.Fatalf("vector input has SHA-256 %x", sum)
	}
	type chunk struct {
		length int // 0: not known
		id     string
	}
	for pol, want := range map[Pol][]chunk{
		vectorPol: {
			{2793071, "6dfcb1d0567edc9991c4f4c63f76c99d2461839f578eb03a1608f07ba9c6b66e"},
			{1543124, "1aab40f4a12dcac5ce57915ae81f6e2c1c2deb6441d3724f5caa6ffb634cb538"},
			{1955261, "8cacc6740f55f155e1c6d1b76cd62fce68c64e327cab9d56714f5b060e92d67e"},
		},
		otherPol: {
			{0, "096c5799"}, {1670050, "e86dedd6"}, {0, "d5d89906"}, {1045174, "65ada673"}, {649875, "2eed9ef5"},
			{441555, "89016bb3"},
		},
	} {
		got := cutPieces(t, newChunker(t, pol), input, 1<<20)
		if len(got) != len(want) {
			t.Errorf("polynomial %s: chunks of %v bytes, want %d chunks", pol, got, len(want))
			continue
		}
		for i, rest := 0, input; i < len(got); i++ {
			sum := sha256.Sum256(rest[:got[i]])
			rest = rest[got[i]:]
			if !strings.HasPrefix(hex.EncodeToString(sum[:]), want[i].id) || want[i].length != 0 && got[i] != want[i].length {
				t.Errorf("polynomial %s: chunk %d = %d bytes %x, want %d bytes %s", pol, i, got[i], sum, want[i].length, want[i].id)
			}
		}
	}
}

func TestZerosAreCutAtTheMinimum(t *testing.T) {
	zeros := make([]byte, 3_000_000)
	want := []int{MinSize, MinSize, MinSize, MinSize, MinSize, 3_000_000 - 5*MinSize}
	if got := cutPieces(t, newChunker(t, otherPol), zeros, 1<<20); !slices.Equal(got, want) {
		t.Errorf("chunks of zeros = %v, want %v", got, want)
	}
	const id = "07854d2fef297a06ba81685e660c332de36d5d18d546927d30daad6d7fda1541"
	if sum := sha256.Sum256(zeros[:MinSize]); hex.EncodeToString(sum[:]) != id {
		t.Errorf("SHA-256 of a chunk of zeros = %x, want %s", sum, id)
	}
}

func TestWithoutABoundaryTheMaximumIsCut(t *testing.T) {
	p := bytes.Repeat([]byte{1}, 2*MaxSize+5)
	for _, piece := range []int{MaxSize - 1, MaxSize, MaxSize + 1, len(p)} {
		if got, want := cutPieces(t, newChunker(t, vectorPol), p, piece), []int{MaxSize, MaxSize, 5}; !slices.Equal(got, want) {
			t.Errorf("chunks of ones in pieces of %d = %v, want %v", piece, got, want)
		}
	}
}

func TestShortContentIsNotCut(t *testing.T) {
	c := newChunker(t, vectorPol)
	p := make([]byte, MinSize)
	for _, n := range []int{0, 1, 63, 64, 65, MinSize - 65, MinSize - 1} {
		if got := c.Cut(p[:n:n], 0); got != 0 {
			t.Errorf("Cut(%d bytes) = %d, want 0", n, got)
		}
	}
}

// A window of zeros is a boundary for every polynomial; ones have none. So boundaries can be planted.
func TestABoundaryIsFoundWhereverItLies(t *testing.T) {
	c := newChunker(t, vectorPol)
	ones := bytes.Repeat([]byte{1}, MinSize+3*blockSize)
	for lane := range 2*lanes + 1 {
		for _, shift := range []int{-65, -64, -63, -1, 0, 1, 2, 63, 64, 65, laneWidth / 2} {
			at := MinSize + lane*laneWidth + shift
			if at < MinSize {
				continue
			}
			p := bytes.Clone(ones)
			clear(p[at-window : at])
			for _, end := range []int{at, at + 1, at + laneWidth, at + blockSize, len(p)} {
				if got := c.Cut(p[:end:end], 0); got != at {
					t.Errorf("Cut(%d bytes with a boundary at MinSize+%d) = MinSize+%d", end, at-MinSize, got-MinSize)
				}
			}
			if got := c.Cut(p[:at-1], 0); got != 0 {
				t.Errorf("Cut(up to before the boundary at MinSize+%d) = MinSize+%d, want 0", at-MinSize, got-MinSize)
			}
		}
	}
}

func TestABoundaryBeforeTheMinimumDoesNotCount(t *testing.T) {
	c := newChunker(t, vectorPol)
	for _, short := range []int{1, 2, 63, 64, 65, laneWidth, blockSize / 2, blockSize} {
		p := bytes.Repeat([]byte{1}, MinSize+2*blockSize)
		clear(p[MinSize-short-window : MinSize-short])
		for _, end := range []int{MinSize, MinSize + 1, MinSize + blockSize/2, MinSize + blockSize - 1, MinSize + blockSize, len(p)} {
			if got := c.Cut(p[:end], 0); got != 0 {
				t.Errorf("Cut(%d bytes with a boundary at MinSize-%d) = %d, want 0", end, short, got)
			}
		}
	}
}

func TestWhatWasAskedIsNotSearchedAgain(t *testing.T) {
	p := bytes.Repeat([]byte{1}, MinSize+4*blockSize)
	clear(p[MinSize-window : MinSize])
	if got := newChunker(t, vectorPol).Cut(p, MinSize+2*blockSize); got != 0 {
		t.Errorf("Cut = %d, a boundary in what was said to be searched", got)
	}
}

func TestTheFirstOfTwoBoundariesIsTaken(t *testing.T) {
	c := newChunker(t, vectorPol)
	ones := bytes.Repeat([]byte{1}, MinSize+2*blockSize)
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		p := bytes.Clone(ones)
		first := len(p)
		for range 2 + random.IntN(3) {
			at := MinSize + random.IntN(2*blockSize)
			clear(p[at-window : at])
			first = min(first, at)
		}
		if got := c.Cut(p, 0); got != first {
			t.Fatalf("Cut = MinSize+%d, want MinSize+%d", got-MinSize, first-MinSize)
		}
	}
}

func TestCutsDoNotDependOnThePieces(t *testing.T) {
	c := newChunker(t, vectorPol)
	p := randomBytes(7, 5<<20)
	want := cutPieces(t, c, p, len(p))
	for _, piece := range []int{997, 4096, 32 << 10, 256 << 10, blockSize, blockSize + 1, MinSize - 1, MinSize, MinSize + 1, 1 << 20} {
		if got := cutPieces(t, c, p, piece); !slices.Equal(got, want) {
			t.Errorf("chunks in pieces of %d = %v, want %v", piece, got, want)
		}
	}
}

func TestABoundaryIsFoundWithItsLastByte(t *testing.T) {
	c := newChunker(t, vectorPol)
	p := randomBytes(7, 5<<20)
	want := c.Cut(p, 0)
	for _, asked := range []int{0, MinSize - 1, MinSize, want - 2*blockSize, want - blockSize, want - laneWidth, want - 1} {
		if got := c.Cut(p[:want-1], asked); got != 0 {
			t.Errorf("Cut(a byte less than the chunk, %d) = %d, want 0", asked, got)
		}
		for _, end := range []int{want, want + 1, want + laneWidth, want + blockSize - 1, want + blockSize} {
			if got := c.Cut(p[:end], asked); got != want {
				t.Errorf("Cut(the chunk and %d bytes more, %d) = %d, want %d", end-want, asked, got, want)
			}
		}
	}
}

func TestTheStartOfAChunkIsNotLookedAt(t *testing.T) {
	c := newChunker(t, vectorPol)
	p := randomBytes(8, 4<<20)
	want := c.Cut(p, 0)
	clear(p[:MinSize-window-1])
	if got := c.Cut(p, 0); got != want {
		t.Errorf("Cut with another start = %d, want %d", got, want)
	}
}

func TestANewChunkerRefusesABadPolynomial(t *testing.T) {
	for _, pol := range []Pol{0, 1, vectorPol ^ 1, vectorPol << 1, vectorPol >> 1} {
		if _, err := New(pol); err == nil {
			t.Errorf("New(%s) = nil error", pol)
		}
	}
}
