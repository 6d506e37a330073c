package browser_test

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/browser"
)

// hand goes through pages by mouse, or by keyboard alone.
type hand struct {
	*browser.Page
	keys bool
}

// byEachHand has a journey made by mouse and by keyboard alone.
func byEachHand(t *testing.T, journey func(t *testing.T, keys bool)) {
	t.Helper()
	t.Parallel()
	for name, keys := range map[string]bool{"by mouse": false, "by keyboard": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			journey(t, keys)
		})
	}
}

func (h hand) fill(label, value string) {
	if h.keys {
		for h.TabTo(label); h.Evaluate(`document.activeElement.matches("a")`) == "true"; { // what is wrong with it leads to it
			h.TabTo(label)
		}
		h.Press("Control+Home", "Control+Shift+End") // what is there is replaced
		h.Type(value)
		return
	}
	h.Fill(label, value)
}

func (h hand) press(name string) {
	if h.keys {
		h.TabTo(name)
		h.Press("Enter")
		return
	}
	h.Click(name)
}

// look looks at the page in all widths and themes; once is enough for both hands.
func (h hand) look() {
	if !h.keys {
		h.Everywhere()
	}
}

// leave signs out as a person does.
func (h hand) leave(name string) {
	h.press(name + ", your account")
	h.press("Sign out")
	h.WaitText("You are signed out.")
}

// enter shows e-mail address and password.
func (h hand) enter(email, password string) {
	h.fill("E-mail", email)
	h.fill("Password", password)
	h.press("Sign in")
}

func TestTheFirstPersonClaimsTheServer(t *testing.T) {
	byEachHand(t, func(t *testing.T, keys bool) {
		s := servertest.Start(t, server.Options{})
		h := hand{browser.Start(t, s.URL), keys}
		if _, err := chromedp.Call(h.Context(), emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Asia/Calcutta"}); err != nil {
			t.Fatal(err)
		}
		h.Open("/")
		h.WaitText("Make the first account")
		h.look()
		if zone := h.Value("Time zone"); zone != "Asia/Calcutta" {
			t.Errorf("the zone is %q, want that of the browser", zone)
		}
		h.fill("Claim code", "WRONG")
		h.fill("Your name", "Maya Lindqvist")
		h.fill("E-mail", "maya@example.org")
		h.fill("Password", servertest.Password)
		h.press("Make the account")
		h.WaitText("The claim code is not right")
		h.look()
		h.press("Claim code: The claim code is not right")
		h.fill("Claim code", s.ClaimCode())
		h.fill("Password", servertest.Password)
		h.press("Make the account")
		h.WaitURL("/start")
		h.Open("/")
		h.leave("Maya Lindqvist")
		h.look()
		h.enter("maya@example.org", "not it")
		h.WaitText("are not right")
		h.look()
		h.enter("maya@example.org", servertest.Password)
		if !h.Has("Maya Lindqvist, your account") {
			t.Errorf("after signing in there is %q", h.Names())
		}
		for _, path := range []string{"/settings/profile", "/settings/sessions", "/settings/tokens", "/settings/tokens/new", "/settings/security/password", "/help"} {
			h.Open(path)
			h.look()
		}
	})
}

// bob is somebody who has signed in, on a server with a clock that a test can put forward.
func bob(t *testing.T, keys bool) (hand, *servertest.Server, *ahead) {
	t.Helper()
	later := &ahead{Clock: clock.System}
	s := servertest.Start(t, server.Options{Clock: later}).Claim(t)
	p := browser.Start(t, s.URL)
	p.SignIn(s.Person(t, "Bob", "operator", "/").Cookies(t))
	p.Open("/settings/security")
	return hand{p, keys}, s, later
}

// ahead is a clock that a test puts forward.
type ahead struct {
	clock.Clock
	by atomic.Int64
}

func (a *ahead) Now() time.Time { return a.Clock.Now().Add(time.Duration(a.by.Load())) }

// read is the text of an element.
func (h hand) read(t *testing.T, id string) (text string) {
	t.Helper()
	if err := json.Unmarshal([]byte(h.Evaluate("document.getElementById("+`"`+id+`"`+").textContent")), &text); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestSomebodySignsInWithAnAppAndWithoutIt(t *testing.T) {
	byEachHand(t, func(t *testing.T, keys bool) {
		h, _, later := bob(t, keys)
		h.WaitText("Your account has no second factor")
		h.look()
		h.press("Set up an app")
		key := strings.ReplaceAll(h.read(t, "key"), " ", "")
		code := func() string {
			text, err := totp.GenerateCode(key, later.Now())
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		h.look()
		h.fill("Code that the app shows", "000000")
		h.press("Confirm the app")
		h.WaitText("The code is not that of the app")
		h.look()
		h.fill("Code that the app shows", code())
		h.press("Confirm the app")
		h.WaitText("Your app is set up")
		h.look()
		codes := strings.Fields(h.read(t, "codes"))
		if len(codes) != 10 {
			t.Fatalf("there are the codes %q", codes)
		}
		h.press("I have kept them")
		h.WaitText("Your account has a second factor")
		h.look()

		h.leave("Bob")
		h.enter("bob@example.org", servertest.Password)
		h.WaitText("Enter your code")
		h.look()
		h.fill("Code", "000000")
		h.press("Go on")
		h.WaitText("The code is not right")
		h.look()
		later.by.Add(int64(30 * time.Second)) // a code works once
		h.fill("Code", code())
		h.press("Go on")
		h.WaitText("Overview")
		h.leave("Bob")
		h.enter("bob@example.org", servertest.Password)
		h.fill("Code", codes[0])
		h.press("Go on")
		if !h.Has("Bob, your account") {
			t.Errorf("a recovery code leads to %s: %s", h.URL(), h.Text())
		}
	})
}

// device is an authenticator that does not exist, with a finger on it.
func (h hand) device(t *testing.T) {
	t.Helper()
	if _, err := chromedp.Call(h.Context(), webauthn.Enable, webauthn.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(h.Context(), webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: "ctap2", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true}}); err != nil {
		t.Fatal(err)
	}
}

// unsuggested has pages suggest no passkey from now on: a device that does not exist takes each.
func (h hand) unsuggested(t *testing.T) {
	t.Helper()
	if _, err := chromedp.Call(h.Context(), page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: "PublicKeyCredential.isConditionalMediationAvailable = async () => false"}); err != nil {
		t.Fatal(err)
	}
}

func TestSomebodySignsInAndConfirmsByAPasskey(t *testing.T) {
	byEachHand(t, func(t *testing.T, keys bool) {
		h, _, later := bob(t, keys)
		h.device(t)
		h.press("Add a passkey")
		h.look()
		h.fill("What you call it", "Test key")
		h.press("Create the passkey")
		h.WaitText("Your passkey is set up", "They are not shown again")
		h.press("I have kept them")
		h.WaitText("Your account has a second factor", "Test key")
		h.press("Bob, your account")
		h.press("Sign out")
		h.WaitURL("/") // the device takes what the page suggests where browsers fill in the address, at once
		h.WaitText("Overview")
		h.unsuggested(t)
		h.leave("Bob")
		h.press("Use a passkey")
		h.WaitText("Overview")

		later.by.Add(int64(11 * time.Minute)) // the sign-in confirms no more
		h.Open("/settings/security")
		h.press("Make new codes")
		h.WaitText("Confirm that it is you")
		h.look()
		h.press("Use your passkey instead")
		h.WaitText("Keep these recovery codes")

		h.Open("/settings/security/passkeys/new")
		h.press("Create the passkey")
		h.WaitText("There is a passkey for you on this device already.")
		h.look()
	})
}

func TestALinksSecretLeavesTheAddress(t *testing.T) {
	byEachHand(t, func(t *testing.T, keys bool) {
		s := servertest.Start(t, server.Options{}).Claim(t)
		var user struct{ ID string }
		s.Owner.Post(t, "/users", map[string]any{"name": "Bob", "email": "bob@example.org"}, &user)
		var link struct{ Ticket string }
		s.Owner.Post(t, "/users/"+user.ID+"/link", nil, &link)
		h := hand{browser.Start(t, s.URL), keys}
		h.Open("/link")
		h.look()
		h.Open("/help")
		h.look()
		h.Open("/link#" + link.Ticket)
		if h.URL() != "/link" || h.HasText("Your link") {
			t.Errorf("the address is %s, and the page says %s", h.URL(), h.Text())
		}
		h.fill("New password", "bob")
		h.press("Save and sign in")
		h.WaitText("One entry needs a change")
		h.look()
		h.fill("New password", servertest.Password)
		h.press("Save and sign in")
		if !h.Has("Bob, your account") {
			t.Errorf("the link leads to %s: %s", h.URL(), h.Text())
		}
		h.Open("/forgot")
		h.look()
	})
}

func TestAnOpenPageTellsBeforeTheSessionEnds(t *testing.T) {
	byEachHand(t, func(t *testing.T, keys bool) {
		h, _, _ := bob(t, keys)
		const end = `Number(localStorage.getItem("backstay-session-ends")) - Date.now()`
		if h.Evaluate(end+" > 11 * 3600 * 1000") != "true" {
			t.Errorf("the session is good for another %s ms", h.Evaluate(end))
		}
		h.Evaluate(`localStorage.setItem("backstay-session-ends", Date.now() + 60000)`)
		h.WaitText("You will be signed out at")
		h.look()
		h.press("Stay signed in")
		if h.HasText("You will be signed out at") || h.Evaluate(end+" > 11 * 3600 * 1000") != "true" {
			t.Errorf("after staying the session is good for another %s ms, and the page says %s", h.Evaluate(end), h.Text())
		}
		h.Evaluate(`localStorage.setItem("backstay-session-ends", Date.now() - 1000)`)
		h.WaitText("You are signed out.")
		h.look()
	})
}
