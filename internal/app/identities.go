package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/auth"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/secret"
)

// Callback is the path that other servers send people back to.
const Callback = "/api/v1/session/identity/callback"

func (a *App) identityProviders() *Noun[backstay.IdentityProvider, *backstay.IdentityProvider] {
	return &Noun[backstay.IdentityProvider, *backstay.IdentityProvider]{app: a, Kind: "identity-provider", Read: backstay.ReadUsers, Manage: backstay.ManageSignIn, anywhere: true,
		name:    func(p *backstay.IdentityProvider) string { return p.Name },
		scope:   func(*backstay.IdentityProvider) backstay.Scope { return backstay.System },
		prepare: prepareIdentityProvider,
		remove:  func(t *task, p *backstay.IdentityProvider) error { return t.tx.DropIdentities(t.ctx, p.ID) },
		show: func(ctx context.Context, t *task, p *backstay.IdentityProvider) {
			p.HasSecret = p.Sealed != ""
			if set, err := t.tx.Settings(ctx); err == nil {
				p.RedirectURL = a.address(set) + Callback
			}
		},
	}
}

func prepareIdentityProvider(t *task, p, old *backstay.IdentityProvider) error {
	given := p.ClientSecret
	p.ClientSecret = "" // so that no event shows it
	if old != nil && p.Issuer != old.Issuer {
		return backstay.Errorf(backstay.Invalid, "the issuer can't be changed: people are known by it").WithHint("Create another identity provider; people link their accounts to it anew.").OnField("issuer")
	}
	if err := p.Check(); err != nil {
		return err
	}
	if len(p.Scopes) == 0 {
		p.Scopes = []string{"email", "profile"}
	}
	mayReachAll := backstay.Decide(t.who, backstay.ManageStorages, backstay.Everywhere, "").Allowed
	p.Local = mayReachAll && (old == nil || old.Local) // as with channels
	if old == nil || p.ClientID != old.ClientID || p.Authority != old.Authority || p.NewAccounts != old.NewAccounts || !slices.Equal(p.Domains, old.Domains) {
		p.SetUpBy = t.who.User
	}
	if given == "" {
		return nil
	}
	var err error
	p.Sealed, err = t.app.seal(identityProviderPlace(p.ID), secret.New(given))
	return err
}

func identityProviderPlace(id string) secret.Place {
	return secret.Place{Table: "identity_providers", Row: id, Column: "sealed"}
}

// address is where people reach the server.
func (a *App) address(set backstay.Settings) string {
	if set.URL != "" {
		return strings.TrimSuffix(set.URL, "/")
	}
	return a.Address()
}

// SignInProvider is an identity provider as somebody sees it who has yet to sign in.
type SignInProvider struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// SignInProviders lists by whose word people can sign in. Everybody may know that.
func (a *App) SignInProviders(ctx context.Context) (all []SignInProvider, err error) {
	err = a.DB.Read(ctx, func(tx *db.Tx) error {
		found, err := db.All[backstay.IdentityProvider](ctx, tx)
		for _, p := range found {
			if !p.Disabled {
				all = append(all, SignInProvider{p.ID, p.Name})
			}
		}
		return err
	})
	if err != nil {
		return nil, explain(err, "identity providers")
	}
	return all, nil
}

// issuersFor is how long is relied on what an issuer has said of itself. Strangers can ask for it, and it is not to be asked each time.
const issuersFor = 5 * time.Minute

// issuers are those that were discovered lately.
type issuers struct {
	mu    sync.Mutex
	known map[string]issuer // by what was known of them then; guarded by mu
}

type issuer struct {
	*auth.OIDC
	until time.Time
}

func (i *issuers) find(key string, now time.Time) *auth.OIDC {
	i.mu.Lock()
	defer i.mu.Unlock()
	if known, ok := i.known[key]; ok && now.Before(known.until) {
		return known.OIDC
	}
	return nil
}

func (i *issuers) keep(key string, o *auth.OIDC, now time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	kept := map[string]issuer{key: {o, now.Add(issuersFor)}}
	for k, v := range i.known {
		if now.Before(v.until) {
			kept[k] = v
		}
	}
	i.known = kept
}

// issuer returns an identity provider that isn't disabled, and what is asked of it.
func (a *App) issuer(ctx context.Context, id string) (p backstay.IdentityProvider, o *auth.OIDC, err error) {
	var opt auth.OIDCOptions
	key := ""
	err = a.DB.Read(ctx, func(tx *db.Tx) error {
		t := &task{app: a, ctx: ctx, tx: tx}
		if p, err = db.Find[backstay.IdentityProvider](ctx, tx, id); err != nil {
			return err
		}
		if p.Disabled {
			return db.ErrNotFound // to people who sign in they are the same
		}
		set, err := tx.Settings(ctx)
		if err != nil {
			return err
		}
		key = fmt.Sprint(p.ID, " ", p.Version, " ", set.Version)
		opt, err = t.oidc(p, set)
		return err
	})
	if err != nil {
		return p, nil, explain(err, "identity provider")
	}
	if o = a.issuers.find(key, a.now()); o != nil {
		return p, o, nil
	}
	if o, err = auth.DiscoverOIDC(ctx, opt); err != nil {
		return p, nil, a.unanswered(ctx, p, err)
	}
	a.issuers.keep(key, o, a.now())
	return p, o, nil
}

// oidc is what a sign-in by an identity provider has to know. A person who signed in there before the time that a confirmation holds here
// is asked to do so again.
func (t *task) oidc(p backstay.IdentityProvider, set backstay.Settings) (opt auth.OIDCOptions, err error) {
	opt = auth.OIDCOptions{Issuer: p.Issuer, ClientID: p.ClientID, Redirect: t.app.address(set) + Callback, Scopes: p.Scopes, MaxAge: set.FreshFor.Duration(),
		Clock: t.app.Clock, Random: t.app.Rand}
	if p.Sealed != "" {
		text, err := t.app.open(identityProviderPlace(p.ID), p.Sealed)
		if err != nil {
			return opt, err
		}
		opt.Secret = auth.Secret(text.Reveal())
	}
	opt.Client, err = t.identityClient(p)
	return opt, err
}

// identityClient asks an identity provider, if whoever set it up may reach it.
func (t *task) identityClient(p backstay.IdentityProvider) (*http.Client, error) {
	g, err := t.guard(p.Local)
	if err != nil {
		return nil, err
	}
	dial := new(net.Dialer).DialContext
	if g != nil {
		dial = g.Dial
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if p.Authority != "" {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM([]byte(p.Authority)) // Check saw to it
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial, TLSClientConfig: config, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10}}, nil
}

// unanswered says that an identity provider doesn't do its part. Why is for the log: it may tell strangers of the network here.
func (a *App) unanswered(ctx context.Context, p backstay.IdentityProvider, err error) error {
	if ctx.Err() != nil {
		return explain(context.Cause(ctx), "sign-in")
	}
	a.Log.WarnContext(ctx, "an identity provider does not answer as it should", "identity_provider", p.Name, "error", err)
	return backstay.Errorf(backstay.Conflict, "%q does not answer as it should", p.Name).WithHint("Sign in in another way, or tell an administrator: the log of the server has the reason.")
}
