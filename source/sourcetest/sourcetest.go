// Package sourcetest holds what every source owes to those who read it, as tests.
//
// A promise is a sentence, which is the name of its test: run one alone with -run. An adapter calls Run from a test of
// its own with a Case that makes real sources.
package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/source"
)

// Case makes the sources that are tested.
type Case struct {
	// New makes a source with at least one file. What is in it doesn't change during the test.
	New func(t *testing.T) source.Source
	// Contents holds the content of some files of New, by their path.
	Contents map[string]string
	// Lossy makes a source with an entry that can't be read, among others that can, and says which. Nil: such
	// entries can't be made.
	Lossy func(t *testing.T) (src source.Source, lost string)
	// Background are the goroutines of connections that a source keeps when it is not in use.
	Background []goleak.Option
}

// lossPromise can be asked only of a source that has entries to lose.
const lossPromise = "a lost entry doesn't end the rest"

// soon is how long what has to end soon may take on a busy machine.
const soon = 10 * time.Second

// Run tests each promise.
func Run(t *testing.T, c Case) {
	for _, promise := range []struct {
		name string
		test func(*testing.T, Case)
	}{
		{"entries come in tree order, each once", inTreeOrder},
		{"an entry tells what it is", tellsWhatItIs},
		{"a source can be opened again and shows the same", opensAgain},
		{"a content has the bytes that it should", rightBytes},
		{"contents may be read from many goroutines until the view is closed", readFromMany},
		{lossPromise, lostEntry},
		{"a reader may leave early", leaveEarly},
		{"a cancelled context ends the entries soon, and says why", cancelled},
		{"a context cancelled before the first entry yields nothing but its cause", cancelledBefore},
		{"a content is not opened with a cancelled context", cancelledContent},
		{"closing a view twice does no harm", closeTwice},
	} {
		if promise.name == lossPromise && c.Lossy == nil {
			continue
		}
		t.Run(promise.name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			promise.test(t, c)
			if err := goleak.Find(append(c.Background, before)...); err != nil {
				t.Errorf("goroutines are left behind: %v", err)
			}
		})
	}
}

func open(t *testing.T, src source.Source) source.View {
	t.Helper()
	v, err := src.Open(t.Context())
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	return v
}

func shut(t *testing.T, v source.View) {
	t.Helper()
	if err := v.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
}

// all returns the entries of v, none of which may be lost.
func all(t *testing.T, v source.View) (entries []entry.Entry) {
	t.Helper()
	for e, err := range v.Entries(t.Context()) {
		if err != nil {
			t.Fatalf("Entries yields the error %v", err)
		}
		entries = append(entries, e)
	}
	if len(entries) == 0 {
		t.Fatal("Entries yields nothing")
	}
	return entries
}

func inTreeOrder(t *testing.T, c Case) {
	v := open(t, c.New(t))
	defer shut(t, v)
	dirs := map[string]bool{"": true}
	last := ""
	for i, e := range all(t, v) {
		if i > 0 && slices.Compare(strings.Split(last, "/"), strings.Split(e.Path, "/")) >= 0 {
			t.Errorf("%q comes after %q", e.Path, last)
		}
		dir := ""
		if i := strings.LastIndexByte(e.Path, '/'); i >= 0 {
			dir = e.Path[:i]
		}
		if !dirs[dir] {
			t.Errorf("%q comes without the directory it is in", e.Path)
		}
		dirs[e.Path] = e.Type == entry.Dir
		last = e.Path
	}
}

func tellsWhatItIs(t *testing.T, c Case) {
	v := open(t, c.New(t))
	defer shut(t, v)
	for _, e := range all(t, v) {
		if name := e.Path[strings.LastIndexByte(e.Path, '/')+1:]; e.Name != name || name == "" || name == "." || name == ".." {
			t.Errorf("the entry at %q has the name %q", e.Path, e.Name)
		}
		if e.Type == "" || e.Content == nil || e.ModTime.IsZero() {
			t.Errorf("the entry at %q has type %q, content %v, time %v", e.Path, e.Type, e.Content, e.ModTime)
		}
		if e.Mode.IsDir() != (e.Type == entry.Dir) || e.Mode.IsRegular() != (e.Type == entry.File) {
			t.Errorf("the %s at %q has the mode %v", e.Type, e.Path, e.Mode)
		}
		if e.Type != entry.File && e.Size != 0 {
			t.Errorf("the %s at %q has the size %d", e.Type, e.Path, e.Size)
		}
	}
}

func opensAgain(t *testing.T, c Case) {
	src := c.New(t)
	var shown [2][]string
	for i := range shown {
		v := open(t, src)
		for _, e := range all(t, v) {
			shown[i] = append(shown[i], fmt.Sprintf("%s %q", e.Type, e.Path))
		}
		shut(t, v)
	}
	if !slices.Equal(shown[0], shown[1]) {
		t.Errorf("the second view shows %v, the first %v", shown[1], shown[0])
	}
}

func rightBytes(t *testing.T, c Case) {
	v := open(t, c.New(t))
	defer shut(t, v)
	found := 0
	for _, e := range all(t, v) {
		want, ok := c.Contents[e.Path]
		if !ok {
			continue
		}
		found++
		if got, err := content(t.Context(), e); err != nil || got != want {
			t.Errorf("content of %q = %.40q, %v, want %.40q", e.Path, got, err, want)
		}
	}
	if found != len(c.Contents) {
		t.Errorf("found %d files of %d", found, len(c.Contents))
	}
}

func content(ctx context.Context, e entry.Entry) (string, error) {
	r, err := e.Content.Open(ctx)
	if err != nil {
		return "", err
	}
	p, err := io.ReadAll(r)
	return string(p), errors.Join(err, r.Close())
}

func readFromMany(t *testing.T, c Case) {
	v := open(t, c.New(t))
	defer shut(t, v)
	if v.Parallel() < 1 {
		t.Fatalf("Parallel = %d", v.Parallel())
	}
	open := make(chan struct{}, v.Parallel())
	var work sync.WaitGroup
	for _, e := range all(t, v) {
		work.Go(func() {
			if _, err := e.Content.Attributes(); err != nil {
				t.Errorf("Attributes of %q = %v", e.Path, err)
			}
			switch e.Type {
			case entry.Symlink:
				if target, err := e.Content.LinkTarget(); err != nil || target == "" {
					t.Errorf("LinkTarget of %q = %q, %v", e.Path, target, err)
				}
			case entry.File:
				open <- struct{}{}
				defer func() { <-open }()
				got, err := content(t.Context(), e)
				if want, ok := c.Contents[e.Path]; err != nil || ok && got != want {
					t.Errorf("content of %q = %.40q, %v, want %.40q", e.Path, got, err, want)
				}
			}
		})
	}
	work.Wait()
}

func lostEntry(t *testing.T, c Case) {
	src, path := c.Lossy(t)
	v := open(t, src)
	defer shut(t, v)
	kept, after, losses := 0, 0, 0
	for e, err := range v.Entries(t.Context()) {
		var lost *entry.Error
		switch {
		case err == nil && e.Path == path:
			t.Errorf("%q is an entry and lost", path)
		case err == nil:
			kept++
			after += losses
		case errors.As(err, &lost) && lost.Path == path && lost.Err != nil:
			losses++
		default:
			t.Errorf("Entries yields the error %v", err)
		}
	}
	if losses != 1 || kept == 0 || after == 0 {
		t.Errorf("%q was lost %d times; %d entries were kept, %d of them after it", path, losses, kept, after)
	}
}

func leaveEarly(t *testing.T, c Case) {
	v := open(t, c.New(t))
	for _, err := range v.Entries(t.Context()) {
		if err != nil {
			t.Errorf("Entries yields the error %v", err)
		}
		break
	}
	shut(t, v)
}

func cancelled(t *testing.T, c Case) {
	whole := open(t, c.New(t))
	total := len(all(t, whole))
	shut(t, whole)
	v := open(t, c.New(t))
	defer shut(t, v)
	why := errors.New("the plug was pulled")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var last error
	began, n := time.Now(), 0
	for _, err := range v.Entries(ctx) {
		last = err
		n++
		cancel(why)
	}
	if took := time.Since(began); took > soon {
		t.Errorf("the entries ended %v after the cancel", took)
	}
	if total > 1 && (n != 2 || !errors.Is(last, why)) {
		t.Errorf("after the cancel Entries yields %d more, at last %v, want 1 more: %v", n-1, last, why)
	}
}

func cancelledBefore(t *testing.T, c Case) {
	v := open(t, c.New(t))
	defer shut(t, v)
	why := errors.New("the plug was pulled")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	var got []error
	for _, err := range v.Entries(ctx) {
		got = append(got, err)
	}
	if len(got) != 1 || !errors.Is(got[0], why) {
		t.Errorf("Entries yields %v, want only %v", got, why)
	}
}

func cancelledContent(t *testing.T, c Case) {
	v := open(t, c.New(t))
	entries := all(t, v)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, e := range entries {
		if e.Type != entry.File {
			continue
		}
		if r, err := e.Content.Open(ctx); err == nil {
			t.Errorf("Open of %q with a cancelled context = nil error", e.Path)
			if err := r.Close(); err != nil {
				t.Errorf("Close of %q = %v", e.Path, err)
			}
		}
		break
	}
	shut(t, v)
}

func closeTwice(t *testing.T, c Case) {
	v := open(t, c.New(t))
	all(t, v)
	first := v.Close()
	if second := v.Close(); first != nil || second != nil {
		t.Errorf("Close = %v, then %v", first, second)
	}
}
