package auth_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/auth"
)

// Whatever comes from a browser, it breaks nothing and proves nothing that it did not prove.

func FuzzPasskeyAnswer(f *testing.F) {
	s := newSite(f)
	options, registration, err := s.keys.BeginRegister(s.user)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.create(options))
	s.register()
	options, signIn := s.begin()
	f.Add(s.sign(options))
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA","authenticatorData":"AA","signature":"AA"}}`))
	other := auth.PasskeyUser{Handle: s.user.Handle} // has no passkey, so that the answer that was added proves nothing either
	f.Fuzz(func(t *testing.T, answer []byte) {
		_, _ = s.keys.FinishRegister(other, registration, answer)
		if p, err := s.keys.FinishSignIn(other, signIn, answer); err == nil {
			t.Errorf("FinishSignIn of a user without passkeys = %s", p.ID)
		}
	})
}

func FuzzCodeAndToken(f *testing.F) {
	codes, kept, err := auth.NewRecoveryCodes(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("bst_" + "0123456789abcdefghijABCDEFGHIJKL000000")
	f.Add("OIL-\u00a0-ſK")
	f.Fuzz(func(t *testing.T, typed string) {
		if _, ok := auth.UseRecoveryCode(typed, kept); ok {
			t.Errorf("UseRecoveryCode(%q) = true of %d codes that nobody knows", typed, len(codes))
		}
		if _, ok, err := auth.CheckTOTP(rfcKey, typed, time.Unix(59, 0), 1); ok || err != nil {
			t.Errorf("CheckTOTP(%q) after the step was used = %v, %v", typed, ok, err)
		}
		_, _ = auth.ReadToken(typed)
	})
}
