package settings

import (
	"slices"
	"testing"
)

func TestCommandsAreSplitAsByAShell(t *testing.T) {
	for command, want := range map[string][]string{
		``:                           nil,
		"  \t\n":                     nil,
		`cat file`:                   {"cat", "file"},
		"  cat\t file \n":            {"cat", "file"},
		`cat 'my file'`:              {"cat", "my file"},
		`cat "my file"`:              {"cat", "my file"},
		`cat my\ file`:               {"cat", "my file"},
		`a''b ""`:                    {"ab", ""},
		`'it'"'"'s'`:                 {"it's"},
		`'\' "\a\"\\\$\` + "`" + `"`: {`\`, `\a"\$` + "`"},
		`\'x\"`:                      {`'x"`},
		`$HOME *.txt | x`:            {"$HOME", "*.txt", "|", "x"},
		"ü 'ö ä'":                    {"ü", "ö ä"},
	} {
		if got, err := Words(command); err != nil || !slices.Equal(got, want) {
			t.Errorf("Words(%q) = %q, %v, want %q", command, got, err, want)
		}
	}
}

func TestCommandsThatAreNotFinishedAreRefused(t *testing.T) {
	for _, command := range []string{`'`, `a "b`, `a 'b "`, `a\`, `"\`, `"a\"`} {
		if got, err := Words(command); err == nil {
			t.Errorf("Words(%q) = %q, want an error", command, got)
		}
	}
}
