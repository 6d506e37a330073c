package dataset

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
)

// big is one file that is half compressible: pieces of random bytes and of prose in turns, as in the disk of a virtual
// machine.
func big(scale float64) Set {
	size := max(1<<20, int64(2_147_483_648*scale))
	piece := min(64<<20, size/8)
	return Set{
		Name:   "big",
		Title:  fmt.Sprintf("one file of pieces of %d KiB, random bytes and prose in turns", piece>>10),
		Files:  1,
		Bytes:  size,
		plan:   func(seed uint64) iter.Seq[file] { return planBig(size, piece, seed) },
		mutate: mutateBig,
	}
}

func planBig(size, piece int64, seed uint64) iter.Seq[file] {
	return func(yield func(file) bool) {
		l := newLanguage(seed)
		halves := func(r *rand.Rand) func(b []byte) []byte {
			kinds := [2]func(b []byte) []byte{random(r), l.prose(r)}
			var done int64
			return func(b []byte) []byte {
				b = kinds[done/piece%2](b)
				done += int64(len(b))
				return b
			}
		}
		yield(file{path: "disk.img", size: size, kind: halves, seed: seed})
	}
}

// mutateBig inserts 1,000 bytes at a third and overwrites 64 KiB at two thirds.
func mutateBig(root string, r *rand.Rand) (string, error) {
	path := filepath.Join(root, "disk.img")
	if err := insert(path, 1, 3, file{size: 1000, kind: random, seed: r.Uint64()}); err != nil {
		return "", err
	}
	if err := overwrite(path, 2, 3, file{size: 64 << 10, kind: random, seed: r.Uint64()}); err != nil {
		return "", err
	}
	return "1,000 bytes inserted at 1/3, 64 KiB overwritten at 2/3", nil
}
