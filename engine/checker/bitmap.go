package checker

import "sync/atomic"

// bitmap is a set of numbers. It is safe for concurrent use.
type bitmap []atomic.Uint64

func newBitmap(n int) bitmap { return make(bitmap, (n+63)/64) }

// add reports whether n is new in the set.
func (b bitmap) add(n uint32) bool {
	bit := uint64(1) << (n % 64)
	return b[n/64].Load()&bit == 0 && b[n/64].Or(bit)&bit == 0
}

func (b bitmap) has(n uint32) bool { return b[n/64].Load()&(1<<(n%64)) != 0 }
