package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/auth/authtest"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
)

// refused sends a form that has to be refused with a status, and returns the page that says why.
func refused(t *testing.T, c *servertest.Client, status int, path string, form url.Values) string {
	t.Helper()
	a := c.Page(t, http.MethodPost, path, form)
	if a.Status != status {
		t.Fatalf("POST %s = %d to %q, want %d\n%s", path, a.Status, a.Header.Get("Location"), status, main(string(a.Body)))
	}
	return string(a.Body)
}

// leads fails the test unless a page leads elsewhere.
func leads(t *testing.T, c *servertest.Client, path, to string) {
	t.Helper()
	a := c.Page(t, http.MethodGet, path, nil)
	if got := a.Header.Get("Location"); a.Status != http.StatusSeeOther || got != to {
		t.Errorf("GET %s = %d to %q, want it to lead to %q", path, a.Status, got, to)
	}
}

func TestANewServerIsClaimedOnceByAPage(t *testing.T) {
	s := servertest.Start(t, server.Options{})
	c := s.Client(t)
	leads(t, c, "/", "/sign-in")
	leads(t, c, "/sign-in", "/claim")
	has(t, page(t, c, "/claim"), "Make the first account", `autocomplete="new-password"`, `<option value="Europe/Berlin">`)
	form := url.Values{"code": {"WRONG"}, "name": {"Ada <b>"}, "email": {"ada@example.org"}, "password": {servertest.Password}, "zone": {"Asia/Calcutta"}}
	wrong := refused(t, c, http.StatusUnauthorized, "/claim", form)
	has(t, wrong, "The claim code is not right", `aria-invalid="true"`, "Ada &lt;b&gt;", `<option value="Asia/Calcutta" selected>`)
	hasNot(t, wrong, servertest.Password, "Ada <b>")
	form.Set("code", s.ClaimCode())
	form.Set("password", "short")
	has(t, refused(t, c, http.StatusUnprocessableEntity, "/claim", form), `href="#f-password"`)
	form.Set("password", servertest.Password)
	if to := send(t, c, "/claim", form); to != "/start" {
		t.Errorf("the claim leads to %q", to)
	}
	var me struct{ Name, Zone string }
	if c.Get(t, "/profile", &me); me.Name != "Ada <b>" || me.Zone != "Asia/Calcutta" {
		t.Errorf("the first account is %+v", me)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if a := s.Client(t).Page(t, method, "/claim", form); a.Status != http.StatusNotFound {
			t.Errorf("%s /claim of a server with an owner = %d", method, a.Status)
		}
	}
	leads(t, s.Client(t), "/", "/sign-in")
}

func TestPeopleSignInAndOut(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Client(t)
		has(t, page(t, c, "/sign-in?next=/settings/groups"), `name="next" value="/settings/groups"`, `autocomplete="username webauthn"`, `data-passkey="sign-in" hidden`)
		form := url.Values{"email": {"ada@example.org"}, "password": {"not it"}}
		wrong := refused(t, c, http.StatusUnauthorized, "/sign-in", form)
		form.Set("email", "nobody@example.org")
		strange := refused(t, c, http.StatusUnauthorized, "/sign-in", form)
		if was, is := strings.ReplaceAll(main(wrong), "ada@", "nobody@"), main(strange); was != is {
			t.Errorf("a wrong password is refused by\n%s\nand an unknown address by\n%s", was, is)
		}
		has(t, wrong, `role="alert"`, "are not right")
		hasNot(t, wrong, "not it")
		good := url.Values{"email": {"ada@example.org"}, "password": {servertest.Password}, "next": {"/settings/groups"}}
		if to := send(t, c, "/sign-in", good); to != "/settings/groups" {
			t.Errorf("the sign-in leads to %q", to)
		}
		leads(t, c, "/sign-in?next=/activity", "/activity")
		has(t, page(t, c, "/settings/groups"), "Ada Owner")
		if to := send(t, c, "/sign-out", nil); to != "/sign-in" {
			t.Errorf("the sign-out leads to %q", to)
		}
		has(t, page(t, c, "/sign-in"), "You are signed out.")
		leads(t, c, "/settings/groups", "/sign-in?next=%2Fsettings%2Fgroups")
		for _, elsewhere := range []string{"https://elsewhere.example/", "//elsewhere.example", `/\elsewhere.example`, "javascript:alert(1)"} {
			good.Set("next", elsewhere)
			if to := send(t, s.Client(t), "/sign-in", good); to != "/" {
				t.Errorf("a sign-in with next=%s leads to %q", elsewhere, to)
			}
		}
	})
}

func TestWhoTriesTooOftenIsToldHowLongToWait(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		form := url.Values{"email": {"nobody@example.org"}, "password": {"not it"}}
		for range 30 {
			a := s.Client(t).Page(t, http.MethodPost, "/sign-in", form)
			if a.Status == http.StatusTooManyRequests {
				has(t, string(a.Body), "Too many tries", "Try again in", `value="nobody@example.org"`)
				return
			}
		}
		t.Error("thirty wrong passwords are looked at")
	})
}

// withApp gives somebody an authenticator app, and returns its key and the recovery codes.
func withApp(t *testing.T, c *servertest.Client) (key string, codes []string) {
	t.Helper()
	var begun struct{ ID, Key string }
	c.Post(t, "/profile/totp", nil, &begun)
	var made struct{ Codes []string }
	c.Post(t, "/profile/totp/"+begun.ID, map[string]string{"code": code(t, begun.Key, -1)}, &made)
	return begun.Key, made.Codes
}

// code is what an app shows so many steps from now.
func code(t *testing.T, key string, step time.Duration) string {
	t.Helper()
	text, err := totp.GenerateCode(key, time.Now().Add(step*30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestWhoHasASecondFactorShowsItOnAPage(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		bob := s.Person(t, "Bob", "viewer", "/")
		key, codes := withApp(t, bob)
		c := s.Client(t)
		form := url.Values{"email": {"bob@example.org"}, "password": {servertest.Password}, "next": {"/activity"}}
		to := send(t, c, "/sign-in", form)
		if to != "/sign-in/code?next=%2Factivity" {
			t.Fatalf("the password leads to %q", to)
		}
		has(t, page(t, c, to), `autocomplete="one-time-code"`, `name="next" value="/activity"`)
		leads(t, c, "/activity", "/sign-in?next=%2Factivity") // it is nobody's session yet
		wrong := refused(t, c, http.StatusUnauthorized, to, url.Values{"code": {"000000"}})
		has(t, wrong, "The code is not right", `aria-invalid="true"`)
		if to := send(t, c, to, url.Values{"code": {code(t, key, 0)}}); to != "/activity" {
			t.Errorf("the code leads to %q", to)
		}
		leads(t, c, "/sign-in", "/")
		again := s.Client(t)
		send(t, again, "/sign-in", form)
		send(t, again, "/sign-in/code", url.Values{"code": {codes[0]}})
		third := s.Client(t)
		send(t, third, "/sign-in", form)
		refused(t, third, http.StatusUnauthorized, "/sign-in/code", url.Values{"code": {codes[0]}})
		has(t, page(t, s.Client(t), "/sign-in/code"), `name="password"`)
	})
}

func TestALinkFromAnAdministratorSetsThePassword(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		var user struct{ ID string }
		s.Owner.Post(t, "/users", map[string]any{"name": "Bob", "email": "bob@example.org"}, &user)
		var link struct{ Ticket string }
		s.Owner.Post(t, "/users/"+user.ID+"/link", nil, &link)
		c := s.Client(t)
		has(t, page(t, c, "/link"), "Choose your password", "gate.js")
		form := url.Values{"ticket": {"made-up"}, "password": {servertest.Password}}
		has(t, refused(t, c, http.StatusNotFound, "/link", form), "The link is no longer good", "Ask for a new link")
		form.Set("ticket", s.URL+"/link#"+link.Ticket)
		form.Set("password", "bob")
		weak := refused(t, c, http.StatusUnprocessableEntity, "/link", form)
		has(t, weak, `href="#f-password"`)
		form.Set("password", servertest.Password)
		send(t, c, "/link", form)
		has(t, page(t, c, "/"), "Bob")
		refused(t, s.Client(t), http.StatusNotFound, "/link", form)
		if strings.Contains(s.Log(), link.Ticket) {
			t.Error("the log has the link's secret")
		}
	})
}

func TestWhoForgotTheirPasswordIsToldTheSameWhoeverTheyAre(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Client(t)
		has(t, refused(t, c, http.StatusConflict, "/forgot", url.Values{"email": {"ada@example.org"}}), "This server mails no links", "Ask an administrator")
		s.Owner.Post(t, "/channels", map[string]any{"name": "Mail", "kind": "email", "links": true, "settings": map[string]string{"host": "mail.example.org", "from": "backstay@example.org", "to": "ops@example.org"}}, nil)
		for _, email := range []string{"ada@example.org", "nobody@example.org"} {
			if to := send(t, c, "/forgot", url.Values{"email": {email}}); to != "/forgot/sent" {
				t.Errorf("%s is sent to %q", email, to)
			}
		}
		has(t, page(t, c, "/forgot/sent"), "If there is an account with that address")
	})
}

func TestAPersonSignsInByAnotherServer(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		corp := authtest.NewIssuer(t, time.Now)
		var provider struct{ ID string }
		s.Owner.Post(t, "/identity-providers", map[string]any{"name": "Corp", "issuer": corp.URL, "client_id": authtest.ClientID, "client_secret": authtest.ClientSecret,
			"ca_certificate": corp.CA, "domains": []string{"example.org"}, "new_accounts": true}, &provider)
		c := s.Client(t)
		has(t, page(t, c, "/sign-in"), "Sign in with Corp")
		leave := func() string {
			a := c.Page(t, http.MethodPost, "/sign-in/with", url.Values{"provider": {provider.ID}})
			to, ok := strings.CutPrefix(a.Header.Get("Refresh"), "0; url=")
			if !ok || !strings.HasPrefix(to, corp.URL) || !strings.Contains(a.Header.Get("Set-Cookie"), "SameSite=Lax") {
				t.Fatalf("the button = %d, Refresh %q\n%s", a.Status, a.Header.Get("Refresh"), a.Body)
			}
			return app.Callback + "?" + corp.Authorize(to).Encode()
		}
		corp.Claims["sub"], corp.Claims["email"], corp.Claims["email_verified"] = "eve", "eve@elsewhere.example", true
		a := c.Page(t, http.MethodGet, leave(), nil)
		if a.Status != http.StatusUnauthorized {
			t.Errorf("a stranger = %d", a.Status)
		}
		has(t, string(a.Body), "No account here is linked to yours", `autocomplete="current-password"`)
		corp.Claims["sub"], corp.Claims["email"], corp.Claims["name"] = "bob", "bob@example.org", "Bob"
		a = c.Page(t, http.MethodGet, leave(), nil)
		if a.Status != http.StatusOK || a.Header.Get("Refresh") != "0; url=/" || !strings.Contains(a.Header.Get("Set-Cookie"), "SameSite=Strict") {
			t.Fatalf("Bob = %d, Refresh %q\n%s", a.Status, a.Header.Get("Refresh"), a.Body)
		}
		has(t, page(t, c, "/"), "Bob")
	})
}
