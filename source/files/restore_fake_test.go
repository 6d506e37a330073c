package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstay/backstay/entry"
)

// stored is a snapshot in memory. Its Fetch delivers pieces out of order, from several goroutines.
type stored struct {
	entries []entry.Entry
	bytes   map[string][]byte
	piece   int              // bytes of a piece
	lost    map[string]error // files whose last piece is missing
	stop    func(path string, offset int64) error

	mu      sync.Mutex
	fetched int64 // bytes delivered
}

func newStored() *stored {
	return &stored{bytes: map[string][]byte{}, lost: map[string]error{}, piece: 64 << 10}
}

var testTime = time.Date(2020, 2, 3, 4, 5, 6, 789, time.UTC)

// add puts an entry into the snapshot; meta may change what add made of it.
func (s *stored) add(p string, t entry.Type, content string, change ...func(*entry.Entry)) {
	e := entry.Entry{Path: p, Meta: entry.Meta{Name: path.Base(p), Type: t, Mode: 0o644, ModTime: testTime, AccessTime: testTime, Links: 1}}
	switch t {
	case entry.Dir:
		e.Mode, e.Links = fs.ModeDir|0o755, 0
	case entry.File:
		e.Size = uint64(len(content))
		s.bytes[p] = []byte(content)
	case entry.Symlink:
		e.Mode, e.LinkTarget = fs.ModeSymlink|0o777, content
	}
	for _, c := range change {
		c(&e)
	}
	s.entries = append(s.entries, e)
}

func (s *stored) all() iter.Seq2[entry.Entry, error] {
	return func(yield func(entry.Entry, error) bool) {
		for _, e := range s.entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (s *stored) Fetch(ctx context.Context, wanted []entry.Entry, sink entry.Sink) error {
	type piece struct {
		file   int
		offset int64
		bytes  []byte
	}
	var pieces []piece
	left := make([]int, len(wanted))
	failed := make([]error, len(wanted))
	for i, e := range wanted {
		ranges := sink.Want(i)
		content := s.bytes[e.Path]
		for offset := 0; offset < len(content); offset += s.piece {
			end := min(offset+s.piece, len(content))
			if ranges == nil || slices.ContainsFunc(ranges, func(r entry.Range) bool {
				return r.Offset < int64(end) && int64(offset) < r.Offset+r.Length
			}) {
				pieces = append(pieces, piece{i, int64(offset), content[offset:end]})
				left[i]++
			}
		}
		if left[i] == 0 {
			sink.Done(i, nil)
		}
	}
	slices.Reverse(pieces)
	work := make(chan piece, len(pieces))
	for _, p := range pieces {
		work <- p
	}
	close(work)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for p := range work {
				if ctx.Err() != nil {
					return
				}
				e := wanted[p.file]
				var err error
				if s.stop != nil {
					err = s.stop(e.Path, p.offset)
				}
				if err == nil && (s.lost[e.Path] == nil || p.offset > 0) {
					err = sink.WriteAt(p.file, p.bytes, p.offset)
				}
				s.mu.Lock()
				s.fetched += int64(len(p.bytes))
				failed[p.file] = errors.Join(failed[p.file], err)
				left[p.file]--
				last := left[p.file] == 0
				err = errors.Join(failed[p.file], s.lost[e.Path])
				s.mu.Unlock()
				if last {
					sink.Done(p.file, err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (s *stored) Open(_ context.Context, e entry.Entry) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(s.bytes[e.Path])), nil
}

func (s *stored) Match(_ context.Context, e entry.Entry, r io.ReaderAt) ([]entry.Range, error) {
	var differ []entry.Range
	content := s.bytes[e.Path]
	buf := make([]byte, s.piece)
	for offset := 0; offset < len(content); offset += s.piece {
		want := content[offset:min(offset+s.piece, len(content))]
		n, err := r.ReadAt(buf[:len(want)], int64(offset))
		if err != nil && err != io.EOF {
			return nil, err
		}
		if !bytes.Equal(buf[:n], want) {
			differ = append(differ, entry.Range{Offset: int64(offset), Length: int64(len(want))})
		}
	}
	return differ, nil
}

// scratch is a folder in memory where the system has one: what makes many files need not wait for a disk.
func scratch(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "restore")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// planOf returns the changes that are planned.
func planOf(t *testing.T, target *Target, s *stored) []entry.Change {
	t.Helper()
	var changes []entry.Change
	for c, err := range target.Plan(t.Context(), s.all(), s) {
		if err != nil {
			t.Fatalf("Plan: %v", err)
		}
		changes = append(changes, c)
	}
	return changes
}

// applyPlan applies changes and returns what was reported, by path.
func applyPlan(ctx context.Context, target *Target, s *stored, changes []entry.Change) (map[string]entry.Change, error) {
	reports := map[string]entry.Change{}
	err := target.Apply(ctx, seq(changes), s.all(), s, func(c entry.Change) { reports[c.Path] = c })
	return reports, err
}

// restoreAll plans and applies, and fails where anything was lost.
func restoreAll(t *testing.T, target *Target, s *stored) map[string]entry.Change {
	t.Helper()
	changes := planOf(t, target, s)
	reports, err := applyPlan(t.Context(), target, s, changes)
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	for _, c := range changes {
		if r, ok := reports[c.Path]; !ok || r.Action != c.Action {
			t.Errorf("Apply of %q: reported %q (%s), planned %q", c.Path, r.Action, r.Reason, c.Action)
		}
	}
	return reports
}

func seq(changes []entry.Change) iter.Seq2[entry.Change, error] {
	return func(yield func(entry.Change, error) bool) {
		for _, c := range changes {
			if !yield(c, nil) {
				return
			}
		}
	}
}

// inWords writes changes as "create a/b", one a line.
func inWords(changes []entry.Change) string {
	var lines []string
	for _, c := range changes {
		lines = append(lines, fmt.Sprintf("%s %s", c.Action, c.Path))
	}
	return strings.Join(lines, "\n")
}

func failures(reports map[string]entry.Change) []string {
	var paths []string
	for _, p := range slices.Sorted(maps.Keys(reports)) {
		if reports[p].Action == entry.Failed {
			paths = append(paths, p)
		}
	}
	return paths
}
