// Package dataset makes the data that engines are measured on, and changes it as one day does.
//
// A Set is described by a plan: a stream of files, each with a size, a kind of content and the seed of its content. Two
// files with the same kind and seed are equal in their common length: so duplicates are made. The scale multiplies the
// number of small files and the size of large ones; 1 stands for the sizes that the published figures are of. All is
// decided by the seed, but for binaries, which are copied from /usr/lib where there are any, since nothing synthetic
// compresses like machine code.
package dataset

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// Set is one data set.
type Set struct {
	Name  string // "small", "mixed", "big" or "million"
	Title string // what it is made of
	Files int    // about as many as planned
	Bytes int64  // about as many as planned

	plan   func(seed uint64) iter.Seq[file]
	mutate func(root string, r *rand.Rand) (string, error)
}

// Sets returns all data sets at a scale, which is greater than 0.
func Sets(scale float64) []Set {
	return []Set{small(scale), mixed(scale), big(scale), million(scale)}
}

// Stats is what was made.
type Stats struct {
	Files   int   `json:"files"`
	Folders int   `json:"folders"` // the root among them
	Bytes   int64 `json:"bytes"`
	Copied  int64 `json:"copied_bytes"` // how many of the bytes came from /usr/lib
}

// file is one planned file.
type file struct {
	path string // relative, slash-separated
	size int64
	kind kind
	seed uint64 // of the content
	from string // copied from here instead, if set
}

// kind is a kind of content. It returns a function that appends the next piece, of a line up to some KiB, to b.
type kind func(r *rand.Rand) func(b []byte) []byte

// Generate makes the set below root, which is made too.
func (s Set) Generate(ctx context.Context, root string, seed uint64) (Stats, error) {
	var stats Stats
	workers, ctx := errgroup.WithContext(ctx)
	queue := make(chan file)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() error { return writeAll(root, queue) })
	}
	workers.Go(func() error {
		defer close(queue)
		return feed(ctx, root, s.plan(seed), queue, &stats)
	})
	if err := workers.Wait(); err != nil {
		return stats, fmt.Errorf("generate data set %q: %w", s.Name, err)
	}
	return stats, nil
}

// feed makes the folders and hands the files to the writers.
func feed(ctx context.Context, root string, plan iter.Seq[file], queue chan<- file, stats *Stats) error {
	folders := map[string]bool{}
	for f := range plan {
		for d := filepath.Dir(f.path); !folders[d]; d = filepath.Dir(d) {
			folders[d] = true
			if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
				return err
			}
		}
		stats.Files++
		stats.Bytes += f.size
		if f.from != "" {
			stats.Copied += f.size
		}
		select {
		case queue <- f:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	stats.Folders = len(folders)
	return nil
}

func writeAll(root string, queue <-chan file) error {
	w := bufio.NewWriterSize(nil, 256<<10)
	for f := range queue {
		if err := f.write(filepath.Join(root, f.path), w); err != nil {
			return err
		}
	}
	return nil
}

func (f file) write(path string, w *bufio.Writer) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close() // closed twice without harm; the first Close's error is returned
	w.Reset(out)
	if f.from != "" {
		err = copyFrom(w, f.from, f.size)
	} else {
		err = f.fill(w)
	}
	if err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return out.Close()
}

// fill writes pieces of the kind until the size is reached, the last one cut.
func (f file) fill(w io.Writer) error {
	next := f.kind(rand.New(rand.NewPCG(f.seed, 0)))
	var piece []byte
	for left := f.size; left > 0; {
		piece = next(piece[:0])
		piece = piece[:min(int64(len(piece)), left)]
		if _, err := w.Write(piece); err != nil {
			return err
		}
		left -= int64(len(piece))
	}
	return nil
}

func copyFrom(w io.Writer, path string, size int64) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.CopyN(w, in, size)
	return err
}

// Mutate changes the set below root as one day does and says in a line what was changed. Each seed is another day.
func (s Set) Mutate(root string, seed uint64) (string, error) {
	said, err := s.mutate(root, rand.New(rand.NewPCG(seed, 2)))
	if err != nil {
		return "", fmt.Errorf("change data set %q: %w", s.Name, err)
	}
	return said, nil
}
