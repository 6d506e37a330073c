package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
)

var (
	actionOf  = regexp.MustCompile(`action="(/settings/security/app/[^"]+)"`)
	addressOf = regexp.MustCompile(`name="address" value="([^"]+)"`)
	codeOf    = regexp.MustCompile(`(?m)[0-9A-Z]{4}(-[0-9A-Z]{4}){5}`)
)

// beginApp sets up an app by its page, and returns where its code is sent and what is.
func beginApp(t *testing.T, c *servertest.Client) (action, address, key string) {
	t.Helper()
	a := c.Page(t, http.MethodPost, "/settings/security/app", nil)
	text := string(a.Body)
	if a.Status != http.StatusOK || actionOf.FindString(text) == "" {
		t.Fatalf("POST = %d\n%s", a.Status, text)
	}
	has(t, text, `role="img"`, "QR code for your authenticator app", `data-copy="key"`)
	address = strings.ReplaceAll(addressOf.FindStringSubmatch(text)[1], "&amp;", "&")
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return actionOf.FindStringSubmatch(text)[1], address, u.Query().Get("secret")
}

func TestAnAppIsSetUpByPagesAndCodesAreShownOnce(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Person(t, "Bob", "viewer", "/")
		has(t, page(t, c, "/settings/security"), "Your account has no second factor", "Add a passkey", "Set up an app", "Change your password")
		action, address, key := beginApp(t, c)
		wrong := refused(t, c, http.StatusUnprocessableEntity, action, url.Values{"address": {address}, "code": {"000000"}})
		has(t, wrong, "not that of the app", `role="img"`, `name="address" value="otpauth`)
		a := c.Page(t, http.MethodPost, action, url.Values{"address": {address}, "code": {code(t, key, 0)}})
		codes := codeOf.FindAllString(string(a.Body), -1)
		if a.Status != http.StatusOK || len(codes) != 10 {
			t.Fatalf("the right code = %d with %d recovery codes\n%s", a.Status, len(codes), a.Body)
		}
		has(t, string(a.Body), `download="backstay-recovery-codes.txt"`, "They are not shown again")
		after := page(t, c, "/settings/security")
		has(t, after, "Your account has a second factor", "Authenticator app", "Recovery codes", "Make new codes")
		hasNot(t, after, codes[0], key)
		if log := s.Log(); strings.Contains(log, codes[0]) || strings.Contains(log, key) {
			t.Error("the log has a secret of the second factor")
		}

		other := s.Client(t)
		send(t, other, "/sign-in", url.Values{"email": {"bob@example.org"}, "password": {servertest.Password}})
		send(t, other, "/sign-in/code", url.Values{"code": {codes[3]}})
		made := c.Page(t, http.MethodPost, "/settings/security/recovery-codes", nil)
		if made.Status != http.StatusOK || len(codeOf.FindAllString(string(made.Body), -1)) != 10 || strings.Contains(string(made.Body), codes[4]) {
			t.Errorf("new recovery codes = %d\n%s", made.Status, main(string(made.Body)))
		}

		var factors struct{ Items []struct{ ID, Kind string } }
		c.Get(t, "/profile/factors", &factors)
		for _, f := range factors.Items {
			if f.Kind != "totp" {
				continue
			}
			at := "/settings/security/factors/" + f.ID + "/remove"
			has(t, page(t, c, at), "Remove Authenticator app?", "your recovery codes go as well")
			if a := s.Owner.Page(t, http.MethodPost, at, nil); a.Status != http.StatusNotFound {
				t.Errorf("somebody else's factor is removed by %d", a.Status)
			}
			send(t, c, at, nil)
		}
		has(t, page(t, c, "/settings/security"), "Your account has no second factor")
	})
}

func TestWhoHasToHaveASecondFactorIsLedToSetItUp(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Person(t, "Bob", "viewer", "/")
		s.Owner.Patch(t, "/settings", map[string]any{"mfa_roles": []string{"viewer"}}, nil)
		leads(t, c, "/", "/settings/security")
		leads(t, c, "/settings/profile", "/settings/security")
		has(t, page(t, c, "/settings/security"), "Set up a second factor to go on", "Sign out")
		hasNot(t, page(t, c, "/settings/security"), `aria-label="Pages of this part"`, `href="/sources"`)
		action, address, key := beginApp(t, c)
		if a := c.Page(t, http.MethodPost, action, url.Values{"address": {address}, "code": {code(t, key, 0)}}); a.Status != http.StatusOK {
			t.Fatalf("the code = %d\n%s", a.Status, a.Body)
		}
		has(t, page(t, c, "/"), "Overview")
	})
}

func TestAPasswordIsChangedAndOtherSessionsEnd(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Person(t, "Bob", "viewer", "/")
		other := s.Client(t)
		send(t, other, "/sign-in", url.Values{"email": {"bob@example.org"}, "password": {servertest.Password}})
		has(t, refused(t, c, http.StatusUnprocessableEntity, "/settings/security/password", url.Values{"password": {"bob"}}), `href="#f-password"`)
		const fresh = "quiet-meadow-thunder-77"
		send(t, c, "/settings/security/password", url.Values{"password": {fresh}})
		has(t, page(t, c, "/settings/security"), "Your password was changed.")
		leads(t, other, "/", "/sign-in")
		refused(t, other, http.StatusUnauthorized, "/sign-in", url.Values{"email": {"bob@example.org"}, "password": {servertest.Password}})
		send(t, other, "/sign-in", url.Values{"email": {"bob@example.org"}, "password": {fresh}})
	})
}

// ahead is a clock that a test puts forward.
type ahead struct {
	clock.Clock
	by atomic.Int64
}

func (a *ahead) Now() time.Time { return a.Clock.Now().Add(time.Duration(a.by.Load())) }

func TestHowSomebodySignsInIsChangedOnlyOnceTheyConfirmed(t *testing.T) {
	later := &ahead{Clock: clock.System}
	s := servertest.Start(t, server.Options{Clock: later}).Claim(t)
	c := s.Person(t, "Bob", "viewer", "/")
	later.by.Store(int64(11 * time.Minute))
	asked := refused(t, c, http.StatusForbidden, "/settings/security/app", nil)
	has(t, asked, "Confirm that it is you", `action="/settings/security/app"`, "Your password")
	has(t, page(t, c, "/settings/security/password"), "confirm-secret")
	form := url.Values{"password": {"quiet-meadow-thunder-77"}, "confirm-secret": {"not it"}}
	has(t, refused(t, c, http.StatusForbidden, "/settings/security/password", form), "confirm-secret-e", "The password is not right")
	has(t, refused(t, c, http.StatusForbidden, "/settings/security/passkeys/new", url.Values{"name": {"Laptop"}, "answer": {"{}"}}), "confirm-secret", `value="Laptop"`)
	a := c.Page(t, http.MethodPost, "/settings/security/app", url.Values{"confirm-secret": {servertest.Password}})
	if a.Status != http.StatusOK {
		t.Errorf("with the password = %d\n%s", a.Status, a.Body)
	}
	hasNot(t, page(t, c, "/settings/security/password"), "confirm-secret")
}
