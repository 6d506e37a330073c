package auth

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/backstay/backstay/clock"
)

// attemptTime is how long somebody may take to sign in at the other server.
const attemptTime = 10 * time.Minute

// maxSubject is how long a subject may be by OpenID Connect (Core, section 2), in ASCII letters.
const maxSubject = 255

// Why another server's word isn't taken.
var (
	ErrOIDCState   = errors.New("the answer belongs to no sign-in that was begun in this browser, or that was begun too long ago")
	ErrOIDCRefused = errors.New("the sign-in was refused by the other server")
	ErrOIDCToken   = errors.New("the other server's token proves nothing")
)

// OIDCOptions is what an OIDC sign-in needs to know. All but MaxAge are required.
type OIDCOptions struct {
	Issuer   string // https://..., as the other server names itself, to the letter
	ClientID string
	Secret   Secret // of this client; "" for a public one
	Redirect string // the page of ours where the browser comes back to
	Scopes   []string
	MaxAge   time.Duration // the person is asked to sign in there again if that is longer ago; 0: it doesn't matter. Not all servers heed it: see Identity.At
	Client   *http.Client  // its dialer is guarded, since an administrator gave the address
	Clock    clock.Clock
	Random   io.Reader
}

// OIDC signs people in by the word of another server (OpenID Connect, authorization code flow). Its state binds the answer to the
// browser that asked (against answers that an attacker slips in), PKCE binds the code to the one who asked (against codes that were
// caught), the nonce binds the token to this sign-in (against tokens that are used again). A token is taken only if it is signed
// by a key that the issuer names now, is for us alone, and hasn't run out. It may be used by any number of goroutines.
type OIDC struct {
	opts      OIDCOptions
	oauth     oauth2.Config
	verifier  *oidc.IDTokenVerifier
	issuerToo bool // the server promises to name itself in its answers (RFC 9207)
}

// Identity is who somebody is in another server's word. An account is found by Issuer and Subject together, never by the address,
// which may be given to another person or be claimed at another server; even to propose an account it has to be Verified. The rules by
// which an account is proposed are those of the callers: an account that somebody uses is linked by the person in it alone, and by an
// address only one that nobody has used yet. ACR and AMR are what the other server says of itself: nobody here can check them, so
// they count for no second factor.
type Identity struct {
	Issuer, Subject string
	Email           string
	Verified        bool // the other server says that the address is this person's
	Name            string
	Groups          []string
	ACR             string    // how strong the sign-in was, in the other server's words
	AMR             []string  // how it was made, such as "pwd", "otp", "hwk" (RFC 8176)
	At              time.Time // when it was made; zero if the other server doesn't tell
}

// Format prints whose word it is, and nothing of the secret.
func (o *OIDC) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "oidc(%s)", o.opts.Issuer) }

// DiscoverOIDC asks the issuer for its addresses. All of them must be https.
func DiscoverOIDC(ctx context.Context, opts OIDCOptions) (*OIDC, error) {
	opts.Client = careful(opts.Client)
	if err := mustBeHTTPS(opts.Issuer); err != nil {
		return nil, fmt.Errorf("discover OIDC issuer: %w", err)
	}
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, opts.Client), opts.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discover OIDC issuer %q: %w", opts.Issuer, brief(err))
	}
	var more struct {
		Keys      string   `json:"jwks_uri"`
		Methods   []string `json:"token_endpoint_auth_methods_supported"`
		IssuerToo bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := provider.Claims(&more); err != nil {
		return nil, fmt.Errorf("discover OIDC issuer %q: %w", opts.Issuer, brief(err))
	}
	endpoint := provider.Endpoint()
	for _, address := range []string{endpoint.AuthURL, endpoint.TokenURL, more.Keys} {
		if err := mustBeHTTPS(address); err != nil {
			return nil, fmt.Errorf("discover OIDC issuer %q: %w", opts.Issuer, err)
		}
	}
	endpoint.AuthStyle = oauth2.AuthStyleInHeader // what OAuth 2 takes for granted
	if len(more.Methods) > 0 && !slices.Contains(more.Methods, "client_secret_basic") || opts.Secret == "" {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &OIDC{
		opts: opts,
		oauth: oauth2.Config{ClientID: opts.ClientID, ClientSecret: string(opts.Secret), Endpoint: endpoint, RedirectURL: opts.Redirect,
			Scopes: slices.Concat([]string{oidc.ScopeOpenID}, opts.Scopes)},
		verifier:  provider.Verifier(&oidc.Config{ClientID: opts.ClientID, Now: opts.Clock.Now}),
		issuerToo: more.IssuerToo,
	}, nil
}

// attempt is what is kept of a sign-in that was begun. It has secrets in it, and isn't printed.
type attempt struct {
	Issuer                 string
	State, Nonce, Verifier string
	Until                  time.Time
}

// Begin returns the address to send the browser to, and the attempt. The caller keeps the attempt at the server, bound to the browser
// by a cookie, and hands it to Finish once only.
func (o *OIDC) Begin() (address string, kept []byte, err error) {
	a := attempt{Issuer: o.opts.Issuer, Until: o.opts.Clock.Now().Add(attemptTime)}
	for _, s := range []*string{&a.State, &a.Nonce, &a.Verifier} {
		if *s, err = unguessable(o.opts.Random); err != nil {
			return "", nil, err
		}
	}
	if kept, err = json.Marshal(a); err != nil {
		return "", nil, fmt.Errorf("write a begun sign-in: %w", err)
	}
	more := []oauth2.AuthCodeOption{oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)}
	if o.opts.MaxAge > 0 {
		more = append(more, oauth2.SetAuthURLParam("max_age", strconv.Itoa(int(o.opts.MaxAge.Seconds()))))
	}
	return o.oauth.AuthCodeURL(a.State, more...), kept, nil
}

// Finish takes what the browser brought back, asks the other server for the token, and returns whose it is.
func (o *OIDC) Finish(ctx context.Context, kept []byte, answer url.Values) (Identity, error) {
	var a attempt
	if err := json.Unmarshal(kept, &a); err != nil {
		return Identity{}, ErrOIDCState
	}
	if err := o.checkAnswer(a, answer); err != nil {
		return Identity{}, err
	}
	ctx = oidc.ClientContext(ctx, o.opts.Client)
	token, err := o.oauth.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return Identity{}, fmt.Errorf("exchange the code at OIDC issuer %q: %w", o.opts.Issuer, brief(err))
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return Identity{}, fmt.Errorf("exchange the code at OIDC issuer %q: the answer has no id_token", o.opts.Issuer)
	}
	id, err := o.verifier.Verify(ctx, raw)
	if gone := context.Cause(ctx); gone != nil { // while the keys were fetched; the library's error doesn't say
		return Identity{}, fmt.Errorf("check the token of OIDC issuer %q: %w", o.opts.Issuer, gone)
	}
	if err != nil {
		return Identity{}, fmt.Errorf("check the token of OIDC issuer %q: %w: %w", o.opts.Issuer, ErrOIDCToken, brief(err))
	}
	if err := o.checkToken(a, id, token.AccessToken); err != nil {
		return Identity{}, fmt.Errorf("check the token of OIDC issuer %q: %w: %w", o.opts.Issuer, ErrOIDCToken, err)
	}
	return identity(id, o.opts.Issuer)
}

// checkAnswer looks at what came by way of the browser.
func (o *OIDC) checkAnswer(a attempt, answer url.Values) error {
	if subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(a.State)) != 1 || o.opts.Clock.Now().After(a.Until) {
		return ErrOIDCState
	}
	iss := answer.Get("iss")
	if a.Issuer != o.opts.Issuer || iss != o.opts.Issuer && (iss != "" || o.issuerToo) { // one server answers for another
		return fmt.Errorf("%w: it comes from another issuer than was asked", ErrOIDCState)
	}
	if code := answer.Get("error"); code != "" {
		return fmt.Errorf("%w: %.40q", ErrOIDCRefused, code)
	}
	if answer.Get("code") == "" {
		return fmt.Errorf("%w: it has no code", ErrOIDCState)
	}
	return nil
}

// checkToken looks at what the library leaves to its users.
func (o *OIDC) checkToken(a attempt, id *oidc.IDToken, accessToken string) error {
	var c struct {
		Party string `json:"azp"`
	}
	if err := id.Claims(&c); err != nil {
		return brief(err)
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(a.Nonce)) != 1:
		return errors.New("its nonce is that of another sign-in")
	case id.Subject == "":
		return errors.New("it says nobody's name")
	case len(id.Subject) > maxSubject || strings.ContainsFunc(id.Subject, func(r rune) bool { return r < ' ' || r > '~' }):
		return errors.New("it says a name that is none")
	case c.Party != "" && c.Party != o.opts.ClientID, c.Party == "" && len(id.Audience) > 1:
		return errors.New("it was made for another client")
	case id.AccessTokenHash != "" && id.VerifyAccessToken(accessToken) != nil:
		return errors.New("it came with another access token than its own")
	}
	return nil
}
