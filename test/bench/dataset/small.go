package dataset

import (
	"fmt"
	"io/fs"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// small is what developers have: source trees with their dependencies, of which several versions lie side by side.
func small(scale float64) Set {
	files := max(1, int(95_000*scale))
	return Set{
		Name:   "small",
		Title:  "source trees with several versions of their dependencies side by side: text, some documents, few pictures",
		Files:  files,
		Bytes:  int64(files) * 9_300,
		plan:   func(seed uint64) iter.Seq[file] { return planSmall(files, seed) },
		mutate: mutateSmall,
	}
}

// planSmall yields modules of some hundred files until there are enough. Two in five modules are followed by a second
// version, in which one file of six differs.
func planSmall(files int, seed uint64) iter.Seq[file] {
	return func(yield func(file) bool) {
		l := newLanguage(seed)
		kinds := []kind{l.code(), l.prose, l.jsonFile, random}
		r := rand.New(rand.NewPCG(seed, 5))
		for n := 0; files > 0; n++ {
			name := fmt.Sprintf("%s-%d", l.identifiers[n%len(l.identifiers)], n)
			moduleSeed, versions := r.Uint64(), 1
			if r.IntN(5) < 2 {
				versions = 2
			}
			for v := range versions {
				for f := range planModule(l, kinds, moduleSeed, v) {
					f.path = fmt.Sprintf("%s/%s@v%d/%s", []string{"app", "vendor", "modules"}[n%3], name, v+1, f.path)
					if files--; files < 0 || !yield(f) {
						return
					}
				}
			}
		}
	}
}

// planModule yields the files of one version of a module, about ten in a folder.
func planModule(l *language, kinds []kind, seed uint64, version int) iter.Seq[file] {
	return func(yield func(file) bool) {
		r := rand.New(rand.NewPCG(seed, 6))
		endings := [][]string{{".go", ".js", ".ts", ".c", ".py"}, {".md", ".txt"}, {".json"}, {".png", ".gz"}}
		folders := []string{"."}
		for i := range 100 + r.IntN(500) {
			if r.IntN(10) == 0 {
				folders = append(folders, filepath.Join(folders[r.IntN(len(folders))], fmt.Sprintf("%s%d", l.words[r.IntN(2000)], i)))
			}
			k := []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 0, 0, 0, 0, 0, 0, 3}[r.IntN(20)]
			name := fmt.Sprintf("%s%d%s", l.identifiers[r.IntN(len(l.identifiers))], i, endings[k][r.IntN(len(endings[k]))])
			f := file{path: filepath.Join(folders[r.IntN(len(folders))], name), size: sourceSize(r), kind: kinds[k], seed: r.Uint64()}
			if differs := r.IntN(6) == 0; differs {
				f.seed += uint64(version)
			}
			if !yield(f) {
				return
			}
		}
	}
}

// sourceSize is log-normal, as the sizes of real source files are: half of them below 2.5 KB, 9.3 KB in the mean.
func sourceSize(r *rand.Rand) int64 {
	return int64(min(2<<20, max(20, 2500*math.Exp(1.62*r.NormFloat64()))))
}

// mutateSmall edits one file of a hundred, removes one of 2,000 and adds as many.
func mutateSmall(root string, r *rand.Rand) (string, error) {
	files, err := list(root)
	if err != nil {
		return "", err
	}
	r.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	few, edits := max(1, len(files)/2000), max(1, len(files)/100)
	if len(files) < few+edits {
		return "", fmt.Errorf("%d files are too few to change", len(files))
	}
	for _, path := range files[:few] {
		if err := os.Remove(path); err != nil {
			return "", err
		}
	}
	for _, path := range files[few : few+edits] {
		if err := edit(path, r); err != nil {
			return "", err
		}
	}
	l := newLanguage(r.Uint64())
	for i := range few {
		f := file{size: sourceSize(r), kind: l.prose, seed: r.Uint64()}
		path := filepath.Join(filepath.Dir(files[few+i]), fmt.Sprintf("new-%x.md", f.seed))
		if err := writeOne(f, path); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d files edited, %d new, %d removed", edits, few, few), nil
}

// list returns the regular files below root in the order of a walk.
func list(root string) (files []string, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	return files, err
}
