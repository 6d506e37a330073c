package web

import (
	"net/http"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/door"
)

// registerIdentities registers how people sign in by the word of another server.
func (s *Site) registerIdentities() {
	s.open("POST /sign-in/with", func(v *visit) error {
		to, err := v.App.BeginIdentitySignIn(v.ctx, v.r.PostForm.Get("provider"))
		if err != nil {
			return v.showSignIn(v.signInForm(), err)
		}
		return v.leave(to)
	})
	s.open("GET "+app.Callback, (*visit).comeBack)
}

// passPage is a page that a browser only passes through.
type passPage struct {
	frame
	Lead, To string
}

// leave sends the browser to another server. It does so from a page, since no form may lead elsewhere; the cookie comes along when the browser
// is back.
func (v *visit) leave(to app.Redirect) error {
	c := v.Cookie(string(to.Ticket), to.Until)
	c.Name += identityCookie
	c.SameSite = http.SameSiteLaxMode
	http.SetCookie(v.w, &c)
	return v.pass("You sign in at another server, and come back then.", to.Address)
}

// identityCookie is what the cookie's name has in addition that binds what the browser brings back to it.
const identityCookie = "-identity"

// pass has the browser go on by itself, from a page of this server: then all its cookies come along.
func (v *visit) pass(lead, to string) error {
	v.w.Header().Set("Refresh", "0; url="+to)
	return v.show("pass", passPage{v.frame("One moment"), lead, to})
}

// comeBack takes what somebody brings along from another server.
func (v *visit) comeBack() error {
	back, err := v.App.FinishIdentity(v.ctx, v.who.From, v.shown(v.CookieName()+identityCookie), v.r.URL.Query())
	if err != nil {
		if e, _ := door.Failure(err); e.Kind == backstay.SignIn || e.Kind == backstay.TooMany {
			return v.showSignIn(v.signInForm(), err)
		}
		return err
	}
	if back.Linked != nil {
		return v.pass("Your account at "+back.Linked.Name+" is linked.", "/settings/security")
	}
	c := v.Cookie(string(back.SignedIn.Ticket), back.SignedIn.Session.ExpiresAt)
	http.SetCookie(v.w, &c)
	if back.SignedIn.NeedsCode() {
		return v.pass("Now your second factor.", codeAddress("/"))
	}
	return v.pass("You are signed in.", "/")
}
