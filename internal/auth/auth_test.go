package auth_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/backstay/backstay/internal/auth"
)

func TestASecretIsNotPrinted(t *testing.T) {
	s := auth.Secret("canary")
	holder := struct{ Key auth.Secret }{s}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T %[1]v", "%10.3s"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", &s)
		fmt.Fprintf(&out, verb+"\n", holder)
		fmt.Fprintf(&out, verb+"\n", []auth.Secret{s})
		fmt.Fprintf(&out, verb+"\n", map[string]auth.TOTP{"a": {Key: s, Address: s}})
	}
	fmt.Fprintln(&out, fmt.Errorf("wrapped: %v", s))
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("signed in", "key", s, "holder", holder)
	}
	if text := strings.ToLower(out.String()); strings.Contains(text, "canary") || strings.Contains(text, "63616e617279") {
		t.Errorf("a secret was printed:\n%s", out.String())
	}
	if b, err := json.Marshal(holder); err == nil {
		t.Errorf("json.Marshal of a secret = %s, want an error", b)
	}
}

func TestASecretForOneUseProvesNothingInAnother(t *testing.T) {
	seen := map[auth.Digest]string{}
	for use, d := range map[string]auth.Digest{
		"session":    auth.DigestTicket("ABCD", auth.Session),
		"invitation": auth.DigestTicket("ABCD", auth.Invitation),
		"claim code": auth.DigestClaimCode("ABCD"),
	} {
		if other, ok := seen[d]; ok {
			t.Errorf("the digests for %s and %s are the same", use, other)
		}
		seen[d] = use
		if len(d) != 64 {
			t.Errorf("the digest for %s has %d letters, want 64", use, len(d))
		}
	}
	if auth.DigestTicket("a", auth.Session).Equal(auth.DigestTicket("b", auth.Session)) {
		t.Error("the digests of two sessions are equal")
	}
}
