package dataset

import (
	"fmt"
	"iter"
	"math/rand/v2"
)

// million is a million tiny files, each different, for the memory that a file costs.
func million(scale float64) Set {
	files := max(1, int(1_000_000*scale))
	return Set{
		Name:   "million",
		Title:  "tiny files of prose, 100 in a folder, none equal to another",
		Files:  files,
		Bytes:  int64(files) * 550,
		plan:   func(seed uint64) iter.Seq[file] { return planMillion(files, seed) },
		mutate: mutateSmall,
	}
}

func planMillion(files int, seed uint64) iter.Seq[file] {
	return func(yield func(file) bool) {
		l := newLanguage(seed)
		r := rand.New(rand.NewPCG(seed, 8))
		for i := range files {
			path := fmt.Sprintf("%03d/%02d/%s-%d.txt", i/10_000, i/100%100, l.words[r.IntN(len(l.words))], i)
			if !yield(file{path: path, size: 100 + r.Int64N(900), kind: l.prose, seed: seed + uint64(i)}) {
				return
			}
		}
	}
}
