package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// redirect sends a browser elsewhere. The cookie binds what it brings back to the browser.
type redirect struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      struct {
		Address string `json:"address" doc:"Where the browser has to go"`
	}
}

func (a *API) redirect(r app.Redirect, err error) (*redirect, error) {
	if err != nil {
		return nil, err
	}
	out := &redirect{SetCookie: a.Cookie(string(r.Ticket), r.Until)}
	out.SetCookie.Name += "-identity"
	out.SetCookie.SameSite = http.SameSiteLaxMode // it has to come along from a page of another server
	out.Body.Address = r.Address
	return out, nil
}

// wanted is the identity provider that somebody chose.
type wanted struct {
	Body struct {
		Provider string `json:"provider" required:"true" maxLength:"64" doc:"The id of the identity provider"`
	}
}

// back is what a browser brings along when it comes back.
type back struct {
	Plain  http.Cookie `cookie:"backstay-identity"`
	Secure http.Cookie `cookie:"__Host-backstay-identity"`
	answer url.Values
}

// Resolve reads all that the other server has put into the address.
func (b *back) Resolve(ctx huma.Context) []error {
	address := ctx.URL()
	b.answer = address.Query()
	return nil
}

func (b *back) ticket(a *API) string {
	if a.Secure {
		return b.Secure.Value
	}
	return b.Plain.Value
}

// arrived answers who is back. Programs read the body; a browser goes on to the first page by itself, from a page of this server, so that its
// cookie comes along.
type arrived struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Refresh   string        `header:"Refresh"`
	Body      struct {
		User      *backstay.User    `json:"user,omitempty"`
		Session   *backstay.Session `json:"session,omitempty"`
		NeedsCode bool              `json:"needs_code" doc:"The second factor has yet to be shown: POST /api/v1/session/code"`
		Linked    *backstay.Factor  `json:"linked,omitempty" doc:"By what the person can sign in from now on"`
	}
}

func (a *API) arrived(r app.Returned, err error) (*arrived, error) {
	if err != nil {
		return nil, err
	}
	out := &arrived{Refresh: "0; url=/"}
	if out.Body.Linked = r.Linked; r.SignedIn == nil {
		return out, nil
	}
	in, err := a.signedIn(*r.SignedIn, nil)
	if err != nil {
		return nil, err
	}
	out.SetCookie = []http.Cookie{in.SetCookie}
	if out.Body.NeedsCode = in.Body.NeedsCode; !out.Body.NeedsCode {
		out.Body.User, out.Body.Session = &in.Body.User, in.Body.Session
	}
	return out, nil
}

func (a *API) registerIdentities() {
	nouns(a, "identity-providers", a.App.IdentityProviders)
	handle(a, operation{id: "list-sign-in-providers", method: http.MethodGet, path: "/session/identity", summary: "List the other servers by whose word people sign in", tag: "session", open: true},
		func(ctx context.Context, _ *none) (*listed[app.SignInProvider], error) {
			all, err := a.App.SignInProviders(ctx)
			return newListed(all, ""), err
		})
	handle(a, operation{id: "begin-identity-sign-in", method: http.MethodPost, path: "/session/identity/begin", summary: "Sign in by the word of another server", tag: "session", open: true, status: http.StatusCreated},
		func(ctx context.Context, in *wanted) (*redirect, error) {
			return a.redirect(a.App.BeginIdentitySignIn(ctx, in.Body.Provider))
		})
	handle(a, operation{id: "begin-identity", method: http.MethodPost, path: "/profile/identities/begin", summary: "Link your account at another server, to sign in by it", tag: "profile", status: http.StatusCreated,
		help: "DELETE /api/v1/profile/factors/{id} unlinks it."},
		func(ctx context.Context, in *wanted) (*redirect, error) {
			return a.redirect(a.App.BeginIdentity(ctx, actor(ctx), in.Body.Provider))
		})
	handle(a, operation{id: "finish-identity", method: http.MethodGet, path: app.Callback, summary: "Where another server sends people back to", tag: "session", open: true, returned: true},
		func(ctx context.Context, in *back) (*arrived, error) {
			return a.arrived(a.App.FinishIdentity(ctx, actor(ctx).From, in.ticket(a), in.answer))
		})
}
