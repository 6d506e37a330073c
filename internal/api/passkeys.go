package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// question asks a browser for a passkey. The cookie binds the answer to the browser.
type question struct {
	SetCookie http.Cookie     `header:"Set-Cookie"`
	Body      json.RawMessage `doc:"For navigator.credentials: parseCreationOptionsFromJSON or parseRequestOptionsFromJSON of its publicKey"`
}

func (a *API) question(q app.Question, err error) (*question, error) {
	if err != nil {
		return nil, err
	}
	c := a.Cookie(string(q.Ticket), q.Until)
	c.Name += "-ceremony"
	return &question{c, q.Options}, nil
}

// Ceremony is the cookie that comes back with the answer.
type Ceremony struct {
	Plain  http.Cookie `cookie:"backstay-ceremony"`
	Secure http.Cookie `cookie:"__Host-backstay-ceremony"`
}

func (c Ceremony) ticket(a *API) string {
	if a.Secure {
		return c.Secure.Value
	}
	return c.Plain.Value
}

// newPasskey answers a registration.
type newPasskey struct {
	Body struct {
		Factor backstay.Factor `json:"factor"`
		Codes  []string        `json:"codes,omitempty" doc:"Recovery codes, for who had none. They are not shown again"`
	}
}

func (a *API) registerPasskeys() {
	handle(a, operation{id: "begin-passkey", method: http.MethodPost, path: "/profile/passkeys/begin", summary: "Ask the browser for a new passkey", tag: "profile", status: http.StatusCreated},
		func(ctx context.Context, _ *none) (*question, error) {
			return a.question(a.App.BeginPasskey(ctx, actor(ctx)))
		})
	handle(a, operation{id: "finish-passkey", method: http.MethodPost, path: "/profile/passkeys/finish", summary: "Add the passkey that the browser made", tag: "profile", status: http.StatusCreated},
		func(ctx context.Context, in *struct {
			Ceremony
			Body struct {
				Name   string          `json:"name" required:"true" minLength:"1" maxLength:"100" doc:"What the person calls it"`
				Answer json.RawMessage `json:"answer" required:"true" doc:"The credential as JSON, as its toJSON says"`
			}
		}) (*newPasskey, error) {
			f, codes, err := a.App.FinishPasskey(ctx, actor(ctx), in.ticket(a), in.Body.Name, in.Body.Answer)
			out := new(newPasskey)
			out.Body.Factor, out.Body.Codes = f, newCodes(codes).Body.Codes
			return out, err
		})
	a.registerPasskeySignIn()
}

func (a *API) registerPasskeySignIn() {
	handle(a, operation{id: "begin-passkey-confirm", method: http.MethodPost, path: "/session/confirm/passkey/begin", summary: "Ask the browser for a passkey, to confirm that it is you", tag: "session", status: http.StatusCreated},
		func(ctx context.Context, _ *none) (*question, error) {
			return a.question(a.App.BeginPasskeyConfirm(ctx, actor(ctx)))
		})
	handle(a, operation{id: "finish-passkey-confirm", method: http.MethodPost, path: "/session/confirm/passkey/finish", summary: "Confirm with a passkey that it is you", tag: "session", status: http.StatusNoContent},
		func(ctx context.Context, in *struct {
			Ceremony
			Body struct {
				Answer json.RawMessage `json:"answer" required:"true" doc:"The credential as JSON, as its toJSON says"`
			}
		}) (*none, error) {
			return nil, a.App.FinishPasskeyConfirm(ctx, actor(ctx), in.ticket(a), in.Body.Answer)
		})
	handle(a, operation{id: "begin-passkey-sign-in", method: http.MethodPost, path: "/session/passkey/begin", summary: "Ask the browser for a passkey to sign in", tag: "session", open: true, status: http.StatusCreated},
		func(ctx context.Context, _ *none) (*question, error) {
			return a.question(a.App.BeginPasskeySignIn(ctx))
		})
	handle(a, operation{id: "finish-passkey-sign-in", method: http.MethodPost, path: "/session/passkey/finish", summary: "Sign in with a passkey", tag: "session", open: true, status: http.StatusCreated},
		func(ctx context.Context, in *struct {
			Ceremony
			Body struct {
				Answer json.RawMessage `json:"answer" required:"true" doc:"The credential as JSON, as its toJSON says"`
			}
		}) (*signedIn, error) {
			return a.signedIn(a.App.FinishPasskeySignIn(ctx, actor(ctx).From, in.ticket(a), in.Body.Answer))
		})
}
