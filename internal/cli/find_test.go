package cli

import (
	"testing"
	"time"

	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
)

func TestPatternsFitNamesAtAnyPlaceOrWholePaths(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		ignoreCase    bool
		want          bool
	}{
		{"b", "a/b", false, true},
		{"b", "a/b/c", false, true},
		{"b", "a/bc", false, false},
		{"b*", "a/bc", false, true},
		{"a/b", "x/a/b/c", false, true},
		{"a/c", "a/b/c", false, false},
		{"/a/b", "a/b", false, true},
		{"/a/b", "a/b/c", false, true},
		{"/b", "a/b", false, false},
		{"/*/b", "a/b", false, true},
		{"/a/b/c", "a/b", false, false},
		{"?", "a", false, true},
		{"[a-c]", "b", false, true},
		{"B", "b", false, false},
		{"B", "b", true, true},
		{"b", "x/B", true, true},
		{"a/", "a", false, true},
	} {
		f := finder{ignoreCase: c.ignoreCase}
		if err := f.parse([]string{c.pattern}); err != nil {
			t.Fatal(err)
		}
		if got := f.match(c.name, &tree.Node{}); got != c.want {
			t.Errorf("pattern %q fits %q = %v, want %v", c.pattern, c.name, got, c.want)
		}
	}
}

func TestOnlyFoldersThatCannotHoldAMatchAreLeftOut(t *testing.T) {
	for _, c := range []struct {
		patterns []string
		dir      string
		want     bool
	}{
		{[]string{"b"}, "a", false},
		{[]string{"/a/b"}, "a", false},
		{[]string{"/a/b"}, "a/b/c", false},
		{[]string{"/a/b"}, "x", true},
		{[]string{"/a/b"}, "a/x", true},
		{[]string{"/a/b", "/x"}, "x", false},
		{[]string{"/a/b", "c"}, "x", false},
		{[]string{"/*/b"}, "x", false},
	} {
		var f finder
		if err := f.parse(c.patterns); err != nil {
			t.Fatal(err)
		}
		if got := f.leaves(c.dir, &tree.Node{}); got != c.want {
			t.Errorf("patterns %q leave out %q = %v, want %v", c.patterns, c.dir, got, c.want)
		}
	}
}

func TestTimesBoundWhatIsFound(t *testing.T) {
	at := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	n := &tree.Node{Meta: entry.Meta{ModTime: at}}
	for _, c := range []struct {
		f    finder
		want bool
	}{
		{finder{}, true},
		{finder{oldest: at, newest: at}, true},
		{finder{oldest: at.Add(1)}, false},
		{finder{newest: at.Add(-1)}, false},
	} {
		if err := c.f.parse([]string{"*"}); err != nil {
			t.Fatal(err)
		}
		if got := c.f.match("a", n); got != c.want {
			t.Errorf("from %v to %v fits %v = %v, want %v", c.f.oldest, c.f.newest, at, got, c.want)
		}
	}
}

func TestPathsSelectThemselvesAndWhatIsInThem(t *testing.T) {
	for _, c := range []struct {
		paths       []string
		recursive   bool
		name        string
		has, leaves bool
	}{
		{nil, true, "a/b", true, false},
		{[]string{"/"}, false, "a", true, true},
		{[]string{"/"}, false, "a/b", false, true},
		{[]string{"/"}, true, "a/b", true, false},
		{[]string{"/a/b"}, false, "a", false, false},
		{[]string{"/a/b"}, false, "a/b", true, false},
		{[]string{"/a/b"}, false, "a/b/c", true, true},
		{[]string{"/a/b"}, false, "a/b/c/d", false, true},
		{[]string{"/a/b"}, true, "a/b/c/d", true, false},
		{[]string{"/a/b"}, true, "a/bc", false, true},
		{[]string{"x", "a/"}, false, "a/b", true, true},
	} {
		w := newWithin(c.paths, c.recursive)
		if has, leaves := w.has(c.name), w.leaves(c.name, nil); has != c.has || leaves != c.leaves {
			t.Errorf("ls %q (recursive %v): %q is shown %v, left out as a folder %v; want %v, %v", c.paths, c.recursive, c.name, has, leaves, c.has, c.leaves)
		}
	}
}
