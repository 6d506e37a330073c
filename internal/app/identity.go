package app

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/auth"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/notify"
)

// How people sign in by the word of another server, and what of its word is believed:
//
//   - Who they are it says by its issuer and subject together. The account that is linked to these is theirs; the address counts for nothing.
//   - An account is linked by the person in it, who confirmed just now that it is them.
//   - By an address that the other server has verified, and that is of a domain that counts, two sorts of accounts are linked at the first
//     sign-in: one that nobody has used yet, without a password or any other factor, as an invited person's is; and a new one, where the
//     identity provider makes such. An account in use never is: whoever gets the address, there or here, would get the account.
//   - An unused account may have rights. It is linked only if whoever set the identity provider up has all of them, as for an invitation.
//   - Second factors of the other server are not believed (amr, acr): who has one here shows it, and who needs one sets it up first.
//   - A sign-in there counts as a confirmation for as long as one here, from when it was made if the other server tells that.

// byIdentity is why the state of such a sign-in is kept.
const byIdentity = "identity"

// begun is what is kept of it until the browser comes back. The cookie of the session doesn't come with a page of another server, so who
// links their account stands here.
type begun struct {
	Provider      string
	Attempt       []byte
	User, Session string // "" for a sign-in
}

// Redirect is where a browser is sent, and what it shows when it is back.
type Redirect struct {
	Address string
	Ticket  auth.Secret // in a cookie
	Until   time.Time
}

// BeginIdentitySignIn sends somebody's browser to an identity provider to sign in.
func (a *App) BeginIdentitySignIn(ctx context.Context, provider string) (r Redirect, err error) {
	_, o, err := a.issuer(ctx, provider)
	if err != nil {
		return r, err
	}
	err = a.DB.Write(ctx, func(tx *db.Tx) error {
		r, err = a.sendOff(ctx, tx, o, begun{Provider: provider})
		return err
	})
	if err != nil {
		return r, explain(err, "sign-in")
	}
	return r, nil
}

// BeginIdentity sends the actor's browser to an identity provider to link the account.
func (a *App) BeginIdentity(ctx context.Context, who backstay.Actor, provider string) (r Redirect, err error) {
	const action, what = "auth.identity-begun", "link your account"
	if err := a.look(ctx, who, action, func(t *task) error { return t.ownFresh(what) }); err != nil {
		return r, err
	}
	p, o, err := a.issuer(ctx, provider)
	if err != nil {
		return r, err
	}
	err = a.change(ctx, who, action, func(t *task) error {
		t.on(a.IdentityProviders.Kind, p.ID, p.Name)
		if err := t.ownFresh(what); err != nil {
			return err
		}
		r, err = a.sendOff(ctx, t.tx, o, begun{Provider: provider, User: who.User, Session: who.Session})
		return err
	})
	return r, err
}

// sendOff keeps what has to be remembered until the browser comes back.
func (a *App) sendOff(ctx context.Context, tx *db.Tx, o *auth.OIDC, b begun) (r Redirect, err error) {
	if r.Address, b.Attempt, err = o.Begin(); err != nil {
		return r, err
	}
	ticket, digest, err := auth.NewTicket(a.Rand, auth.Ceremony)
	if err != nil {
		return r, err
	}
	text, err := json.Marshal(b)
	if err != nil {
		return r, err
	}
	r.Ticket, r.Until = ticket, a.now().Add(pendingFor)
	return r, tx.SaveCeremony(ctx, string(digest), byIdentity, string(text), r.Until)
}

// Returned is what came of it once the browser is back: a session, or a factor by which the person can sign in from now on.
type Returned struct {
	SignedIn *SignedIn
	Linked   *backstay.Factor
}

// FinishIdentity takes what a browser brought back from an identity provider.
func (a *App) FinishIdentity(ctx context.Context, from backstay.Origin, ticket string, answer url.Values) (r Returned, err error) {
	b, err := a.begun(ctx, ticket)
	if err != nil {
		return r, err
	}
	p, o, err := a.issuer(ctx, b.Provider)
	if err != nil {
		return r, err
	}
	id, err := o.Finish(ctx, b.Attempt, answer)
	if err != nil {
		return r, a.unproven(ctx, from, p, err)
	}
	if b.User != "" {
		f, err := a.linkIdentity(ctx, from, b, p, id)
		return Returned{Linked: &f}, err
	}
	u, err := a.identified(ctx, from, p, id)
	if err != nil {
		return r, err
	}
	in, err := a.begin(ctx, from, u, proof{method: "oidc", pending: u.MFA, at: id.At})
	return Returned{SignedIn: &in}, err
}

// begun returns what was kept, once: also a wrong answer uses it up.
func (a *App) begun(ctx context.Context, ticket string) (b begun, err error) {
	err = a.DB.Write(ctx, func(tx *db.Tx) error {
		text, err := tx.TakeCeremony(ctx, string(auth.DigestTicket(ticket, auth.Ceremony)), byIdentity, a.now())
		if err != nil {
			return err
		}
		return json.Unmarshal([]byte(text), &b)
	})
	if errors.Is(err, db.ErrNotFound) {
		return b, errBeginAgain()
	}
	if err != nil {
		return b, explain(err, "sign-in")
	}
	return b, nil
}

func errBeginAgain() error {
	return marked("sign-in-failed", backstay.Errorf(backstay.SignIn, "this sign-in was not begun in this browser, or too long ago").WithHint("Begin again, and come back within ten minutes."))
}

// unproven says why another server's word isn't taken. What it answered is for the trail and the log.
func (a *App) unproven(ctx context.Context, from backstay.Origin, p backstay.IdentityProvider, err error) error {
	reason := p.Name + ": "
	var answer error
	switch {
	case errors.Is(err, auth.ErrOIDCState):
		reason, answer = reason+"the answer to another question", errBeginAgain()
	case errors.Is(err, auth.ErrOIDCRefused):
		reason, answer = reason+"refused there", marked("sign-in-failed", backstay.Errorf(backstay.SignIn, "%q refused the sign-in", p.Name).WithHint("Begin again. If it happens again, ask who looks after that server."))
	case errors.Is(err, auth.ErrOIDCToken):
		a.Log.WarnContext(ctx, "the token of an identity provider proves nothing", "identity_provider", p.Name, "error", err)
		reason, answer = reason+"its token proves nothing", marked("sign-in-failed", backstay.Errorf(backstay.SignIn, "what %q says proves nothing", p.Name).WithHint("Begin again. If it happens again, tell an administrator: the log of the server has the reason."))
	default:
		return a.unanswered(ctx, p, err)
	}
	a.note(ctx, from, backstay.User{}, "auth.sign-in", backstay.ResultFailed, reason)
	return answer
}

// lookup is how an identity is found. No issuer has a space in it.
func lookup(id auth.Identity) string { return id.Issuer + " " + id.Subject }

// identified returns whose account it is: the one that is linked, or one that is linked now.
func (a *App) identified(ctx context.Context, from backstay.Origin, p backstay.IdentityProvider, id auth.Identity) (u backstay.User, err error) {
	err = a.DB.Write(ctx, func(tx *db.Tx) error {
		f, err := db.FindBy[backstay.Factor](ctx, tx, "lookup", lookup(id))
		if err != nil {
			return err
		}
		if u, err = db.Find[backstay.User](ctx, tx, f.User); err != nil {
			return err
		}
		now := a.now()
		f.LastUsedAt, f.UpdatedAt = &now, now
		return db.Update(ctx, tx, &f)
	})
	switch {
	case errors.Is(err, db.ErrNotFound):
		return a.firstTime(ctx, from, p, id)
	case err != nil:
		return u, explain(err, "account")
	case u.Disabled:
		a.note(ctx, from, u, "auth.sign-in", backstay.ResultFailed, p.Name+": the account is disabled")
		return u, errUnlinked(p)
	}
	return u, nil
}

// errUnlinked is the same whether there is an account with the address or not.
func errUnlinked(p backstay.IdentityProvider) error {
	return marked("sign-in-failed", backstay.Errorf(backstay.SignIn, "no account here is linked to yours at %q", p.Name).
		WithHint("If you have an account here, sign in as you always do, then link it in your profile. Else ask an administrator to invite you."))
}

// firstTime links an identity that nobody has, by the rules above.
func (a *App) firstTime(ctx context.Context, from backstay.Origin, p backstay.IdentityProvider, id auth.Identity) (u backstay.User, err error) {
	who := backstay.Actor{Kind: backstay.ActorNobody, Name: id.Email, Method: "oidc", From: from}
	err = a.change(ctx, who, "auth.identity-linked", func(t *task) error {
		t.asked = true // by the rules above
		t.event.Reason = "at the first sign-in by " + p.Name
		if u, err = t.propose(p, id); err != nil {
			return err
		}
		t.on("user", u.ID, u.Name)
		if err := t.tx.EndLinks(ctx, u.ID); err != nil { // the invitation is accepted
			return err
		}
		_, err = t.link(u.ID, p, id)
		return err
	})
	if e := explain(err, "account"); err != nil && e.Kind == backstay.SignIn {
		a.note(ctx, from, backstay.User{}, "auth.sign-in", backstay.ResultFailed, p.Name+": no account is linked: "+notify.Cut(strings.ToValidUTF8(id.Email, ""), 254))
	}
	return u, err
}

// propose returns the account that somebody gets for their address: an unused one, or a new one.
func (t *task) propose(p backstay.IdentityProvider, id auth.Identity) (u backstay.User, err error) {
	if !id.Verified || !p.Covers(id.Email) {
		return u, errUnlinked(p)
	}
	if u, err = db.FindUser(t.ctx, t.tx, id.Email); err == nil {
		return u, t.unused(u, p)
	}
	if !errors.Is(err, db.ErrNotFound) {
		return u, err
	}
	if !p.NewAccounts {
		return u, errUnlinked(p)
	}
	u = backstay.User{Name: properName(id), Email: id.Email}
	t.app.stamp(u.Base())
	if err := u.Check(); err != nil {
		return u, errUnlinked(p)
	}
	t.event.Action = "user.created"
	return u, errors.Join(db.Insert(t.ctx, t.tx, &u), t.changed(nil, u))
}

// unused refuses an account that somebody uses, and one that may more than whoever set the identity provider up.
func (t *task) unused(u backstay.User, p backstay.IdentityProvider) error {
	factors, err := db.Count[backstay.Factor](t.ctx, t.tx, db.Condition{Column: "user", Op: db.Is, Value: u.ID})
	if err != nil {
		return err
	}
	ok, err := t.vouches(p.SetUpBy, u.ID)
	if err == nil && (u.Disabled || u.LastSeenAt != nil || factors > 0 || !ok) {
		err = errUnlinked(p)
	}
	return err
}

// properName is what somebody is called in another server's word, as far as it can be a name here.
func properName(id auth.Identity) string {
	name := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(id.Name, ""))
	name = strings.TrimSpace(notify.Cut(name, 100))
	if name == "" {
		return notify.Cut(id.Email, 100)
	}
	return name
}

// link adds an identity to an account.
func (t *task) link(user string, p backstay.IdentityProvider, id auth.Identity) (backstay.Factor, error) {
	f := backstay.Factor{User: user, Kind: backstay.FactorOIDC, Name: p.Name, Lookup: lookup(id), Value: p.ID, Confirmed: true}
	t.app.stamp(f.Base())
	err := db.Insert(t.ctx, t.tx, &f)
	if errors.Is(err, db.ErrTaken) {
		err = backstay.Errorf(backstay.Conflict, "this account at %q is linked already, to you or to somebody else", p.Name).WithHint("Use another one there, or unlink it first where it is linked.")
	}
	return f, err
}

// linkIdentity links the account of whoever began it, if their session is still there.
func (a *App) linkIdentity(ctx context.Context, from backstay.Origin, b begun, p backstay.IdentityProvider, id auth.Identity) (f backstay.Factor, err error) {
	who, err := a.actorOf(ctx, b.Session, from)
	if err != nil {
		return f, err
	}
	err = a.change(ctx, who, "auth.identity-linked", func(t *task) error {
		if err := t.person("link your account"); err != nil { // they confirmed it when they began
			return err
		}
		f, err = t.link(b.User, p, id)
		t.on("factor", f.ID, f.Name)
		return err
	})
	return f, err
}

// actorOf returns who a session is; nobody if it is over.
func (a *App) actorOf(ctx context.Context, session string, from backstay.Origin) (who backstay.Actor, err error) {
	who = backstay.Actor{Kind: backstay.ActorNobody, From: from}
	err = a.DB.Read(ctx, func(tx *db.Tx) error {
		s, err := db.Find[backstay.Session](ctx, tx, session)
		if err != nil {
			return err
		}
		u, err := db.Find[backstay.User](ctx, tx, s.User)
		if err == nil && !s.Pending && !u.Disabled && a.now().Before(s.ExpiresAt) {
			who = backstay.Actor{Kind: backstay.ActorUser, User: u.ID, Name: u.Name, Session: s.ID, MFA: s.MFA, Method: s.Method, From: from}
		}
		return err
	})
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return who, explain(err, "session")
	}
	return who, nil
}
