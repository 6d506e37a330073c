package api_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/auth/authtest"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/servers"
)

// device is a browser with a passkey of the server.
type device struct {
	here virtualwebauthn.RelyingParty
	auth virtualwebauthn.Authenticator
	key  virtualwebauthn.Credential
}

func newDevice(origin, person string) *device {
	return &device{here: virtualwebauthn.RelyingParty{ID: "localhost", Name: "Backstay", Origin: origin},
		auth: virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: []byte(person)}), key: authtest.NewCredential(virtualwebauthn.KeyTypeEC2)}
}

// register asks for a passkey, makes it, and returns how it was taken.
func (d *device) register(t *testing.T, c *servertest.Client) servertest.Answer {
	t.Helper()
	asked := c.Ask(t, http.MethodPost, "/profile/passkeys/begin", nil)
	options, err := virtualwebauthn.ParseAttestationOptions(string(asked.Body))
	if err != nil {
		t.Fatalf("begin = %d %s: %v", asked.Status, asked.Body, err)
	}
	answer := virtualwebauthn.CreateAttestationResponse(d.here, d.auth, d.key, *options)
	return c.Ask(t, http.MethodPost, "/profile/passkeys/finish", map[string]any{"name": "Phone", "answer": json.RawMessage(answer)})
}

// sign asks to sign in, and returns the browser's answer.
func (d *device) sign(t *testing.T, c *servertest.Client) map[string]any {
	t.Helper()
	asked := c.Ask(t, http.MethodPost, "/session/passkey/begin", nil)
	options, err := virtualwebauthn.ParseAssertionOptions(string(asked.Body))
	if err != nil {
		t.Fatalf("begin = %d %s: %v", asked.Status, asked.Body, err)
	}
	d.key.Counter++
	return map[string]any{"answer": json.RawMessage(virtualwebauthn.CreateAssertionResponse(d.here, d.auth, d.key, *options))}
}

func TestAPasskeySignsInWithoutANameAndCountsAsTwoFactors(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		const finish = "/session/passkey/finish"
		var me struct{ ID string }
		s.Owner.Get(t, "/profile", &me)
		d := newDevice(s.URL, me.ID)
		var made struct{ Codes []string }
		taken := d.register(t, s.Owner)
		if taken.Status != http.StatusCreated {
			t.Fatalf("finish = %d %s", taken.Status, taken.Body)
		}
		if taken.Decode(t, &made); len(made.Codes) == 0 {
			t.Error("there are no recovery codes for the day on which the device is lost")
		}

		browser := s.Client(t)
		answer := d.sign(t, browser)
		var in struct {
			User    struct{ ID string }
			Session struct {
				Method string
				MFA    bool
			}
		}
		browser.Post(t, finish, answer, &in)
		if in.User.ID != me.ID || in.Session.Method != "passkey" || !in.Session.MFA {
			t.Errorf("signed in: %+v", in)
		}
		browser.Get(t, "/users", nil)

		browser.Ask(t, http.MethodPost, finish, answer).Refused(t, http.StatusUnauthorized, "sign-in") // the same answer again
		caught := d.sign(t, browser)
		s.Client(t).Ask(t, http.MethodPost, finish, caught).Refused(t, http.StatusUnauthorized, "sign-in") // in another browser
		elsewhere := *d
		elsewhere.here.Origin = "http://localhost.example.org"
		browser.Ask(t, http.MethodPost, finish, elsewhere.sign(t, browser)).Refused(t, http.StatusUnauthorized, "sign-in")
		stranger := newDevice(s.URL, me.ID)
		browser.Ask(t, http.MethodPost, finish, stranger.sign(t, browser)).Refused(t, http.StatusUnauthorized, "sign-in")
		copied := *d
		copied.key.Counter = 0
		browser.Ask(t, http.MethodPost, finish, copied.sign(t, browser)).Refused(t, http.StatusUnauthorized, "sign-in")

		password := s.Client(t)
		var half struct {
			NeedsCode bool `json:"needs_code"`
		}
		password.Post(t, "/session", map[string]string{"email": "ada@example.org", "password": servertest.Password}, &half)
		if !half.NeedsCode {
			t.Error("the password alone signs in, although there is a passkey")
		}
		password.Post(t, "/session/code", map[string]string{"code": made.Codes[0]}, nil)
		password.Get(t, "/users", nil)
	})
}

func TestAPasskeyIsAddedByWhoAskedForIt(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		bob := s.Person(t, "Bob", "viewer", "/")
		asked := s.Owner.Ask(t, http.MethodPost, "/profile/passkeys/begin", nil)
		options, err := virtualwebauthn.ParseAttestationOptions(string(asked.Body))
		if err != nil {
			t.Fatal(err)
		}
		d := newDevice(s.URL, "anybody")
		answer := virtualwebauthn.CreateAttestationResponse(d.here, d.auth, d.key, *options)
		cookie := asked.Header.Get("Set-Cookie")
		bob.Ask(t, http.MethodPost, "/profile/passkeys/finish", map[string]any{"name": "x", "answer": json.RawMessage(answer)}, "Cookie", cookie).Refused(t, http.StatusUnauthorized, "sign-in")
	})
}

// confirm asks to confirm, and returns the browser's answer.
func (d *device) confirm(t *testing.T, c *servertest.Client) map[string]any {
	t.Helper()
	asked := c.Ask(t, http.MethodPost, "/session/confirm/passkey/begin", nil)
	options, err := virtualwebauthn.ParseAssertionOptions(string(asked.Body))
	if err != nil {
		t.Fatalf("begin = %d %s: %v", asked.Status, asked.Body, err)
	}
	d.key.Counter++
	return map[string]any{"answer": json.RawMessage(virtualwebauthn.CreateAssertionResponse(d.here, d.auth, d.key, *options))}
}

func TestAPasskeyConfirmsThatItIsYou(t *testing.T) {
	const finish = "/session/confirm/passkey/finish"
	for name, database := range map[string]func() string{"SQLite": func() string { return "" }, "PostgreSQL": func() string { return servers.Postgres(t) }} {
		t.Run(name, func(t *testing.T) {
			c := &shifted{Clock: clock.System}
			s := servertest.Start(t, server.Options{Database: database(), Clock: c}).Claim(t)
			bob := s.Person(t, "Bob", "system-admin", "/")
			bob.Ask(t, http.MethodPost, "/session/confirm/passkey/begin", nil).Refused(t, http.StatusConflict, "conflict")
			var me, him struct{ ID string }
			s.Owner.Get(t, "/profile", &me)
			bob.Get(t, "/profile", &him)
			mine, his := newDevice(s.URL, me.ID), newDevice(s.URL, him.ID)
			mine.register(t, s.Owner)
			his.register(t, bob)
			dangerous := func(who *servertest.Client, name string) servertest.Answer {
				t.Helper()
				return who.Ask(t, http.MethodPost, "/projects", map[string]string{"name": name})
			}
			c.by.Add(int64(time.Hour))
			dangerous(s.Owner, "A").Refused(t, http.StatusForbidden, "unconfirmed")

			caught := his.confirm(t, bob)
			s.Owner.Ask(t, http.MethodPost, finish, caught).Refused(t, http.StatusUnauthorized, "sign-in") // what somebody else was asked
			mine.confirm(t, s.Owner)
			other := newDevice(s.URL, me.ID)
			s.Owner.Ask(t, http.MethodPost, finish, other.confirm(t, s.Owner)).Refused(t, http.StatusUnauthorized, "sign-in") // a passkey that nobody knows
			s.Owner.Ask(t, http.MethodPost, finish, mine.sign(t, s.Owner)).Refused(t, http.StatusUnauthorized, "sign-in")     // which was for a sign-in
			dangerous(s.Owner, "B").Refused(t, http.StatusForbidden, "unconfirmed")

			answer := mine.confirm(t, s.Owner)
			if got := s.Owner.Ask(t, http.MethodPost, finish, answer); got.Status != http.StatusNoContent {
				t.Fatalf("finish = %d %s", got.Status, got.Body)
			}
			if got := dangerous(s.Owner, "C"); got.Status != http.StatusCreated {
				t.Errorf("after the confirmation something dangerous = %d %s", got.Status, got.Body)
			}
			c.by.Add(int64(time.Hour))
			s.Owner.Ask(t, http.MethodPost, finish, answer).Refused(t, http.StatusUnauthorized, "sign-in") // the same again
			dangerous(s.Owner, "D").Refused(t, http.StatusForbidden, "unconfirmed")
			dangerous(bob, "E").Refused(t, http.StatusForbidden, "unconfirmed")
		})
	}
}
