package secret

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// newKey makes a key whose bytes are all the same.
func newKey(t *testing.T, b byte) Key {
	t.Helper()
	k, err := NewKey(bytes.NewReader(bytes.Repeat([]byte{b}, keySize)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The values were computed by another program, from the words in key.go.
func TestAKeyIsTheOneItWasForever(t *testing.T) {
	k := newKey(t, 7)
	for what, got := range map[string][2]string{
		"text":    {k.Text().Reveal(), "bsk_0w3ge1r-70w3ge1-r70w3ge-1r70w3g-e1r70w3-ge1r70w-3ge1r70-w3q8c91"},
		"id":      {k.ID(), "e7db93d5be113642"},
		"derived": {hex.EncodeToString(k.Derive("audit heads")), "0b633449d6ace284b55af177a04dcc6c59a3ac19a58b1eb584a555c086a581dc"},
		"sealing": {hex.EncodeToString(k.sealing()), "212f34a6ed52091cc1d9379c85234c3688df2e6f63f20efae8dacdf326c46892"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s = %s, want %s", what, got[0], got[1])
		}
	}
}

func TestAKeyIsReadHoweverSomebodyTypesIt(t *testing.T) {
	k, err := NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := k.Text().Reveal()
	body := strings.TrimPrefix(text, prefix)
	for _, typed := range []string{
		text, strings.ToUpper(text), " " + text + "\n", prefix + strings.ReplaceAll(body, "-", ""),
		prefix + strings.ReplaceAll(body, "0", "O"), prefix + strings.ReplaceAll(body, "1", "l"), prefix + strings.ReplaceAll(body, "1", "I"),
	} {
		got, err := ParseKey(typed)
		if err != nil || got.ID() != k.ID() || got.Text().Reveal() != text {
			t.Errorf("ParseKey(%q) = %v, %v, want %v", typed, got, err, k)
		}
	}
}

func TestASlipInAKeyIsFoundAndNotRepeated(t *testing.T) {
	text := newKey(t, 99).Text().Reveal()
	for i := len(prefix); i < len(text); i++ {
		if text[i] == '-' {
			continue
		}
		for _, other := range alphabet {
			slip := text[:i] + string(other) + text[i+1:]
			if _, err := ParseKey(slip); slip != text && (err == nil || strings.Contains(err.Error(), text[i-2:i])) {
				t.Errorf("ParseKey with a slip at %d = %v", i, err)
			}
		}
		if swapped := text[:i-1] + string(text[i]) + string(text[i-1]) + text[i+1:]; i > len(prefix) && text[i] != text[i-1] && text[i-1] != '-' {
			if _, err := ParseKey(swapped); err == nil {
				t.Errorf("ParseKey with the characters at %d swapped = nil error", i)
			}
		}
	}
	for _, wrong := range []string{"", "bsk_", text[1:], text[:len(text)-1], text + "0", strings.Replace(text, text[8:9], "u", 1), "password"} {
		if k, err := ParseKey(wrong); err == nil {
			t.Errorf("ParseKey(%q) = %v, want an error", wrong, k)
		} else if len(wrong) > 4 && strings.Contains(err.Error(), wrong[4:]) {
			t.Errorf("ParseKey = %v, which repeats what was typed", err)
		}
	}
}

func TestAKeyPrintsAsItsID(t *testing.T) {
	k := newKey(t, 9)
	r := NewRing(k)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%p", "%w"} {
		for _, v := range []any{k, &k, r, *r, NewBox(r, rand.Reader)} {
			printed := fmt.Sprintf(format, v)
			if strings.Contains(printed, strings.Repeat("09", 4)) || strings.Contains(printed, "9 9 9") || strings.Contains(printed, strings.Repeat(`\t`, 4)) || strings.Contains(printed, "\t\t\t") {
				t.Errorf("%s of a %T prints %s", format, v, printed)
			}
		}
	}
	if printed := fmt.Sprint(k); printed != "key "+k.ID() {
		t.Errorf("a key prints as %s", printed)
	}
}

func TestKeysOfDifferentPurposesAreDifferent(t *testing.T) {
	seen := map[string]string{}
	for _, k := range []Key{newKey(t, 1), newKey(t, 2)} {
		for what, derived := range map[string][]byte{
			"a": k.Derive("a"), "b": k.Derive("b"), "": k.Derive(""), "seal": k.Derive("seal"), "id": k.Derive("id"), "sealing": k.sealing(), "master": []byte(k.bytes.Reveal()),
		} {
			if other, ok := seen[string(derived)]; ok || len(derived) != keySize {
				t.Errorf("%s has %d bytes, and is the same as %q", what, len(derived), other)
			}
			seen[string(derived)] = what
		}
		if k.ID() == hex.EncodeToString(k.Derive("id")[:idSize]) {
			t.Error("the id is what a purpose gets")
		}
	}
}

func TestABrokenRandomSourceMakesNoKey(t *testing.T) {
	for what, source := range map[string][]byte{"ends": make([]byte, 5), "gives zeros": make([]byte, 1000)} {
		if k, err := NewKey(bytes.NewReader(source)); err == nil {
			t.Errorf("NewKey with a source that %s = %v", what, k)
		}
	}
}

func TestAKeyThatWasNeverMadeIsNotUsed(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("the zero Key derives a key that anybody could derive")
		}
	}()
	Key{}.Derive("a")
}
