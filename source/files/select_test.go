package files_test

import (
	"testing"

	"github.com/backstay/backstay/source/files"
)

func TestASelectionTakesWhatItsPatternsSay(t *testing.T) {
	for _, c := range []struct {
		opt           files.SelectOptions
		path          string
		dir           bool
		take, descend bool
	}{
		{files.SelectOptions{}, "home/u", true, true, true},
		{files.SelectOptions{Include: []string{"/home/u"}}, "home", true, false, true},
		{files.SelectOptions{Include: []string{"/home/u"}}, "home/u", true, true, true},
		{files.SelectOptions{Include: []string{"/home/u"}}, "home/u/a/b.txt", false, true, false},
		{files.SelectOptions{Include: []string{"/home/u"}}, "home/v", true, false, false},
		{files.SelectOptions{Include: []string{"/home/u"}}, "etc", true, false, false},
		{files.SelectOptions{Include: []string{"/home/*/x"}}, "home/v", true, false, true},
		{files.SelectOptions{Include: []string{"/home/**/x"}}, "home/v/w", true, false, true},
		{files.SelectOptions{Include: []string{"*.txt"}}, "etc", true, false, true},
		{files.SelectOptions{Include: []string{"*.txt"}}, "etc/a.txt", false, true, false},
		{files.SelectOptions{Include: []string{"*.txt"}}, "etc/a.TXT", false, false, false},
		{files.SelectOptions{InsensitiveInclude: []string{"*.txt"}}, "etc/a.TXT", false, true, false},
		{files.SelectOptions{Exclude: []string{"cache"}}, "home/cache", true, false, false},
		{files.SelectOptions{Exclude: []string{"cache"}}, "home/caches", true, true, true},
		{files.SelectOptions{Include: []string{"/home"}, Exclude: []string{"*.tmp"}}, "home/a.tmp", false, false, false},
		{files.SelectOptions{Include: []string{"/home"}, InsensitiveExclude: []string{"*.tmp"}}, "home/A.TMP", false, false, false},
	} {
		s, err := files.NewSelection(c.opt)
		if err != nil {
			t.Fatal(err)
		}
		if take, descend := s.Select(c.path, c.dir); take != c.take || descend != c.descend && c.dir {
			t.Errorf("%+v: Select(%q) = %t, %t, want %t, %t", c.opt, c.path, take, descend, c.take, c.descend)
		}
	}
}

func TestABrokenPatternIsRefused(t *testing.T) {
	if _, err := files.NewSelection(files.SelectOptions{Include: []string{"a[b"}}); err == nil {
		t.Error("NewSelection with the pattern a[b = nil error")
	}
}
