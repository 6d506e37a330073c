package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/internal/cli"
)

const docs = "../../../docs/reference"

// read returns the files of a folder by name.
func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(text)
	}
	return files
}

func TestTheReferenceIsWhatTheCommandsSay(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a-command-that-is-gone.md"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(dir); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(read(t, dir), read(t, docs)); diff != "" {
		t.Errorf("docs/reference is not what the commands say: run make docs (-want +got):\n%s", diff)
	}
}

func TestEveryLinkOfAPageLeadsToAPage(t *testing.T) {
	all := pages(cli.Commands())
	links := regexp.MustCompile(`\]\(([^)#]*)(#([^)]*))?\)`)
	for name, text := range all {
		for _, found := range links.FindAllStringSubmatch(text, -1) {
			target, ok := all[found[1]]
			if !ok || found[3] != "" && !strings.Contains(strings.ToLower(target), "\n## "+found[3]+"\n") {
				t.Errorf("%s has the link %s, which leads nowhere", name, found[0])
			}
		}
		if name != "README.md" && !strings.Contains(all["README.md"], "]("+name+")") {
			t.Errorf("README.md has no link to %s", name)
		}
	}
}

func TestTheListShowsWhatTheHelpShows(t *testing.T) {
	root := cli.Commands()
	text := pages(root)["README.md"]
	var help strings.Builder
	root.SetOut(&help)
	if err := root.Help(); err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^  ([a-z-]+|backstay [a-z-]+) +[A-Z]`)
	found := commands.FindAllStringSubmatch(help.String(), -1)
	for _, c := range found {
		name := "backstay " + strings.ReplaceAll(c[1], "backstay ", "help ")
		if !strings.Contains(text, "\n- `"+name+"`: ") && !strings.Contains(text, "\n- [`"+name+"`](") {
			t.Errorf("the help has %q, README.md has no %s", c[0], name)
		}
	}
	if listed := strings.Count(text, "\n- "); listed != len(found) {
		t.Errorf("README.md lists %d commands and topics, the help %d", listed, len(found))
	}
}

func TestHelpBecomesMarkdown(t *testing.T) {
	long := strings.Repeat("sixteen letters ", 7) + "as line" // after it there is no room
	for text, want := range map[string]string{
		"in a pattern * stands for _any_ <b>, [a-z]": `in a pattern \* stands for \_any\_ \<b\>, \[a-z\]`,
		"see 'backstay help exit-codes', it isn't":   "see [`backstay help exit-codes`](exit-codes.md), it isn't",
		"$HOME_DIR... or -r, with --read-data":       "`$HOME_DIR...` or `-r`, with `--read-data`",
		"one\ntwo\n\nthree":                          "one two\n\nthree",
		"codes:\n    0  well\n  130  '*' or *":       "codes:\n\n- `0`: well\n- `130`: `*` or \\*",
		"  a, b     two names\n  c        one":       "- `a`, `b`: two names\n- `c`: one",
		"order:\n\n  1. first,\n     and\n  2. last": "order:\n\n1. first, and\n2. last",
		long + " - is no list":                       long + "\n\\- is no list",
		long + " 1. is no list":                      long + "\n1\\. is no list",
		"  1. " + long[2:] + " + is none":            "1. " + long[2:] + "\n   \\+ is none",
		long + " -x is no list":                      long + "\n`-x` is no list",
	} {
		if diff := cmp.Diff(want+"\n", prose(text)); diff != "" {
			t.Errorf("prose(%q) (-want +got):\n%s", text, diff)
		}
	}
}
