package dataset

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

const mb = 1_000_000

// mixed is what a server has: programs, an archive, a database's dump, packages, logs and tables.
func mixed(scale float64) Set {
	sized := func(megabytes float64) int64 { return int64(megabytes * mb * scale) }
	return Set{
		Name:   "mixed",
		Title:  "programs, a tar of text, a database dump, compressed packages, logs, JSON lines and CSV",
		Files:  120,
		Bytes:  sized(2329),
		plan:   func(seed uint64) iter.Seq[file] { return planMixed(sized, seed) },
		mutate: mutateMixed,
	}
}

func planMixed(sized func(megabytes float64) int64, seed uint64) iter.Seq[file] {
	return func(yield func(file) bool) {
		l := newLanguage(seed)
		r := rand.New(rand.NewPCG(seed, 7))
		files := planPrograms(l, sized(354))
		add := func(n int, name string, megabytes float64, k kind) {
			for i := range n {
				files = append(files, file{path: fmt.Sprintf(name, i), size: sized(megabytes), kind: k, seed: r.Uint64()})
			}
		}
		add(1, "archive/share%d.tar", 403, l.archive())
		add(1, "database/dump%d.sql", 703, l.dump)
		add(30, "packages/package%02d.deb", 13, random)
		add(36, "packages/small%02d.gz", 2, random)
		add(12, "logs/access%02d.log", 16, l.accessLog)
		add(4, "tables/events%02d.jsonl", 26, l.jsonLines)
		add(4, "tables/measured%02d.csv", 27.75, csv)
		for _, f := range files {
			if !yield(f) {
				return
			}
		}
	}
}

// planPrograms takes real ones, and fills the rest of the budget with files that resemble them.
func planPrograms(l *language, budget int64) []file {
	files := programs(budget)
	for i := range files {
		files[i].path = fmt.Sprintf("programs/%03d-%s", i, filepath.Base(files[i].from))
		budget -= files[i].size
	}
	machineCode := l.machineCode()
	for i := 0; budget > 0; i++ {
		size := min(budget, 8*mb)
		files = append(files, file{path: fmt.Sprintf("programs/made%03d.so", i), size: size, kind: machineCode, seed: uint64(i)})
		budget -= size
	}
	return files
}

// mutateMixed inserts three times in the dump, appends to seven logs, edits a table, and takes seven packages away for
// seven new ones.
func mutateMixed(root string, r *rand.Rand) (string, error) {
	l := newLanguage(r.Uint64())
	rows := file{size: 1000, kind: l.dump, seed: r.Uint64()}
	for _, part := range []int64{4, 3, 2} {
		if err := insert(filepath.Join(root, "database/dump0.sql"), 1, part, rows); err != nil {
			return "", err
		}
	}
	for i := range 7 {
		lines := file{size: 200_000, kind: l.accessLog, seed: r.Uint64()}
		if err := insert(filepath.Join(root, fmt.Sprintf("logs/access%02d.log", i)), 1, 1, lines); err != nil {
			return "", err
		}
	}
	if err := edit(filepath.Join(root, "tables/measured00.csv"), r); err != nil {
		return "", err
	}
	packages, err := filepath.Glob(filepath.Join(root, "packages/*.gz"))
	if err != nil {
		return "", err
	}
	slices.Sort(packages)
	for _, path := range packages[:7] {
		st, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		if err := os.Remove(path); err != nil {
			return "", err
		}
		f := file{size: st.Size(), kind: random, seed: r.Uint64()}
		if err := writeOne(f, filepath.Join(root, fmt.Sprintf("packages/z%016x.gz", f.seed))); err != nil {
			return "", err
		}
	}
	return "1,000 bytes inserted in the dump at 1/4, 1/3 and 1/2, 7 logs appended to, 1 table edited, 7 packages new and 7 removed", nil
}
