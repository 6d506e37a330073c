package cli

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
		if got, err := splitWords(command); err != nil || !slices.Equal(got, want) {
			t.Errorf("splitWords(%q) = %q, %v, want %q", command, got, err, want)
		}
	}
}

func TestCommandsThatAreNotFinishedAreRefused(t *testing.T) {
	for _, command := range []string{`'`, `a "b`, `a 'b "`, `a\`, `"\`, `"a\"`} {
		if got, err := splitWords(command); err == nil {
			t.Errorf("splitWords(%q) = %q, want an error", command, got)
		}
	}
}

func TestAQuotedWordIsOneWord(t *testing.T) {
	for word, want := range map[string]string{"/srv/backup": "/srv/backup", "s3:https://host/a_b?c=1": "'s3:https://host/a_b?c=1'", "": "''", "it's mine": `'it'\''s mine'`} {
		got := quoteWord(word)
		if words, err := splitWords(got); got != want || err != nil || !slices.Equal(words, []string{word}) {
			t.Errorf("quoteWord(%q) = %s, want %s; a shell makes %q of it, %v", word, got, want, words, err)
		}
	}
}
