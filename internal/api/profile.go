package api

import (
	"context"
	"net/http"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/auth"
)

// plainCodes are shown once.
type plainCodes struct {
	Body struct {
		Codes []string `json:"codes" doc:"Each signs in once. They are not shown again"`
	}
}

func newCodes(codes []auth.Secret) *plainCodes {
	var out plainCodes
	for _, code := range codes {
		out.Body.Codes = append(out.Body.Codes, string(code))
	}
	return &out
}

// user asks for what belongs to a person.
type user struct {
	User string `query:"user" maxLength:"64" doc:"The id of the person; by default whoever asks"`
}

func (u user) or(ctx context.Context) string {
	if u.User == "" {
		return actor(ctx).User
	}
	return u.User
}

// plainKey is shown once.
type plainKey struct {
	Body struct {
		ID      string `json:"id"`
		Key     string `json:"key" doc:"To be typed into the app"`
		Address string `json:"address" doc:"The same as an otpauth:// address, for a QR code"`
	}
}

// plainToken is shown once.
type plainToken struct {
	Body struct {
		Token  backstay.Token `json:"token"`
		Secret string         `json:"secret" doc:"What the program gives as bearer token. It is not shown again"`
	}
}

// plainLink is shown once.
type plainLink struct {
	Body struct {
		Link   backstay.Link `json:"link"`
		Mailed bool          `json:"mailed" doc:"It is on its way to the person's address, and not shown"`
		Ticket string        `json:"ticket,omitempty" doc:"It is not shown again. Whoever has it gets the account"`
	}
}

func (a *API) registerProfile() {
	handle(a, operation{id: "get-profile", method: http.MethodGet, path: "/profile", summary: "Show your own account", tag: "profile"},
		func(ctx context.Context, _ *none) (*one[backstay.User], error) {
			u, err := a.App.Profile(ctx, actor(ctx))
			return newOne(u), err
		})
	handle(a, operation{id: "update-profile", method: http.MethodPatch, path: "/profile", summary: "Change your own account", tag: "profile"},
		func(ctx context.Context, in *struct {
			Body    backstay.User
			RawBody []byte
		}) (*one[backstay.User], error) {
			u, err := a.App.UpdateProfile(ctx, actor(ctx), in.RawBody)
			return newOne(u), err
		})
	handle(a, operation{id: "change-password", method: http.MethodPut, path: "/profile/password", summary: "Change your password; your other sessions end", tag: "profile", status: http.StatusNoContent},
		func(ctx context.Context, in *struct {
			Body struct {
				Password string `json:"password" required:"true" format:"password" maxLength:"1024" writeOnly:"true"`
			}
		}) (*none, error) {
			return nil, a.App.ChangePassword(ctx, actor(ctx), in.Body.Password)
		})
	handle(a, operation{id: "list-factors", method: http.MethodGet, path: "/profile/factors", summary: "List by what you sign in", tag: "profile"},
		func(ctx context.Context, _ *none) (*listed[backstay.Factor], error) {
			all, err := a.App.Factors(ctx, actor(ctx))
			return newListed(all, ""), err
		})
	handle(a, operation{id: "delete-factor", method: http.MethodDelete, path: "/profile/factors/{id}", summary: "Remove a second factor", tag: "profile", status: http.StatusNoContent},
		func(ctx context.Context, in *Named) (*none, error) {
			return nil, a.App.RemoveFactor(ctx, actor(ctx), in.ID)
		})
	a.registerTOTP()
	a.registerTokens()
}

func (a *API) registerTOTP() {
	handle(a, operation{id: "begin-totp", method: http.MethodPost, path: "/profile/totp", summary: "Make a key for an authenticator app", tag: "profile", status: http.StatusCreated},
		func(ctx context.Context, _ *none) (*plainKey, error) {
			id, totp, err := a.App.BeginTOTP(ctx, actor(ctx))
			out := new(plainKey)
			out.Body.ID, out.Body.Key, out.Body.Address = id, string(totp.Key), string(totp.Address)
			return out, err
		})
	handle(a, operation{id: "confirm-totp", method: http.MethodPost, path: "/profile/totp/{id}", summary: "Make the key count, with a first code of the app", tag: "profile"},
		func(ctx context.Context, in *struct {
			ID   string `path:"id" maxLength:"64"`
			Body struct {
				Code string `json:"code" required:"true" maxLength:"10"`
			}
		}) (*plainCodes, error) {
			codes, err := a.App.ConfirmTOTP(ctx, actor(ctx), in.ID, in.Body.Code)
			return newCodes(codes), err
		})
	handle(a, operation{id: "make-recovery-codes", method: http.MethodPost, path: "/profile/recovery-codes", summary: "Make new recovery codes; the old ones are void", tag: "profile"},
		func(ctx context.Context, _ *none) (*plainCodes, error) {
			codes, err := a.App.NewRecoveryCodes(ctx, actor(ctx))
			return newCodes(codes), err
		})
}

func (a *API) registerTokens() {
	handle(a, operation{id: "list-sessions", method: http.MethodGet, path: "/sessions", summary: "List where a person is signed in", tag: "profile"},
		func(ctx context.Context, in *user) (*listed[backstay.Session], error) {
			all, err := a.App.Sessions(ctx, actor(ctx), in.or(ctx))
			return newListed(all, ""), err
		})
	handle(a, operation{id: "delete-session", method: http.MethodDelete, path: "/sessions/{id}", summary: "End a session", tag: "profile", status: http.StatusNoContent},
		func(ctx context.Context, in *Named) (*none, error) {
			return nil, a.App.EndSession(ctx, actor(ctx), in.ID)
		})
	handle(a, operation{id: "list-tokens", method: http.MethodGet, path: "/tokens", summary: "List the API tokens of a person", tag: "profile"},
		func(ctx context.Context, in *user) (*listed[backstay.Token], error) {
			all, err := a.App.Tokens(ctx, actor(ctx), in.or(ctx))
			return newListed(all, ""), err
		})
	handle(a, operation{id: "create-token", method: http.MethodPost, path: "/tokens", summary: "Make an API token of your own", tag: "profile", status: http.StatusCreated},
		func(ctx context.Context, in *struct{ Body backstay.Token }) (*plainToken, error) {
			text, token, err := a.App.CreateToken(ctx, actor(ctx), in.Body)
			out := new(plainToken)
			out.Body.Token, out.Body.Secret = token, string(text)
			return out, err
		})
	handle(a, operation{id: "delete-token", method: http.MethodDelete, path: "/tokens/{id}", summary: "Revoke an API token", tag: "profile", status: http.StatusNoContent},
		func(ctx context.Context, in *Named) (*none, error) {
			return nil, a.App.DeleteToken(ctx, actor(ctx), in.ID)
		})
	handle(a, operation{id: "create-link", method: http.MethodPost, path: "/users/{id}/link", summary: "Make a link by which a person chooses a password", tag: "users", status: http.StatusCreated,
		help: "It is mailed to the person where the server has an e-mail channel for links, and shown else. The page it leads to is /link on this server, with the ticket behind a #."},
		func(ctx context.Context, in *struct {
			ID   string `path:"id" maxLength:"64"`
			Show bool   `query:"show" doc:"It is shown, and not mailed"`
		}) (*plainLink, error) {
			n, err := a.App.NewLink(ctx, actor(ctx), in.ID, in.Show)
			out := new(plainLink)
			out.Body.Link, out.Body.Mailed, out.Body.Ticket = n.Link, n.Mailed, string(n.Ticket)
			return out, err
		})
}
