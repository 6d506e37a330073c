package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/auth/authtest"
	"github.com/backstay/backstay/internal/server/servertest"
)

// corp is an identity provider of a server, and the server behind it.
type corp struct {
	*authtest.Issuer
	s  *servertest.Server
	id string
}

// newCorp sets one up as the owner does.
func newCorp(t testing.TB, s *servertest.Server, more map[string]any) *corp {
	t.Helper()
	c := &corp{Issuer: authtest.NewIssuer(t, time.Now), s: s}
	body := c.body()
	for name, value := range more {
		body[name] = value
	}
	var made backstay.IdentityProvider
	s.Owner.Post(t, "/identity-providers", body, &made)
	if c.id = made.ID; made.RedirectURL != s.URL+app.Callback || !made.HasSecret || made.ClientSecret != "" {
		t.Errorf("the identity provider is %+v", made)
	}
	return c
}

func (c *corp) body() map[string]any {
	return map[string]any{"name": "Corp", "issuer": c.URL, "client_id": authtest.ClientID, "client_secret": authtest.ClientSecret, "ca_certificate": c.CA}
}

// is says who is at the browser, in the words of the other server.
func (c *corp) is(subject, email string, verified bool) {
	c.Claims["sub"], c.Claims["email"], c.Claims["email_verified"], c.Claims["name"] = subject, email, verified, "Somebody Else"
}

// leave sends the browser to the other server, and returns what it brings back.
func (c *corp) leave(t testing.TB, browser *servertest.Client, path string) url.Values {
	t.Helper()
	var to struct{ Address string }
	asked := browser.Ask(t, http.MethodPost, path, map[string]string{"provider": c.id})
	if cookie := asked.Header.Get("Set-Cookie"); asked.Status != http.StatusCreated || !strings.Contains(cookie, "SameSite=Lax") || !strings.Contains(cookie, "HttpOnly") {
		t.Fatalf("begin = %d %s, with the cookie %q", asked.Status, asked.Body, cookie)
	}
	asked.Decode(t, &to)
	answer := c.Authorize(to.Address)
	answer.Set("session_state", "what other servers add")
	return answer
}

// comeBack is what is answered to a browser that comes back.
func comeBack(t testing.TB, browser *servertest.Client, answer url.Values) servertest.Answer {
	t.Helper()
	return browser.Ask(t, http.MethodGet, app.Callback+"?"+answer.Encode(), nil)
}

const signInThere, linkThere = "/session/identity/begin", "/profile/identities/begin"

// signIn goes all the way.
func (c *corp) signIn(t testing.TB, browser *servertest.Client) servertest.Answer {
	t.Helper()
	return comeBack(t, browser, c.leave(t, browser, signInThere))
}

// in fails the test unless somebody is signed in.
func in(t *testing.T, browser *servertest.Client, got servertest.Answer, email string) {
	t.Helper()
	var me struct{ Email string }
	if got.Status != http.StatusOK || got.Header.Get("Refresh") == "" || !strings.Contains(got.Header.Get("Set-Cookie"), "SameSite=Strict") {
		t.Fatalf("the sign-in = %d %s", got.Status, got.Body)
	}
	if browser.Get(t, "/profile", &me); me.Email != email {
		t.Errorf("signed in as %q, want %q", me.Email, email)
	}
}

// out fails the test unless the sign-in was refused, and the browser is nobody's.
func out(t *testing.T, browser *servertest.Client, got servertest.Answer) {
	t.Helper()
	got.Refused(t, http.StatusUnauthorized, "sign-in")
	browser.Ask(t, http.MethodGet, "/profile", nil).Refused(t, http.StatusUnauthorized, "sign-in")
}

func TestAPersonLinksAnotherServerAndSignsInByIt(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := newCorp(t, s, nil)
		bob := s.Person(t, "Bob", "viewer", "/")
		c.is("bob-there", "other@elsewhere.example", false)
		out(t, s.Client(t), c.signIn(t, s.Client(t)))

		var linked struct {
			Linked struct{ ID, Kind, Name string }
		}
		got := comeBack(t, bob, c.leave(t, bob, linkThere))
		if got.Decode(t, &linked); got.Status != http.StatusOK || linked.Linked.Kind != "oidc" || linked.Linked.Name != "Corp" {
			t.Fatalf("linking = %d %s", got.Status, got.Body)
		}
		browser := s.Client(t)
		in(t, browser, c.signIn(t, browser), "bob@example.org")
		var sessions struct {
			Items []struct {
				Method       string
				MFA, Current bool
			}
		}
		browser.Get(t, "/sessions", &sessions)
		found := false
		for _, one := range sessions.Items {
			found = found || one.Current && one.Method == "oidc" && !one.MFA
		}
		if !found {
			t.Errorf("the sessions are %+v, want the current one by oidc", sessions.Items)
		}

		eve := s.Person(t, "Eve", "viewer", "/")
		comeBack(t, eve, c.leave(t, eve, linkThere)).Refused(t, http.StatusConflict, "conflict") // it is Bob's
		if s.Owner.Ask(t, http.MethodDelete, "/profile/factors/"+linked.Linked.ID, nil).Status != http.StatusNotFound {
			t.Error("somebody unlinks the account of another person")
		}
		bob.Delete(t, "/profile/factors/"+linked.Linked.ID)
		out(t, s.Client(t), c.signIn(t, s.Client(t)))

		trail := string(s.Owner.Ask(t, http.MethodGet, "/audit-events?limit=1000", nil).Body)
		for _, action := range []string{"auth.identity-begun", "auth.identity-linked", "auth.identity-unlinked", "identity-provider.created"} {
			if !strings.Contains(trail, `"`+action+`"`) {
				t.Errorf("the trail has no %s", action)
			}
		}
		if strings.Contains(trail, authtest.ClientSecret) || strings.Contains(s.Log(), authtest.ClientSecret) {
			t.Error("the trail or the log has the secret of the client")
		}
	})
}

func TestAnAnswerOfAnotherServerCountsOnceAndInItsBrowser(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := newCorp(t, s, nil)
		c.is("ada-there", "", false)
		comeBack(t, s.Owner, c.leave(t, s.Owner, linkThere))
		good := s.Client(t)
		answer := c.leave(t, good, signInThere)
		in(t, good, comeBack(t, good, answer), "ada@example.org")
		good.Ask(t, http.MethodDelete, "/session", nil)
		out(t, good, comeBack(t, good, answer)) // again

		for name, wrong := range map[string]func(b *servertest.Client) (*servertest.Client, url.Values){
			"another state": func(b *servertest.Client) (*servertest.Client, url.Values) {
				a := c.leave(t, b, signInThere)
				a.Set("state", "another")
				return b, a
			},
			"another browser": func(b *servertest.Client) (*servertest.Client, url.Values) {
				return s.Client(t), c.leave(t, b, signInThere)
			},
			"a browser that began another": func(b *servertest.Client) (*servertest.Client, url.Values) {
				other := s.Client(t)
				c.leave(t, other, signInThere)
				return other, c.leave(t, b, signInThere)
			},
			"the first answer after a second was begun": func(b *servertest.Client) (*servertest.Client, url.Values) {
				a := c.leave(t, b, signInThere)
				c.leave(t, b, signInThere)
				return b, a
			},
			"the wrong code": func(b *servertest.Client) (*servertest.Client, url.Values) {
				a := c.leave(t, b, signInThere)
				a.Del("code")
				return b, a
			},
			"a refusal": func(b *servertest.Client) (*servertest.Client, url.Values) {
				a := c.leave(t, b, signInThere)
				a.Set("error", "access_denied")
				return b, a
			},
			"nothing": func(b *servertest.Client) (*servertest.Client, url.Values) { return b, url.Values{} },
		} {
			b, a := wrong(s.Client(t))
			t.Log(name)
			out(t, b, comeBack(t, b, a))
			out(t, b, comeBack(t, b, a)) // what was wrong is used up
		}
		for name, claim := range map[string]map[string]any{"other client": {"aud": "another-client"}, "other nonce": {"nonce": "x"}, "old token": {"exp": time.Now().Add(-time.Hour).Unix()}} {
			for k, v := range claim {
				c.Claims[k] = v
			}
			t.Log(name)
			b := s.Client(t)
			out(t, b, c.signIn(t, b))
			for k := range claim {
				delete(c.Claims, k)
			}
		}
		b := s.Client(t)
		in(t, b, c.signIn(t, b), "ada@example.org") // nothing of it was against the right one
	})
}

func TestWhoIsDisabledDoesNotComeInByAnotherServer(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := newCorp(t, s, nil)
		bob := s.Person(t, "Bob", "viewer", "/")
		c.is("bob-there", "", false)
		comeBack(t, bob, c.leave(t, bob, linkThere))
		var me struct{ ID string }
		bob.Get(t, "/profile", &me)

		b := s.Client(t)
		begun := c.leave(t, b, signInThere)
		s.Owner.Patch(t, "/users/"+me.ID, map[string]any{"disabled": true}, nil)
		out(t, b, comeBack(t, b, begun))
		out(t, b, c.signIn(t, b))
		s.Owner.Patch(t, "/users/"+me.ID, map[string]any{"disabled": false}, nil)
		in(t, b, c.signIn(t, b), "bob@example.org")

		b = s.Client(t)
		begun = c.leave(t, b, signInThere)
		var ways struct{ Items []app.SignInProvider }
		if b.Get(t, "/session/identity", &ways); len(ways.Items) != 1 || ways.Items[0] != (app.SignInProvider{ID: c.id, Name: "Corp"}) {
			t.Errorf("one can sign in by %+v", ways.Items)
		}
		s.Owner.Patch(t, "/identity-providers/"+c.id, map[string]any{"disabled": true}, nil)
		if got := comeBack(t, b, begun); got.Status != http.StatusNotFound {
			t.Errorf("the answer of a disabled identity provider = %d %s", got.Status, got.Body)
		}
		b.Ask(t, http.MethodPost, signInThere, map[string]string{"provider": c.id}).Refused(t, http.StatusNotFound, "not-found")
		if b.Get(t, "/session/identity", &ways); len(ways.Items) != 0 {
			t.Errorf("one can sign in by %+v, want none", ways.Items)
		}
		b.Ask(t, http.MethodGet, "/profile", nil).Refused(t, http.StatusUnauthorized, "sign-in")

		s.Owner.Delete(t, "/identity-providers/"+c.id)
		var factors struct{ Items []struct{ Kind string } }
		again := s.Client(t)
		again.Post(t, "/session", map[string]string{"email": "bob@example.org", "password": servertest.Password}, nil)
		if again.Get(t, "/profile/factors", &factors); len(factors.Items) != 1 || factors.Items[0].Kind != "password" {
			t.Errorf("the factors are %+v, want the password alone", factors.Items)
		}
	})
}

func TestAnotherServerLinksNobodyByAnAddressWhoIsThereAlready(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := newCorp(t, s, map[string]any{"domains": []string{"Example.org"}})
		invite := func(name, role string) (id string) {
			var u struct{ ID string }
			s.Owner.Post(t, "/users", map[string]string{"name": name, "email": strings.ToLower(name) + "@example.org"}, &u)
			if role != "" {
				s.Owner.Post(t, "/grants", map[string]string{"subject_kind": "user", "subject": u.ID, "role": role, "scope": "/"}, nil)
			}
			return u.ID
		}
		refused := func(why, subject, email string, verified bool) {
			t.Helper()
			c.is(subject, email, verified)
			t.Log(why)
			b := s.Client(t)
			out(t, b, c.signIn(t, b))
		}
		s.Person(t, "Bob", "viewer", "/")
		refused("an account with a password", "eve", "bob@example.org", true)
		refused("the owner's", "eve", "ada@example.org", true)
		refused("no account", "eve", "eve@example.org", true)
		carol := invite("Carol", "viewer")
		refused("an address that isn't verified", "carol", "carol@example.org", false)
		c.Claims["email_verified"] = nil
		b := s.Client(t)
		out(t, b, c.signIn(t, b))
		s.Owner.Patch(t, "/users/"+carol, map[string]any{"disabled": true}, nil)
		refused("a disabled account", "carol", "carol@example.org", true)
		s.Owner.Patch(t, "/users/"+carol, map[string]any{"disabled": false}, nil)
		dave := invite("Dave", "")
		s.Owner.Patch(t, "/users/"+dave, map[string]string{"email": "dave@elsewhere.example"}, nil)
		refused("an address of another domain", "dave", "dave@elsewhere.example", true)

		var link struct{ Ticket string }
		s.Owner.Post(t, "/users/"+carol+"/link", nil, &link)
		c.is("carol", "Carol@Example.org", true)
		b = s.Client(t)
		in(t, b, c.signIn(t, b), "carol@example.org")
		if got := s.Client(t).Ask(t, http.MethodPost, "/link", map[string]string{"ticket": link.Ticket, "password": servertest.Password}); got.Status != http.StatusNotFound {
			t.Errorf("the invitation that was accepted = %d %s, want it void", got.Status, got.Body)
		}
		refused("an account that is linked", "eve", "carol@example.org", true)
		c.is("carol", "renamed@nowhere.example", false) // the address counts for nothing from now on
		b = s.Client(t)
		in(t, b, c.signIn(t, b), "carol@example.org")
		var factors struct{ Items []struct{ ID string } }
		b.Get(t, "/profile/factors", &factors)
		b.Ask(t, http.MethodDelete, "/profile/factors/"+factors.Items[0].ID, nil).Refused(t, http.StatusConflict, "conflict") // nothing else signs in
		if got := b.Ask(t, http.MethodPut, "/profile/password", map[string]string{"password": servertest.Password}); got.Status != http.StatusNoContent {
			t.Errorf("the first password = %d %s", got.Status, got.Body)
		}
		b.Delete(t, "/profile/factors/"+factors.Items[0].ID)

		s.Owner.Patch(t, "/identity-providers/"+c.id, map[string]any{"new_accounts": true}, nil)
		refused("no account, and an address that isn't verified", "fay", "fay@example.org", false)
		refused("no account, and a domain that doesn't count", "fay", "fay@elsewhere.example", true)
		refused("no account, and an address that is none", "fay", "fay fay@example.org", true)
		c.is("fay", "fay@example.org", true)
		b = s.Client(t)
		in(t, b, c.signIn(t, b), "fay@example.org")
		b.Ask(t, http.MethodGet, "/users", nil).Refused(t, http.StatusForbidden, "denied")
		if trail := string(s.Owner.Ask(t, http.MethodGet, "/audit-events?action=user.created", nil).Body); !strings.Contains(trail, "Somebody Else") || !strings.Contains(trail, "by Corp") {
			t.Errorf("the trail of new accounts is %s", trail)
		}
	})
}

// TestWhoManagesSignInGetsNoAccountWithMoreRights is about a system administrator, who has no right to read what is backed up.
func TestWhoManagesSignInGetsNoAccountWithMoreRights(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		admin := s.Person(t, "Sam Admin", "system-admin", "/")
		evil := &corp{Issuer: authtest.NewIssuer(t, time.Now), s: s}
		var made struct{ ID string }
		admin.Post(t, "/identity-providers", evil.body(), &made)
		evil.id = made.ID
		ids := map[string]string{}
		for name, role := range map[string]string{"ruth": "restorer", "vera": "viewer"} {
			var u struct{ ID string }
			s.Owner.Post(t, "/users", map[string]string{"name": name, "email": name + "@example.org"}, &u)
			s.Owner.Post(t, "/grants", map[string]string{"subject_kind": "user", "subject": u.ID, "role": role, "scope": "/"}, nil)
			ids[name] = u.ID
		}
		evil.is("sam", "ruth@example.org", true)
		b := s.Client(t)
		out(t, b, evil.signIn(t, b))
		admin.Ask(t, http.MethodPatch, "/users/"+ids["ruth"], map[string]string{"email": "sam+ruth@example.org"}).Refused(t, http.StatusForbidden, "denied")
		evil.is("vera", "vera@example.org", true)
		in(t, b, evil.signIn(t, b), "vera@example.org") // who may no more than the administrator

		admin.Ask(t, http.MethodPatch, "/identity-providers/"+evil.id, map[string]string{"issuer": "https://elsewhere.example"}).Refused(t, http.StatusUnprocessableEntity, "invalid")
		admin.Ask(t, http.MethodPatch, "/identity-providers/"+evil.id, map[string]any{"new_accounts": true}).Refused(t, http.StatusUnprocessableEntity, "invalid")
		var role, u struct{ ID string }
		s.Owner.Post(t, "/roles", map[string]any{"name": "Sign-in alone", "permissions": []string{"signin.manage", "user.read"}}, &role)
		pam := s.Person(t, "Pam", "", "")
		pam.Get(t, "/profile", &u)
		s.Owner.Post(t, "/grants", map[string]string{"subject_kind": "user", "subject": u.ID, "role": role.ID, "scope": "/"}, nil)
		inner := &corp{Issuer: authtest.NewIssuer(t, time.Now), s: s}
		body := inner.body()
		body["name"] = "Inner"
		pam.Post(t, "/identity-providers", body, &made)
		s.Client(t).Ask(t, http.MethodPost, signInThere, map[string]string{"provider": made.ID}).Refused(t, http.StatusConflict, "conflict")
		if !strings.Contains(s.Log(), "private or reserved network") {
			t.Error("who is no administrator has the server ask its own machine")
		}

		operator := s.Person(t, "Otto", "operator", "/")
		operator.Ask(t, http.MethodPost, "/identity-providers", evil.body()).Refused(t, http.StatusForbidden, "denied")
		operator.Ask(t, http.MethodGet, "/identity-providers", nil).Refused(t, http.StatusForbidden, "denied")
	})
}

func TestASecondFactorIsAskedForAfterAnotherServer(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := newCorp(t, s, nil)
		bob := s.Person(t, "Bob", "auditor", "/")
		c.is("bob-there", "", false)
		c.Claims["acr"], c.Claims["amr"] = "phrh", []string{"hwk", "otp", "mfa"} // which nobody here can check
		comeBack(t, bob, c.leave(t, bob, linkThere))
		s.Owner.Patch(t, "/settings", map[string]any{"mfa_roles": []string{"auditor"}}, nil)
		b := s.Client(t)
		if got := c.signIn(t, b); got.Status != http.StatusOK {
			t.Fatalf("the sign-in = %d %s", got.Status, got.Body)
		}
		b.Ask(t, http.MethodGet, "/audit-events", nil).Refused(t, http.StatusUnauthorized, "sign-in")
		var key struct{ ID, Key string }
		b.Post(t, "/profile/totp", nil, &key)
		code, err := totp.GenerateCode(key.Key, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var codes struct{ Codes []string }
		b.Post(t, "/profile/totp/"+key.ID, map[string]string{"code": code}, &codes)
		b.Get(t, "/audit-events", nil)

		b = s.Client(t)
		var half struct {
			NeedsCode bool `json:"needs_code"`
			User      *struct{ ID string }
		}
		got := c.signIn(t, b)
		if got.Decode(t, &half); !half.NeedsCode || half.User != nil {
			t.Errorf("the sign-in = %d %s, want the code to be needed", got.Status, got.Body)
		}
		b.Ask(t, http.MethodGet, "/profile", nil).Refused(t, http.StatusUnauthorized, "sign-in")
		b.Ask(t, http.MethodPost, "/session/code", map[string]string{"code": "000000"}).Refused(t, http.StatusUnauthorized, "sign-in")
		var whole struct {
			Session struct {
				Method string
				MFA    bool
			}
		}
		if b.Post(t, "/session/code", map[string]string{"code": codes.Codes[0]}, &whole); whole.Session.Method != "oidc" || !whole.Session.MFA {
			t.Errorf("the session is %+v", whole.Session)
		}
		b.Get(t, "/audit-events", nil)
	})
}

func TestASignInAtAnotherServerConfirmsForAsLongAsOneHere(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := newCorp(t, s, nil)
		c.is("ada-there", "", false)
		comeBack(t, s.Owner, c.leave(t, s.Owner, linkThere))
		for ago, fresh := range map[time.Duration]bool{time.Minute: true, time.Hour: false} {
			c.Claims["auth_time"] = time.Now().Add(-ago).Unix()
			b := s.Client(t)
			in(t, b, c.signIn(t, b), "ada@example.org")
			got := b.Ask(t, http.MethodPost, "/groups", map[string]any{"name": "Made after " + ago.String(), "members": []string{}})
			if (got.Status == http.StatusCreated) != fresh {
				t.Errorf("signed in there %v ago, something dangerous is answered %d %s", ago, got.Status, got.Body)
			}
			if !fresh {
				b.Ask(t, http.MethodPost, linkThere, map[string]string{"provider": c.id}).Refused(t, http.StatusForbidden, "unconfirmed")
				b.Post(t, "/session/confirm", map[string]string{"password": servertest.Password}, nil)
				b.Post(t, linkThere, map[string]string{"provider": c.id}, nil)
			}
		}
	})
}

func TestALinkThatWasBegunEndsWithTheSession(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := newCorp(t, s, nil)
		c.is("eve-there", "", false)
		bob := s.Person(t, "Bob", "viewer", "/")
		begun := c.leave(t, bob, linkThere)
		bob.Ask(t, http.MethodDelete, "/session", nil)
		out(t, bob, comeBack(t, bob, begun))
		out(t, s.Client(t), c.signIn(t, s.Client(t)))
		s.Client(t).Ask(t, http.MethodPost, linkThere, map[string]string{"provider": c.id}).Refused(t, http.StatusUnauthorized, "sign-in")
	})
}

func TestAnIdentityProviderThatDoesNotAnswerIsNotExplainedToStrangers(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := newCorp(t, s, nil)
		c.Discovery["issuer"] = "https://evil.example"
		got := s.Client(t).Ask(t, http.MethodPost, signInThere, map[string]string{"provider": c.id})
		got.Refused(t, http.StatusConflict, "conflict")
		if strings.Contains(string(got.Body), "127.0.0.1") || !strings.Contains(s.Log(), "an identity provider does not answer as it should") {
			t.Errorf("a stranger is told %s", got.Body)
		}
	})
}
