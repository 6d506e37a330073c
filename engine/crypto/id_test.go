package crypto

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAnIDIsTheSHA256OfItsContent(t *testing.T) {
	const want = "ac08ce34ba4f8123618661bef2425f7028ffb9ac740578a3ee88684d2523fee8"
	id := Hash([]byte(`{"nodes":[]}` + "\n"))
	if id.String() != want || id.Short() != want[:8] || id.IsNull() {
		t.Errorf("Hash = %s (%s, null %v), want %s", id, id.Short(), id.IsNull(), want)
	}
	if again, err := ParseID(want); err != nil || again != id {
		t.Errorf("ParseID(%q) = %s, %v", want, again, err)
	}
	text, err := json.Marshal(map[string]ID{"id": id})
	if err != nil || string(text) != `{"id":"`+want+`"}` {
		t.Errorf("Marshal = %s, %v", text, err)
	}
}

func TestOnly64LowerCaseHexDigitsAreAnID(t *testing.T) {
	good := strings.Repeat("0a", 32)
	for _, s := range []string{"", good[1:], good + "0", strings.ToUpper(good), good[:63] + "g", good[:62] + "é"} {
		if id, err := ParseID(s); err == nil || !id.IsNull() {
			t.Errorf("ParseID(%q) = %s, %v, want an error", s, id, err)
		}
	}
}
