package api

import (
	"context"
	"net/http"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// signedIn answers a sign-in: the ticket is in the cookie only.
type signedIn struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      struct {
		User      backstay.User     `json:"user,omitzero"`
		Session   *backstay.Session `json:"session,omitempty"`
		NeedsCode bool              `json:"needs_code" doc:"The second factor has yet to be shown: POST /api/v1/session/code"`
	}
}

func (a *API) signedIn(s app.SignedIn, err error) (*signedIn, error) {
	if err != nil {
		return nil, err
	}
	out := &signedIn{SetCookie: a.Cookie(string(s.Ticket), s.Session.ExpiresAt)}
	if out.Body.NeedsCode = s.NeedsCode(); !out.Body.NeedsCode {
		s.Session.Current = true
		out.Body.User, out.Body.Session = s.User, &s.Session
	}
	return out, nil
}

// signedOut takes the cookie away.
type signedOut struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

func (a *API) registerSession() {
	handle(a, operation{id: "claim", method: http.MethodPost, path: "/claim", summary: "Make the first account, with the code from the console", tag: "session", open: true, status: http.StatusCreated},
		func(ctx context.Context, in *struct {
			Body struct {
				Code     string `json:"code" required:"true" maxLength:"100" doc:"It stands on the console that the server was started on"`
				Name     string `json:"name" required:"true" maxLength:"100"`
				Email    string `json:"email" required:"true" format:"email"`
				Zone     string `json:"zone,omitempty"`
				Language string `json:"language,omitempty"`
				Password string `json:"password" required:"true" format:"password" maxLength:"1024" writeOnly:"true"`
			}
		}) (*signedIn, error) {
			u := backstay.User{Name: in.Body.Name, Email: in.Body.Email, Zone: in.Body.Zone, Language: in.Body.Language}
			return a.signedIn(a.App.Claim(ctx, actor(ctx).From, in.Body.Code, u, in.Body.Password))
		})
	handle(a, operation{id: "sign-in", method: http.MethodPost, path: "/session", summary: "Sign in", tag: "session", open: true, status: http.StatusCreated},
		func(ctx context.Context, in *struct {
			Body struct {
				Email    string `json:"email" required:"true" maxLength:"254"`
				Code     string `json:"code,omitempty" maxLength:"100" doc:"Of the authenticator app, or a recovery code, where the account has a second factor"`
				Password string `json:"password" required:"true" format:"password" maxLength:"1024" writeOnly:"true"`
			}
		}) (*signedIn, error) {
			return a.signedIn(a.App.SignIn(ctx, actor(ctx).From, app.Credentials{Email: in.Body.Email, Password: in.Body.Password, Code: in.Body.Code}))
		})
	handle(a, operation{id: "second-factor", method: http.MethodPost, path: "/session/code", summary: "Show the second factor, to end a sign-in that needs a code", tag: "session", open: true, status: http.StatusCreated},
		func(ctx context.Context, in *struct {
			Ticket http.Cookie `cookie:"backstay"`
			Secure http.Cookie `cookie:"__Host-backstay"`
			Body   struct {
				Code string `json:"code" required:"true" maxLength:"100"`
			}
		}) (*signedIn, error) {
			ticket := in.Ticket.Value
			if a.Secure {
				ticket = in.Secure.Value
			}
			return a.signedIn(a.App.SecondFactor(ctx, actor(ctx).From, ticket, in.Body.Code))
		})
	handle(a, operation{id: "use-link", method: http.MethodPost, path: "/link", summary: "Choose a password, with a link that an administrator made or that you asked for", tag: "session", open: true, status: http.StatusCreated},
		func(ctx context.Context, in *struct {
			Body struct {
				Ticket   string `json:"ticket" required:"true" maxLength:"200" doc:"What stands behind the # of the link"`
				Password string `json:"password" required:"true" format:"password" maxLength:"1024" writeOnly:"true"`
			}
		}) (*signedIn, error) {
			return a.signedIn(a.App.UseLink(ctx, actor(ctx).From, in.Body.Ticket, in.Body.Password))
		})
	handle(a, operation{id: "forgot-password", method: http.MethodPost, path: "/session/forgotten", summary: "Have a link mailed by which you choose a new password", tag: "session", open: true, status: http.StatusAccepted,
		help: "The answer is the same whether there is an account with the address or not."},
		func(ctx context.Context, in *struct {
			Body struct {
				Email string `json:"email" required:"true" format:"email" maxLength:"254"`
			}
		}) (*none, error) {
			return nil, a.App.ForgotPassword(ctx, actor(ctx).From, in.Body.Email)
		})
	handle(a, operation{id: "confirm", method: http.MethodPost, path: "/session/confirm", summary: "Confirm that it is you, before something dangerous", tag: "session", status: http.StatusNoContent,
		help: "By a code of the authenticator app, or a recovery code, where the account has a second factor, else by the password. /session/confirm/passkey/begin is for a passkey."},
		func(ctx context.Context, in *struct {
			Body struct {
				Password string `json:"password,omitempty" format:"password" maxLength:"1024"`
				Code     string `json:"code,omitempty" maxLength:"100"`
			}
		}) (*none, error) {
			return nil, a.App.Confirm(ctx, actor(ctx), in.Body.Password, in.Body.Code)
		})
	handle(a, operation{id: "sign-out", method: http.MethodDelete, path: "/session", summary: "Sign out", tag: "session", status: http.StatusNoContent},
		func(ctx context.Context, _ *none) (*signedOut, error) {
			return &signedOut{a.Cookie("", time.Time{})}, a.App.SignOut(ctx, actor(ctx))
		})
}
