package secret

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const canary = "canary-7f3a"

// hidden is something that holds a secret where fmt can't call its methods.
type hidden struct {
	name   string
	secret Text
	more   map[string]Text
}

func TestATextPrintsAsStarsWithEveryVerb(t *testing.T) {
	text := New(canary)
	within := hidden{"n", text, map[string]Text{"a": text}}
	for verb := range rune(128) {
		for _, flags := range []string{"", "+", "#", "-20", "08", " ", ".3"} {
			format := "%" + flags + string(verb)
			for _, v := range []any{text, &text, []Text{text}, map[string]Text{"k": text}, within, &within, []any{within}} {
				if printed := fmt.Sprintf(format, v); leaks(printed) {
					t.Errorf("%s of a %T prints %s", format, v, printed)
				}
			}
			if strings.ContainsRune("svqxXdtbcoOUeEfFgG", verb) {
				if printed := fmt.Sprintf(format, text); printed != stars {
					t.Errorf("%s prints %s", format, printed)
				}
			}
		}
	}
	if printed := fmt.Sprint(New(""), Text{}); printed != stars+" "+stars {
		t.Errorf("empty secrets print %s", printed)
	}
}

// leaks reports whether something shows the canary, plainly or as numbers.
func leaks(printed string) bool {
	for _, form := range []string{"%s", "%x", "%X", "% x", "%d"} {
		if strings.Contains(printed, strings.Trim(fmt.Sprintf(form, []byte(canary)), "[]")) {
			return true
		}
	}
	return strings.Contains(printed, "anary")
}

func TestATextIsStarsInJSONAndLogs(t *testing.T) {
	v := struct {
		A Text
		B *Text
		C map[string]any
		D Text `json:"d,omitzero"`
	}{New(canary), ptr(New(canary)), map[string]any{"x": New(canary)}, Text{}}
	text, err := json.Marshal(v)
	if want := `{"A":"********","B":"********","C":{"x":"********"}}`; err != nil || string(text) != want {
		t.Errorf("Marshal = %s, %v, want %s", text, err, want)
	}
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		log := slog.New(handler).With("with", New(canary))
		log.Info("m", "text", New(canary), "pointer", ptr(New(canary)), "within", hidden{"n", New(canary), nil}, "all", v, "err", fmt.Errorf("%v", New(canary)))
	}
	if leaks(out.String()) || !strings.Contains(out.String(), stars) {
		t.Errorf("the log shows %s", out.String())
	}
}

func TestATextIsReadFromJSONButItsStarsAreNot(t *testing.T) {
	var v struct{ A, B, C Text }
	if err := json.Unmarshal([]byte(`{"A": "`+canary+`", "B": "", "C": null}`), &v); err != nil {
		t.Fatal(err)
	}
	if v.A.Reveal() != canary || !v.B.IsZero() || !v.C.IsZero() {
		t.Errorf("Unmarshal gives %q, %q, %q", v.A.Reveal(), v.B.Reveal(), v.C.Reveal())
	}
	if err := json.Unmarshal([]byte(`{"A": "********"}`), &v); err == nil || v.A.Reveal() != canary {
		t.Errorf("Unmarshal of stars = %v and the secret is now %q", err, v.A.Reveal())
	}
}

func TestATextIsNoValueOfADatabase(t *testing.T) {
	if v, err := driver.DefaultParameterConverter.ConvertValue(New(canary)); err == nil {
		t.Errorf("ConvertValue = %v, want an error", v)
	}
}

func TestEqualTextsAreEqual(t *testing.T) {
	if !New("a").Equal(New("a")) || New("a").Equal(New("b")) || New("a").Equal(Text{}) || !New("").Equal(Text{}) {
		t.Error("Equal doesn't tell equal from different secrets")
	}
}

func ptr[T any](v T) *T { return &v }
