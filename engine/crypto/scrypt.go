package crypto

import (
	"encoding/binary"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
)

// block is the state of Salsa20/8, which scrypt mixes with.
type block [16]uint32

const blockBytes = 64

// parallelMemory bounds the memory of the lanes that are mixed at once, in bytes.
const parallelMemory = 128 << 20

// mixLanes mixes each of the cost.P lanes of 128·R bytes in state, as many at once as cores and memory allow.
func mixLanes(state []byte, cost KDF) {
	laneBytes := 128 * cost.R
	workers := min(cost.P, runtime.GOMAXPROCS(0), max(1, parallelMemory/(laneBytes*cost.N)))
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			memory := make([]block, 2*cost.R*(cost.N-cost.N/sparse+3))
			for i := int(next.Add(1)) - 1; i < cost.P; i = int(next.Add(1)) - 1 {
				mixLane(state[i*laneBytes:][:laneBytes], memory, cost)
			}
		})
	}
	group.Wait()
}

// sparse: of so many rows of the table one is not kept but mixed again from the one before it when it is asked for. A key
// is derived at the start of each command, and is what most of them take the most memory for; this takes half of it and a
// quarter more time.
const sparse = 2

// mixLane is the function scryptROMix of RFC 7914. Memory holds rows of 2·R blocks: the sparse table V, one that is missing in
// it, and two that the second half mixes to and fro.
func mixLane(lane []byte, memory []block, cost KDF) {
	width := 2 * cost.R
	row := func(i int) []block { return memory[i*width:][:width] }
	kept := cost.N - cost.N/sparse
	missing, x, y := row(kept), row(kept+1), row(kept+2)
	table := func(i int) []block {
		if i%sparse == sparse-1 {
			return missing
		}
		return row(i - i/sparse)
	}

	readBlocks(table(0), lane)
	for i := range cost.N - 1 {
		mixRow(table(i+1), table(i))
	}
	mixRow(x, table(cost.N-1))
	for range cost.N {
		j := int(x[width-1][0] & uint32(cost.N-1)) // N fits in the first word of the integer that the RFC takes
		if j%sparse == sparse-1 {
			mixRow(missing, table(j-1))
		}
		mixRowXOR(y, x, table(j))
		x, y = y, x
	}
	writeBlocks(lane, x)
}

// The functions below work on memory that one lane has for itself, and do nothing but arithmetic. The race detector would make them
// twelve times slower, and with them each test that opens a repository; mixLane, which calls them, is before its eyes.

// mixRow sets dst to scryptBlockMix of src.
//
//go:norace
func mixRow(dst, src []block) {
	x := src[len(src)-1]
	half := len(dst) / 2
	for i := range half {
		x.mix(&src[2*i])
		dst[i] = x
		x.mix(&src[2*i+1])
		dst[half+i] = x
	}
}

// mixRowXOR sets dst to scryptBlockMix of a XOR b.
//
//go:norace
func mixRowXOR(dst, a, b []block) {
	a, b = a[:len(dst)], b[:len(dst)]
	x := a[len(a)-1]
	x.xor(&b[len(b)-1])
	half := len(dst) / 2
	for i := range half {
		x.xor(&b[2*i])
		x.mix(&a[2*i])
		dst[i] = x
		x.xor(&b[2*i+1])
		x.mix(&a[2*i+1])
		dst[half+i] = x
	}
}

// mix sets b to Salsa20/8 of b XOR in. It is written out because the compiler doesn't unroll loops, which costs a tenth.
//
//go:norace
func (b *block) mix(in *block) {
	b.xor(in)
	x0, x1, x2, x3 := b[0], b[1], b[2], b[3]
	x4, x5, x6, x7 := b[4], b[5], b[6], b[7]
	x8, x9, x10, x11 := b[8], b[9], b[10], b[11]
	x12, x13, x14, x15 := b[12], b[13], b[14], b[15]
	for range 4 {
		x0, x4, x8, x12 = quarter(x0, x4, x8, x12)
		x5, x9, x13, x1 = quarter(x5, x9, x13, x1)
		x10, x14, x2, x6 = quarter(x10, x14, x2, x6)
		x15, x3, x7, x11 = quarter(x15, x3, x7, x11)

		x0, x1, x2, x3 = quarter(x0, x1, x2, x3)
		x5, x6, x7, x4 = quarter(x5, x6, x7, x4)
		x10, x11, x8, x9 = quarter(x10, x11, x8, x9)
		x15, x12, x13, x14 = quarter(x15, x12, x13, x14)
	}
	b[0], b[1], b[2], b[3] = b[0]+x0, b[1]+x1, b[2]+x2, b[3]+x3
	b[4], b[5], b[6], b[7] = b[4]+x4, b[5]+x5, b[6]+x6, b[7]+x7
	b[8], b[9], b[10], b[11] = b[8]+x8, b[9]+x9, b[10]+x10, b[11]+x11
	b[12], b[13], b[14], b[15] = b[12]+x12, b[13]+x13, b[14]+x14, b[15]+x15
}

//go:norace
func (b *block) xor(in *block) {
	b[0], b[1], b[2], b[3] = b[0]^in[0], b[1]^in[1], b[2]^in[2], b[3]^in[3]
	b[4], b[5], b[6], b[7] = b[4]^in[4], b[5]^in[5], b[6]^in[6], b[7]^in[7]
	b[8], b[9], b[10], b[11] = b[8]^in[8], b[9]^in[9], b[10]^in[10], b[11]^in[11]
	b[12], b[13], b[14], b[15] = b[12]^in[12], b[13]^in[13], b[14]^in[14], b[15]^in[15]
}

// quarter is the quarter round of Salsa20, small enough to be inlined.
func quarter(a, b, c, d uint32) (uint32, uint32, uint32, uint32) {
	b ^= bits.RotateLeft32(a+d, 7)
	c ^= bits.RotateLeft32(b+a, 9)
	d ^= bits.RotateLeft32(c+b, 13)
	a ^= bits.RotateLeft32(d+c, 18)
	return a, b, c, d
}

func readBlocks(dst []block, src []byte) {
	for i := range dst {
		for j := range dst[i] {
			dst[i][j] = binary.LittleEndian.Uint32(src[i*blockBytes+4*j:])
		}
	}
}

func writeBlocks(dst []byte, src []block) {
	for i := range src {
		for j, word := range src[i] {
			binary.LittleEndian.PutUint32(dst[i*blockBytes+4*j:], word)
		}
	}
}
