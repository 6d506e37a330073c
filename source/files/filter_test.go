package files

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPatternsLeaveOut(t *testing.T) {
	for _, c := range []struct {
		patterns string // space between
		path     string
		out      bool
	}{
		{"a", "/x/a", true},
		{"a", "/x/a/b", true},
		{"a", "/x/ab", false},
		{"a/b", "/x/a/b/c", true},
		{"a/b", "/x/a/c/b", false},
		{"/a", "/a/b", true},
		{"/a", "/x/a", false},
		{"/", "/x", true},
		{"*.tmp", "/x/a.tmp", true},
		{"*.tmp", "/x/.tmp", true},
		{"*.tmp", "/x/a.tmpx", false},
		{"a*c", "/x/abc", true},
		{"a*c", "/x/a/c", false},
		{"?", "/xy/ab", false},
		{"[a-c]", "/x/b", true},
		{"[^a-c]", "/b", false},
		{`\*`, "/x/*", true},
		{`\*`, "/x/a", false},
		{"a/**/b", "/a/b", true},
		{"a/**/b", "/x/a/1/2/b/y", true},
		{"a/**/b", "/a/1/2/c", false},
		{"/a/**/b", "/x/a/b", false},
		{"/**/b", "/x/y/b", true},
		{"**/b", "/b", true},
		{"a/**", "/x/a", true},
		{"a/**/**/b", "/a/b", true},
		{"**", "/x", true},
		{"a/", "/x/a", true},
		{"./a", "/x/a", true},
		{"x/../a", "/x/a", true},
		{"A", "/x/a", false},
		{"a/* !a/b", "/x/a/b", false},
		{"a/* !a/b", "/x/a/b/c", false},
		{"a/* !a/b", "/x/a/c", true},
		{"a/* !a/b a/b/c", "/x/a/b/c", true},
		{"!a a", "/x/a", true},
		{"a a/b !b", "/x/a/b", false},
		{"", "/x/a", false},
		{"ü*", "/x/übung", true},
		{"\xff", "/x/\xff", true},
	} {
		f, err := newFilter(Options{Exclude: strings.Fields(c.patterns)})
		if err != nil {
			t.Errorf("newFilter(%q) = %v", c.patterns, err)
			continue
		}
		i := strings.LastIndexByte(c.path, '/')
		if got := f.excludes(f.absolute("/"+c.path[:i]), c.path[i+1:]); got != c.out {
			t.Errorf("patterns %q leave out %q: %v, want %v", c.patterns, c.path, got, c.out)
		}
	}
}

func TestInsensitivePatternsDoNotMindCase(t *testing.T) {
	f, err := newFilter(Options{InsensitiveExclude: []string{"A/*.Tmp", "!KEEP.tmp"}, Exclude: []string{"B"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"x.TMP": true, "Keep.TMP": false, "b": false, "B": true} {
		if got := f.excludes(f.absolute("/x/a"), name); got != want {
			t.Errorf("%q is left out: %v, want %v", name, got, want)
		}
	}
}

func TestManyPatternsKeepApartWhatMatchedAbove(t *testing.T) {
	var patterns []string
	for range 100 {
		patterns = append(patterns, "nothing")
	}
	f, err := newFilter(Options{Exclude: append(patterns, "a", "!b")})
	if err != nil {
		t.Fatal(err)
	}
	a := f.absolute("/a")
	if !f.excludes(a, "c") || f.excludes(a, "b") || f.excludes(f.enter(a, "b"), "c") || f.excludes(f.absolute("/x"), "c") {
		t.Error("pattern 101 or 102 is confused with another")
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	for _, opt := range []Options{
		{Exclude: []string{"a/[b"}}, {Exclude: []string{""}}, {Exclude: []string{"!"}}, {InsensitiveExclude: []string{`a\`}},
		{ExcludeIfPresent: []string{""}}, {ExcludeIfPresent: []string{":x"}}, {ExcludeIfPresent: []string{"a/b"}},
	} {
		if v, err := New([]string{t.TempDir()}, opt).Open(t.Context()); err == nil {
			t.Errorf("Open with %+v = %v, nil error", opt, v)
		}
	}
}

func TestListsAreRead(t *testing.T) {
	getenv := func(name string) string { return map[string]string{"HOME": "/h"}[name] }
	got, err := ReadPatterns(strings.NewReader("\ufeff# why\n\n  *.tmp \n$HOME/x\n${HOME}y$$\n#z\n!a b"), getenv)
	if diff := cmp.Diff([]string{"*.tmp", "/h/x", "/hy$", "!a b"}, got); err != nil || diff != "" {
		t.Errorf("ReadPatterns = %v, %s", err, diff)
	}
	got, err = ReadVerbatim(strings.NewReader("# a\n\n b \n$c"))
	if diff := cmp.Diff([]string{"# a", " b ", "$c"}, got); err != nil || diff != "" {
		t.Errorf("ReadVerbatim = %v, %s", err, diff)
	}
	got, err = ReadRaw(strings.NewReader("a\nb\x00 c\x00"))
	if diff := cmp.Diff([]string{"a\nb", " c"}, got); err != nil || diff != "" {
		t.Errorf("ReadRaw = %v, %s", err, diff)
	}
	for _, bad := range []string{"a", "a\x00b", "\x00", "a\x00\x00"} {
		if got, err := ReadRaw(strings.NewReader(bad)); err == nil {
			t.Errorf("ReadRaw(%q) = %q, nil error", bad, got)
		}
	}
	if _, err := ReadVerbatim(io.MultiReader(strings.NewReader("a\n"), strings.NewReader(strings.Repeat("x", maxListLine+1)))); err == nil {
		t.Error("ReadVerbatim of a line without end = nil error")
	}
}

func TestAListOfGlobsStandsForWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "a1", "a2", "b")
	got, missed, err := ReadGlobs(strings.NewReader("# x\n" + dir + "/a*\n" + dir + "/c*\n\n" + dir + "/b\n"))
	if err != nil || !slices.Equal(got, []string{dir + "/a1", dir + "/a2", dir + "/b"}) || !slices.Equal(missed, []string{dir + "/c*"}) {
		t.Errorf("ReadGlobs = %q, %q, %v", got, missed, err)
	}
	if _, _, err := ReadGlobs(strings.NewReader("[a")); err == nil {
		t.Error("ReadGlobs of a bad pattern = nil error")
	}
}
