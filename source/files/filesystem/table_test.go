package filesystem

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the table of docs/guide/file-systems.md anew")

const guide = "../../../docs/guide/file-systems.md"

func Test_the_guide_shows_the_table(t *testing.T) {
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- the table: go test ./source/files/filesystem -update -->\n", "<!-- end of the table -->\n"
	before, rest, found := strings.Cut(string(text), begin)
	_, after, ends := strings.Cut(rest, end)
	if !found || !ends {
		t.Fatalf("%s has no place for the table", guide)
	}
	want := before + begin + markdown() + end + after
	if *update {
		if err := os.WriteFile(guide, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Errorf("%s shows another table: go test ./source/files/filesystem -update", guide)
	}
}

// markdown writes the table.
func markdown() string {
	var b strings.Builder
	row := func(cells ...string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	row("File system", "Owner", "Mode", "Symbolic links", "Hard links", "Devices, fifos", "Attributes", "Access lists", "Holes",
		"A and a", "Names", "Largest file", "Times, in steps of", "Tested on")
	row(slices.Repeat([]string{"---"}, 14)...)
	for _, k := range Kinds {
		cells := []string{k.Name}
		for _, a := range []Answer{k.Owner, k.Mode, k.Symlinks, k.HardLinks, k.Devices, k.Attributes, k.ACLs, k.Holes} {
			cells = append(cells, a.String())
		}
		row(append(cells, letters(k), names(k.Names), largest(k), times(k), tested(k))...)
	}
	return b.String()
}

func letters(k Kind) string {
	if k.Fold {
		return "one"
	}
	return "two"
}

func names(n Names) string {
	s := "255 bytes"
	if n.UTF16 {
		s = "255 UTF-16 units, UTF-8 only"
	}
	if n.Forbidden != "" {
		s += ", none of `" + strings.ReplaceAll(strings.Join(strings.Split(n.Forbidden, ""), " "), "|", `\|`) + "`"
	}
	for _, c := range n.Tail {
		s += map[rune]string{'.': ", no dot at the end", ' ': ", no space at the end"}[c]
	}
	return s
}

func largest(k Kind) string {
	if k.MaxFile == 1<<32-1 {
		return "4 GiB - 1"
	}
	return "large"
}

func times(k Kind) string {
	s := k.Step.String()
	if k.First.Equal(never) {
		return s
	}
	return fmt.Sprintf("%s, %d to %d", s, k.First.UTC().Year(), k.Last.UTC().Year())
}

func tested(k Kind) string {
	if k.Test == "" {
		return "not tried"
	}
	return k.Test
}

func Test_each_row_of_the_table_can_be_found_and_is_whole(t *testing.T) {
	types := map[string]string{}
	for i, k := range Kinds {
		for _, name := range k.Types {
			if other := types[name]; other != "" {
				t.Errorf("%q is %q and %q", name, other, k.Name)
			}
			types[name] = k.Name
			if got := kindOf(-1, &Mount{Type: name}).Name; got != k.Name {
				t.Errorf("%q is taken for %q", name, got)
			}
		}
		if k.Name == "" || k.Step < 1 || !k.First.Before(k.Last) || k.First.After(time.Unix(1<<29, 0)) || (len(k.Types) == 0) != (i == len(Kinds)-1) {
			t.Errorf("row %+v", k)
		}
	}
}
