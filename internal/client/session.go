package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/backstay/backstay"
)

// Account is a first account that is yet to be made.
type Account struct {
	Code     string `json:"code"` // that the console of the server shows
	Name     string `json:"name"`
	Email    string `json:"email"`
	Password string `json:"password"`
}

// Credentials are what signs a person in.
type Credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// SignedIn is what came of a sign-in. Where a code is needed the session is good only after ShowCode.
type SignedIn struct {
	User      backstay.User `json:"user"`
	NeedsCode bool          `json:"needs_code"`
	Cookie    Cookie        `json:"-"`
}

// Claim makes the first account, and signs in as its person.
func (c *Client) Claim(ctx context.Context, a Account) (SignedIn, error) {
	return c.signIn(ctx, Claim, a)
}

// UseLink chooses a password with the ticket that an administrator made, and signs in as its person.
func (c *Client) UseLink(ctx context.Context, ticket, password string) (SignedIn, error) {
	return c.signIn(ctx, UseLink, map[string]string{"ticket": ticket, "password": password})
}

// SignIn signs a person in. The client itself stays as it is: make another one with the cookie.
func (c *Client) SignIn(ctx context.Context, who Credentials) (SignedIn, error) {
	return c.signIn(ctx, SignIn, who)
}

// ShowCode ends a sign-in that needs a code of a second factor.
func (c *Client) ShowCode(ctx context.Context, code string) (SignedIn, error) {
	return c.signIn(ctx, SecondFactor, map[string]string{"code": code})
}

func (c *Client) signIn(ctx context.Context, op Operation, body any) (in SignedIn, err error) {
	answer, err := c.send(ctx, op, Request{Body: body})
	if err != nil {
		return in, err
	}
	content, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return in, c.failed(ctx, err)
	}
	if err := json.Unmarshal(content, &in); err != nil {
		return in, c.problem(answer, nil)
	}
	for _, cookie := range answer.Cookies() {
		if strings.HasSuffix(cookie.Name, "backstay") {
			in.Cookie = Cookie{Name: cookie.Name, Value: cookie.Value}
		}
	}
	if in.Cookie.Value == "" {
		return in, c.problem(answer, nil)
	}
	return in, nil
}

// With returns a client of the same server with the cookie of a session.
func (c *Client) With(cookie Cookie) *Client {
	next := *c
	next.opt.Cookie = cookie
	return &next
}
