package files_test

import (
	"strings"
	"testing"

	"github.com/backstay/backstay/source/files"
)

// Any pattern is read or refused, and asked about any path without a panic; a path that is its own literal pattern matches.
func FuzzPattern(f *testing.F) {
	f.Add("*.tmp", "home/a.tmp")
	f.Add("/home/**/x", "home/u/v/x")
	f.Add("!a", "a")
	f.Add("[a-", "a")
	f.Add("**", "")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		s, err := files.NewSelection(files.SelectOptions{Include: []string{pattern}, InsensitiveExclude: []string{"never/" + pattern}})
		if err != nil {
			return
		}
		take, descend := s.Select(path, true)
		if take && !descend {
			t.Fatalf("%q takes the directory %q but not what is in it", pattern, path)
		}
	})
}

// A list of patterns is read line by line, whatever is in it.
func FuzzReadPatterns(f *testing.F) {
	f.Add("# comment\n*.tmp\n\n $HOME/x \n$$y")
	f.Fuzz(func(t *testing.T, text string) {
		patterns, err := files.ReadPatterns(strings.NewReader(text), func(string) string { return "value" })
		for _, p := range patterns {
			if err == nil && strings.Contains(p, "\n") {
				t.Fatalf("pattern %q of %q", p, text)
			}
		}
	})
}
