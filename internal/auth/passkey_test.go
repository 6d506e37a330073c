package auth_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/backstay/backstay/internal/auth"
	"github.com/backstay/backstay/internal/auth/authtest"
)

// stopped is a clock that stands until a test moves it.
type stopped struct{ now time.Time }

func (c *stopped) Now() time.Time                                   { return c.now }
func (c *stopped) Sleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// site is a server with passkeys, and a browser with a device beside it.
type site struct {
	t      testing.TB
	keys   *auth.Passkeys
	clock  *stopped
	user   auth.PasskeyUser
	here   virtualwebauthn.RelyingParty
	device virtualwebauthn.Authenticator
	key    virtualwebauthn.Credential
}

const origin = "http://localhost:8080"

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, clock: &stopped{noon}}
	var err error
	if s.keys, err = auth.NewPasskeys("localhost", "Backstay", []string{origin}, s.clock); err != nil {
		t.Fatal(err)
	}
	s.user = auth.PasskeyUser{Handle: []byte("handle of ada"), Name: "ada@example.com", FullName: "Ada Lovelace"}
	s.here = virtualwebauthn.RelyingParty{ID: "localhost", Name: "Backstay", Origin: origin}
	s.device = virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: s.user.Handle})
	s.key = authtest.NewCredential(virtualwebauthn.KeyTypeEC2)
	return s
}

// create is what the browser answers to the options of a registration.
func (s *site) create(options []byte) []byte {
	s.t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(string(options))
	if err != nil {
		s.t.Fatal(err)
	}
	return []byte(virtualwebauthn.CreateAttestationResponse(s.here, s.device, s.key, *o))
}

// sign is what the browser answers to the options of a sign-in.
func (s *site) sign(options []byte) []byte {
	s.t.Helper()
	o, err := virtualwebauthn.ParseAssertionOptions(string(options))
	if err != nil {
		s.t.Fatal(err)
	}
	s.key.Counter++
	return []byte(virtualwebauthn.CreateAssertionResponse(s.here, s.device, s.key, *o))
}

// register makes the device's key one of the user.
func (s *site) register() auth.Passkey {
	s.t.Helper()
	options, session, err := s.keys.BeginRegister(s.user)
	if err != nil {
		s.t.Fatal(err)
	}
	p, err := s.keys.FinishRegister(s.user, session, s.create(options))
	if err != nil {
		s.t.Fatal(err)
	}
	s.user.Passkeys = append(s.user.Passkeys, p.Record)
	return p
}

func (s *site) begin() (options, session []byte) {
	s.t.Helper()
	options, session, err := s.keys.BeginSignIn(s.user)
	if err != nil {
		s.t.Fatal(err)
	}
	return options, session
}

func (s *site) find(handle []byte) (auth.PasskeyUser, error) {
	if string(handle) != string(s.user.Handle) {
		return auth.PasskeyUser{}, errors.New("nobody has this handle")
	}
	return s.user, nil
}

func TestAPasskeyIsRegisteredAndSignsIn(t *testing.T) {
	for name, kind := range map[string]virtualwebauthn.KeyType{"EC": virtualwebauthn.KeyTypeEC2, "RSA": virtualwebauthn.KeyTypeRSA} {
		s := newSite(t)
		s.key = authtest.NewCredential(kind)
		made := s.register()
		if made.ID != base64.RawURLEncoding.EncodeToString(s.key.ID) || made.Synced {
			t.Errorf("%s: the passkey is %s, synced %v", name, made.ID, made.Synced)
		}
		for range 3 {
			options, session := s.begin()
			p, err := s.keys.FinishSignIn(s.user, session, s.sign(options))
			if err != nil {
				t.Fatalf("%s: FinishSignIn = %v", name, err)
			}
			if p.ID != made.ID {
				t.Errorf("%s: FinishSignIn = %s, want %s", name, p.ID, made.ID)
			}
			s.user.Passkeys = [][]byte{p.Record}
		}
		options, session, err := s.keys.BeginDiscover()
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.keys.FinishDiscover(session, s.sign(options), s.find)
		if err != nil || p.ID != made.ID {
			t.Errorf("%s: FinishDiscover = %s, %v, want %s", name, p.ID, err, made.ID)
		}
	}
}

func TestTheBrowserIsAskedToVerifyThePersonAndToKeepTheKey(t *testing.T) {
	s := newSite(t)
	s.register()
	type question struct {
		PublicKey struct {
			Challenge string
			Timeout   int
			RP        struct{ ID, Name string }
			RPID      string
			User      struct{ ID, Name, DisplayName string }
			Selection struct{ ResidentKey, UserVerification string } `json:"authenticatorSelection"`

			UserVerification, Attestation        string
			ExcludeCredentials, AllowCredentials []struct{ ID string }
		}
	}
	ask := func(options, _ []byte, err error) (q question) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(options, &q); err != nil {
			t.Fatal(err)
		}
		if len(q.PublicKey.Challenge) < 43 || q.PublicKey.Timeout != 300_000 {
			t.Errorf("the challenge is %q for %d ms, want 256 bits for five minutes", q.PublicKey.Challenge, q.PublicKey.Timeout)
		}
		return q
	}
	id := base64.RawURLEncoding.EncodeToString(s.key.ID)
	q := ask(s.keys.BeginRegister(s.user)).PublicKey
	if q.RP.ID != "localhost" || q.Selection.ResidentKey != "required" || q.Selection.UserVerification != "required" || q.Attestation != "none" && q.Attestation != "" {
		t.Errorf("a registration asks for %+v", q)
	}
	if q.User.ID != base64.RawURLEncoding.EncodeToString(s.user.Handle) || q.User.Name != s.user.Name || q.User.DisplayName != s.user.FullName {
		t.Errorf("a registration is for %+v", q.User)
	}
	if len(q.ExcludeCredentials) != 1 || q.ExcludeCredentials[0].ID != id {
		t.Errorf("a registration excludes %v, want the key that is there", q.ExcludeCredentials)
	}
	q = ask(s.keys.BeginSignIn(s.user)).PublicKey
	if q.RPID != "localhost" || q.UserVerification != "required" || len(q.AllowCredentials) != 1 || q.AllowCredentials[0].ID != id {
		t.Errorf("a sign-in asks for %+v", q)
	}
	q = ask(s.keys.BeginDiscover()).PublicKey
	if q.RPID != "localhost" || q.UserVerification != "required" || len(q.AllowCredentials) != 0 {
		t.Errorf("a sign-in without a name asks for %+v", q)
	}
}

// refuses makes each attack on a site where the user has a passkey.
func refuses(t *testing.T, attacks map[string]func(s *site) error) {
	t.Helper()
	for name, attack := range attacks {
		s := newSite(t)
		s.register()
		err := attack(s)
		if err == nil {
			t.Errorf("%s proves who it is", name)
			continue
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error is not one line: %v", name, err)
		}
		t.Logf("%s: %v", name, err)
	}
}

func TestADeviceProvesNothingForAnotherPageOrPerson(t *testing.T) {
	refuses(t, map[string]func(s *site) error{
		"a page of another origin": func(s *site) error {
			s.here.Origin = "https://localhost.example.com"
			return s.signIn()
		},
		"another port": func(s *site) error {
			s.here.Origin = "http://localhost:8081"
			return s.signIn()
		},
		"a key for another name": func(s *site) error {
			s.here.ID = "example.com"
			return s.signIn()
		},
		"nobody touched the device": func(s *site) error {
			s.device.Options.UserNotPresent = true
			return s.signIn()
		},
		"the device did not verify its owner": func(s *site) error {
			s.device.Options.UserNotVerified = true
			return s.signIn()
		},
		"another key with the same name": func(s *site) error {
			id := s.key.ID
			s.key = authtest.NewCredential(virtualwebauthn.KeyTypeEC2)
			s.key.ID = id
			return s.signIn()
		},
		"a key that is not registered": func(s *site) error {
			s.key = authtest.NewCredential(virtualwebauthn.KeyTypeEC2)
			return s.signIn()
		},
		"the handle of another user": func(s *site) error {
			s.device.Options.UserHandle = []byte("handle of bob")
			return s.signIn()
		},
	})
}

func TestAnAnswerProvesNothingInAnotherPlace(t *testing.T) {
	refuses(t, map[string]func(s *site) error{
		"an answer to another question": func(s *site) error {
			old, _ := s.begin()
			_, session := s.begin()
			_, err := s.keys.FinishSignIn(s.user, session, s.sign(old))
			return err
		},
		"an answer that was changed": func(s *site) error {
			options, session := s.begin()
			_, err := s.keys.FinishSignIn(s.user, session, []byte(strings.Replace(string(s.sign(options)), `"signature":"M`, `"signature":"N`, 1)))
			return err
		},
		"the session of another user": func(s *site) error {
			options, session := s.begin()
			bob := s.user
			bob.Handle = []byte("handle of bob")
			_, err := s.keys.FinishSignIn(bob, session, s.sign(options))
			return err
		},
		"an answer after five minutes": func(s *site) error {
			options, session := s.begin()
			s.clock.now = s.clock.now.Add(5*time.Minute + time.Second)
			_, err := s.keys.FinishSignIn(s.user, session, s.sign(options))
			if !errors.Is(err, auth.ErrPasskeyExpired) {
				s.t.Errorf("an answer after five minutes = %v, want ErrPasskeyExpired", err)
			}
			return err
		},
		"a copy that signed less often": func(s *site) error {
			s.key.Counter = 41
			if err := s.signIn(); err != nil {
				s.t.Fatal(err)
			}
			s.key.Counter = 7
			err := s.signIn()
			if !errors.Is(err, auth.ErrPasskeyCloned) {
				s.t.Errorf("a counter that went back = %v, want ErrPasskeyCloned", err)
			}
			return err
		},
		"the same answer again": func(s *site) error {
			s.key.Counter = 5
			options, session := s.begin()
			answer := s.sign(options)
			p, err := s.keys.FinishSignIn(s.user, session, answer)
			if err != nil {
				s.t.Fatal(err)
			}
			s.user.Passkeys = [][]byte{p.Record}
			_, err = s.keys.FinishSignIn(s.user, session, answer)
			return err
		},
		"a sign-in as a registration": func(s *site) error { // whoever may sign in would add a key of their own
			options, session := s.begin()
			s.key = authtest.NewCredential(virtualwebauthn.KeyTypeEC2)
			_, err := s.keys.FinishRegister(s.user, session, s.create(options))
			if err != nil && !strings.Contains(err.Error(), "asked for to sign in") {
				s.t.Errorf("a sign-in as a registration is refused for another reason, which other devices may not give: %v", err)
			}
			return err
		},
		"no session": func(s *site) error { _, err := s.keys.FinishSignIn(s.user, nil, s.sign(first(s.begin()))); return err },
		"no answer": func(s *site) error {
			_, session := s.begin()
			_, err := s.keys.FinishSignIn(s.user, session, nil)
			return err
		},
		"an answer {}": func(s *site) error {
			_, session := s.begin()
			_, err := s.keys.FinishSignIn(s.user, session, []byte("{}"))
			return err
		},
		"a user without a handle": func(s *site) error {
			s.user.Handle = nil
			_, _, err := s.keys.BeginSignIn(s.user)
			return err
		},
		"a user without passkeys": func(s *site) error {
			s.user.Passkeys = nil
			_, _, err := s.keys.BeginSignIn(s.user)
			return err
		},
	})
}

func first(a, _ []byte) []byte { return a }

// signIn signs in once, as whatever the site was changed to, and keeps what has to be kept.
func (s *site) signIn() error {
	options, session := s.begin()
	p, err := s.keys.FinishSignIn(s.user, session, s.sign(options))
	if err == nil {
		s.user.Passkeys = [][]byte{p.Record}
	}
	return err
}

func TestWhatARegistrationRefuses(t *testing.T) {
	for name, attack := range map[string]func(s *site){
		"another origin":                      func(s *site) { s.here.Origin = "https://evil.example" },
		"another name":                        func(s *site) { s.here.ID = "evil.example" },
		"nobody touched the device":           func(s *site) { s.device.Options.UserNotPresent = true },
		"the device did not verify its owner": func(s *site) { s.device.Options.UserNotVerified = true },
		"too late":                            func(s *site) { s.clock.now = s.clock.now.Add(6 * time.Minute) },
		"for another user":                    func(s *site) { s.user.Handle = []byte("handle of bob") },
	} {
		s := newSite(t)
		options, session, err := s.keys.BeginRegister(s.user)
		if err != nil {
			t.Fatal(err)
		}
		attack(s)
		if p, err := s.keys.FinishRegister(s.user, session, s.create(options)); err == nil {
			t.Errorf("%s: FinishRegister = %s, want an error", name, p.ID)
		}
	}
}

func TestAPasskeyWithoutANameIsItsOwnersOnly(t *testing.T) {
	s := newSite(t)
	s.register()
	options, session, err := s.keys.BeginDiscover()
	if err != nil {
		t.Fatal(err)
	}
	bob := auth.PasskeyUser{Handle: []byte("handle of bob"), Passkeys: slices.Clone(s.user.Passkeys)}
	if _, err := s.keys.FinishDiscover(session, s.sign(options), func([]byte) (auth.PasskeyUser, error) { return bob, nil }); err == nil {
		t.Error("the passkey of one user signs in another, whom find returned for its handle")
	}
	broken := errors.New("the database is gone")
	if _, err := s.keys.FinishDiscover(session, s.sign(options), func([]byte) (auth.PasskeyUser, error) { return auth.PasskeyUser{}, broken }); !errors.Is(err, broken) || errors.Is(err, auth.ErrPasskeyRefused) {
		t.Errorf("a user that can't be found = %v, want the error of find alone", err)
	}
	named, ofAda := s.begin()
	if _, err := s.keys.FinishDiscover(ofAda, s.sign(named), s.find); err == nil {
		t.Error("a sign-in of a known user is finished as one of an unknown user")
	}
	if _, err := s.keys.FinishSignIn(s.user, session, s.sign(options)); err == nil {
		t.Error("a sign-in of an unknown user is finished as one of a known user")
	}
}

func TestASyncedPasskeySaysSo(t *testing.T) {
	s := newSite(t)
	s.device.Options.BackupEligible, s.device.Options.BackupState = true, true
	if p := s.register(); !p.Synced {
		t.Error("a passkey that is kept in a cloud isn't marked")
	}
	if err := s.signIn(); err != nil {
		t.Error(err)
	}
}

func TestPasskeysNeedANameAndAnOrigin(t *testing.T) {
	for id, origins := range map[string][]string{"localhost": nil, "https://x": {origin}} {
		if _, err := auth.NewPasskeys(id, "Backstay", origins, &stopped{noon}); err == nil {
			t.Errorf("NewPasskeys(%q, %q) = nil error", id, origins)
		}
	}
}
