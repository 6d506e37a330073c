package auth_test

import (
	"crypto/rand"
	"regexp"
	"strings"
	"testing"

	"github.com/backstay/backstay/internal/auth"
)

func TestARecoveryCodeIsUsedOnce(t *testing.T) {
	codes, kept, err := auth.NewRecoveryCodes(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if len(codes) != 10 || len(kept) != 10 {
		t.Fatalf("NewRecoveryCodes = %d codes and %d digests, want 10", len(codes), len(kept))
	}
	form := regexp.MustCompile(`^([0-9A-HJKMNP-TV-Z]{4}-){5}[0-9A-HJKMNP-TV-Z]{4}$`)
	left := kept
	for i, code := range codes {
		if !form.MatchString(string(code)) {
			t.Errorf("code %d is %q, want six groups of four letters that can't be confused", i, string(code))
		}
		before := left
		var ok bool
		if left, ok = auth.UseRecoveryCode(string(code), left); !ok || len(left) != 9-i {
			t.Fatalf("code %d = %v with %d codes left, want it taken and %d left", i, ok, len(left), 9-i)
		}
		if again, ok := auth.UseRecoveryCode(string(code), left); ok || len(again) != len(left) {
			t.Errorf("code %d was taken twice", i)
		}
		if len(before) != 10-i {
			t.Error("UseRecoveryCode changed what it was given")
		}
	}
}

func TestACodeIsReadAsPeopleTypeIt(t *testing.T) {
	codes, kept, err := auth.NewRecoveryCodes(strings.NewReader(strings.Repeat("\x00\x01\x02\x0b", 60))) // 0 1 2 B
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat("-012B", 6)[1:]; string(codes[0]) != want {
		t.Fatalf("the code is %q, want %q", string(codes[0]), want)
	}
	for _, typed := range []string{"O I 2 b " + strings.Repeat("012b", 5), strings.Repeat("olz2b", 0) + strings.Repeat("ol2b", 6), strings.Repeat("oi2B–", 6)} {
		if _, ok := auth.UseRecoveryCode(typed, kept); !ok {
			t.Errorf("UseRecoveryCode(%q) = false", typed)
		}
	}
	for _, typed := range []string{"", "-", strings.Repeat("012C", 6), strings.Repeat("012B", 5), strings.Repeat("012B", 7)} {
		if _, ok := auth.UseRecoveryCode(typed, kept); ok {
			t.Errorf("UseRecoveryCode(%q) = true", typed)
		}
	}
}

func TestTheClaimCodeIsReadable(t *testing.T) {
	code, kept, err := auth.NewClaimCode(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}$`).MatchString(string(code)) {
		t.Errorf("NewClaimCode = %q, want four groups of four letters", string(code))
	}
	if !auth.DigestClaimCode(strings.ToLower(strings.ReplaceAll(string(code), "-", " "))).Equal(kept) {
		t.Error("the code typed in lower case with blanks isn't the code")
	}
	if auth.DigestClaimCode("").Equal(kept) || auth.DigestClaimCode(string(code)+"0").Equal(kept) {
		t.Error("another code is taken for it")
	}
}
