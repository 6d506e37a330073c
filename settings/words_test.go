package settings

import (
	"slices"
	"testing"
)

func TestACommandLineIsSplitIntoItsWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                                  nil,
		"  ":                                nil,
		"ssh":                               {"ssh"},
		" ssh  user@host\t-s sftp ":         {"ssh", "user@host", "-s", "sftp"},
		`ssh -i "/a b/key" 'c d'`:           {"ssh", "-i", "/a b/key", "c d"},
		`a"b c"d`:                           {"ab cd"},
		`''  ""`:                            {"", ""},
		`"it's" 'say "x"'`:                  {"it's", `say "x"`},
		`a\ b \"c\" "d\"e" 'f\g'`:           {"a b", `"c"`, `d"e`, `f\g`},
		"$(reboot) ; `reboot` | x > y && *": {"$(reboot)", ";", "`reboot`", "|", "x", ">", "y", "&&", "*"},
	} {
		if got, err := Words(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("Words(%q) = %q, %v, want %q", line, got, err, want)
		}
	}
	for _, line := range []string{`"`, `'a`, `a\`, `"\"`} {
		if got, err := Words(line); err == nil {
			t.Errorf("Words(%q) = %q, want an error", line, got)
		}
	}
}
