package auth_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/backstay/backstay/internal/auth"
)

func TestATokenIsFoundByItsDigest(t *testing.T) {
	form := regexp.MustCompile(`^bst_[0-9A-Za-z]{38}$`)
	seen := map[auth.Digest]bool{}
	for range 1000 {
		token, kept, err := auth.NewToken(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if !form.MatchString(string(token)) {
			t.Fatalf("NewToken = %q, want the form %s", string(token), form)
		}
		if got, err := auth.ReadToken(string(token)); err != nil || !got.Equal(kept) {
			t.Fatalf("ReadToken of a new token = %v, want what was kept of it", err)
		}
		if seen[kept] || strings.Contains(string(kept), string(token)) {
			t.Fatal("NewToken made the same token twice, or keeps it")
		}
		seen[kept] = true
	}
}

func TestAMistypedTokenIsToldFromAnUnknownOne(t *testing.T) {
	made, _, err := auth.NewToken(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	token := string(made)
	wrong := []string{"", "bst_", token[:len(token)-1], token + "0", strings.ToUpper(token), " " + token, "ghp" + token[3:], "hunter2", strings.Repeat("x", 1<<20)}
	for i := range token {
		for _, c := range "0Zz_" {
			if mistyped := token[:i] + string(c) + token[i+1:]; mistyped != token {
				wrong = append(wrong, mistyped)
			}
		}
	}
	for _, text := range wrong {
		if d, err := auth.ReadToken(text); !errors.Is(err, auth.ErrNotToken) {
			t.Errorf("ReadToken(%.50q) = %s, %v, want ErrNotToken", text, d, err)
		}
	}
}

func TestEachLetterOfATokenIsAsLikely(t *testing.T) {
	// 62 * 4 of 256 bytes are taken, the others dropped: of these 256 bytes each letter is made four times.
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	counts := map[rune]int{}
	random := bytes.NewReader(bytes.Repeat(all, 4)) // 992 letters: 31 tokens
	for range 31 {
		token, _, err := auth.NewToken(random)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range string(token)[4:36] {
			counts[c]++
		}
	}
	for c, n := range counts {
		if n != 16 {
			t.Errorf("the letter %c is made %d times of 992, want 16", c, n)
		}
	}
}

func TestTicketsAreLongAndTheirUsesDiffer(t *testing.T) {
	id, kept, err := auth.NewTicket(rand.Reader, auth.Session)
	if err != nil {
		t.Fatal(err)
	}
	if len(id) != 43 {
		t.Errorf("a session has %d letters, want the 43 of 256 bits", len(id))
	}
	if !auth.DigestTicket(string(id), auth.Session).Equal(kept) {
		t.Error("a session isn't found by its digest")
	}
	if auth.DigestTicket(string(id), auth.Invitation).Equal(kept) {
		t.Error("a session is taken for an invitation")
	}
}

func TestNothingIsMadeWithoutRandomness(t *testing.T) {
	none := io.LimitReader(rand.Reader, 7) // breaks off in the middle
	_, _, errTicket := auth.NewTicket(none, auth.Session)
	_, _, errToken := auth.NewToken(none)
	_, _, errClaim := auth.NewClaimCode(none)
	_, _, errCodes := auth.NewRecoveryCodes(none)
	_, errTOTP := auth.NewTOTP(none, "Backstay", "a")
	_, errHash := auth.NewHasher(none, 1, auth.Cost{}).Hash(t.Context(), "correct horse battery")
	for name, err := range map[string]error{"ticket": errTicket, "token": errToken, "claim code": errClaim, "recovery codes": errCodes, "TOTP": errTOTP, "hash": errHash} {
		if err == nil {
			t.Errorf("a new %s without random bytes = nil error", name)
		}
	}
}
