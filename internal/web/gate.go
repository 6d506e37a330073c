package web

import (
	_ "embed"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/door"
)

// registerGate registers the pages by which people come in and leave.
func (s *Site) registerGate() {
	s.open("GET /sign-in", (*visit).signInPage)
	s.open("POST /sign-in", (*visit).signIn)
	s.open("POST /sign-in/passkey", (*visit).signInByPasskey)
	s.open("GET /sign-in/code", (*visit).codePage)
	s.open("POST /sign-in/code", (*visit).showCode)
	s.post("/sign-out", (*visit).signOut)
	s.open("GET /claim", (*visit).claimPage)
	s.open("POST /claim", (*visit).claim)
	s.open("GET /forgot", (*visit).forgotPage)
	s.open("POST /forgot", (*visit).forgot)
	s.open("GET /forgot/sent", (*visit).forgotSent)
	s.open("GET /link", (*visit).linkPage)
	s.open("POST /link", (*visit).useLink)
}

// open registers a page for everybody, whether they have signed in or not.
func (s *Site) open(pattern string, page func(*visit) error) {
	s.mux.Handle(pattern, s.anybody(func(v *visit) error {
		if err := v.parse(); err != nil {
			return err
		}
		return page(v)
	}))
}

// gatePage is a page with one form for people who have yet to sign in.
type gatePage struct {
	frame
	Heading, Lead string
	Form          *form
	Links         []tab // what else they can do
}

// showGate shows it; err is why what was sent was refused.
func (v *visit) showGate(p gatePage, err error) error {
	status, err := p.Form.turnAway(err)
	if err != nil {
		return err
	}
	p.frame = v.frame(p.Heading)
	return v.answer(status, "gate", p)
}

// turnAway notes on the form why somebody is not let in, and returns the page's status. Unlike with other forms that nobody is signed in is
// nothing to be sent elsewhere for.
func (f *form) turnAway(err error) (int, error) {
	if err == nil {
		return http.StatusOK, nil
	}
	e, status := door.Failure(err)
	if e.Kind == backstay.Failed {
		return status, err
	}
	f.note(e)
	for _, field := range f.Fields() {
		if field.Kind == secretField {
			field.Value = "" // a page shows none
		}
	}
	return status, nil
}

// signInPage is the first page that people see.
type signInPage struct {
	frame
	Host      string
	Next      string
	Form      *form
	Providers []app.SignInProvider
}

func (v *visit) signInPage() error {
	claimed, err := v.App.Claimed(v.ctx)
	switch {
	case err != nil:
		return err
	case !claimed:
		return v.redirect("/claim", "")
	case door.IsSignedIn(v.ctx):
		return v.redirect(v.next(), "")
	}
	return v.showSignIn(v.signInForm(), nil)
}

func (v *visit) signInForm() *form {
	return newForm("/sign-in", "Sign in", "",
		&field{Name: "next", Kind: hiddenField, Value: v.next()},
		&field{Name: "email", Title: "E-mail", Kind: emailField, Auto: "username webauthn"},
		&field{Name: "password", Title: "Password", Kind: secretField, Auto: "current-password"})
}

// showSignIn shows the page; err is why somebody was not let in.
func (v *visit) showSignIn(f *form, err error) error {
	status, err := f.turnAway(err)
	if err != nil {
		return err
	}
	page := signInPage{frame: v.frame("Sign in"), Host: v.r.Host, Next: v.next(), Form: f}
	page.Toast = v.toast()
	if page.Providers, err = v.App.SignInProviders(v.ctx); err != nil {
		return err
	}
	return v.answer(status, "sign-in", page)
}

func (v *visit) signIn() error {
	f := v.signInForm()
	f.read(v.r)
	in, err := v.App.SignIn(v.ctx, v.who.From, app.Credentials{Email: f.value("email"), Password: f.value("password")})
	if err != nil {
		return v.showSignIn(f, err)
	}
	return v.enter(in, v.next())
}

// enter gives the browser its session and goes on; first to the second factor where that has yet to be shown.
func (v *visit) enter(in app.SignedIn, to string) error {
	c := v.Cookie(string(in.Ticket), in.Session.ExpiresAt)
	http.SetCookie(v.w, &c)
	if in.NeedsCode() {
		to = codeAddress(to)
	}
	return v.redirect(to, "")
}

func codeAddress(next string) string { return address("/sign-in/code", url.Values{"next": {next}}) }

// signInByPasskey takes the answer of a passkey, which the page's script asked for.
func (v *visit) signInByPasskey() error {
	in, err := v.App.FinishPasskeySignIn(v.ctx, v.who.From, v.ceremony(), []byte(v.r.PostForm.Get("answer")))
	if err != nil {
		return v.showSignIn(v.signInForm(), err)
	}
	return v.enter(in, v.next())
}

// ceremony is what the browser shows of the ceremony that was begun with it.
func (v *visit) ceremony() string { return v.shown(v.CookieName() + "-ceremony") }

// shown is the value of a cookie; "" without one.
func (v *visit) shown(name string) string {
	if c, err := v.r.Cookie(name); err == nil {
		return c.Value
	}
	return ""
}

// codeOf is the page that asks for the second factor.
func (v *visit) codeOf() gatePage {
	return gatePage{Heading: "Enter your code", Lead: "Almost there: now show your second factor.",
		Form: newForm("/sign-in/code", "Go on", "",
			&field{Name: "next", Kind: hiddenField, Value: v.next()},
			&field{Name: "code", Title: "Code", Kind: textField, Auto: "one-time-code", Help: "From your authenticator app. Without the app, enter one of your recovery codes: it works once."}),
		Links: []tab{{Href: "/sign-in", Word: "Begin again"}}}
}

func (v *visit) codePage() error {
	if v.shown(v.CookieName()) == "" || door.IsSignedIn(v.ctx) {
		return v.signInPage()
	}
	return v.showGate(v.codeOf(), nil)
}

func (v *visit) showCode() error {
	page := v.codeOf()
	page.Form.read(v.r)
	in, err := v.App.SecondFactor(v.ctx, v.who.From, v.shown(v.CookieName()), page.Form.value("code"))
	if err != nil {
		page.Form.find("code").Value = "" // a code works once
		return v.showGate(page, err)
	}
	return v.enter(in, v.next())
}

func (v *visit) signOut() error {
	if err := v.App.SignOut(v.ctx, v.who); err != nil {
		return err
	}
	c := v.Cookie("", v.App.Clock.Now())
	http.SetCookie(v.w, &c)
	return v.redirect("/sign-in", "You are signed out.")
}

//go:embed zones.txt
var zoneList string

// zoneField asks for a time zone. One that is not listed, such as an older name, stays a choice for who has it.
func zoneField(value string) *field {
	f := &field{Name: "zone", Title: "Time zone", Kind: selectField, Value: value, Help: "Times on pages and in messages are in it."}
	names := strings.Fields(zoneList)
	if value != "" && !slices.Contains(names, value) {
		names = append(names, value)
	}
	for _, name := range names {
		f.Choices = append(f.Choices, choice{Value: name, Title: strings.ReplaceAll(name, "_", " ")})
	}
	return f
}
