package files

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstay/backstay/entry"
)

// inOrder delivers each file at once, in order and from two goroutines: what is measured is the target.
type inOrder struct{ *stored }

func (s *inOrder) Fetch(_ context.Context, wanted []entry.Entry, sink entry.Sink) error {
	done := make(chan struct{})
	for half := range 2 {
		go func() {
			for i := half; i < len(wanted); i += 2 {
				sink.Want(i)
				sink.Done(i, sink.WriteAt(i, s.bytes["content"], 0))
			}
			done <- struct{}{}
		}()
	}
	<-done
	<-done
	return nil
}

// Restores 95,000 files of 9 KiB in 9,500 directories.
func Benchmark_restore_of_many_small_files(b *testing.B) {
	s := newStored()
	s.bytes["content"] = []byte(strings.Repeat("some text\n", 900))
	for i := range 9_500 {
		d := fmt.Sprintf("d%05d", i)
		s.entries = append(s.entries, entry.Entry{Path: d, Meta: entry.Meta{Name: d, Type: entry.Dir, Mode: os.ModeDir | 0o755, ModTime: testTime}})
		for k := range 10 {
			name := fmt.Sprintf("f%d", k)
			s.entries = append(s.entries, entry.Entry{Path: d + "/" + name, Meta: entry.Meta{Name: name, Type: entry.File, Mode: 0o644, Size: 9000, ModTime: testTime, Links: 1}})
		}
	}
	base := scratch(b)
	for i := 0; b.Loop(); i++ {
		target := NewTarget(filepath.Join(base, fmt.Sprint(i)), TargetOptions{})
		plan := target.Plan(b.Context(), s.all(), s)
		failed := 0
		err := target.Apply(b.Context(), plan, s.all(), &inOrder{s}, func(c entry.Change) {
			if c.Action == entry.Failed {
				failed++
			}
		})
		if err != nil || failed > 0 {
			b.Fatalf("Apply = %v, %d failed", err, failed)
		}
		b.StopTimer()
		if err := os.RemoveAll(filepath.Join(base, fmt.Sprint(i))); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
