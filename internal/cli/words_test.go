package cli

import (
	"slices"
	"testing"

	"github.com/backstay/backstay/settings"
)

func TestAQuotedWordIsOneWord(t *testing.T) {
	for word, want := range map[string]string{"/srv/backup": "/srv/backup", "s3:https://host/a_b?c=1": "'s3:https://host/a_b?c=1'", "": "''", "it's mine": `'it'\''s mine'`} {
		got := quoteWord(word)
		if words, err := settings.Words(got); got != want || err != nil || !slices.Equal(words, []string{word}) {
			t.Errorf("quoteWord(%q) = %s, want %s; a shell makes %q of it, %v", word, got, want, words, err)
		}
	}
}
