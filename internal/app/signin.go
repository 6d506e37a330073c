package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/auth"
	"github.com/backstay/backstay/internal/db"
)

// How long things of signing in hold.
const (
	pendingFor     = 10 * time.Minute    // the second factor has to come by then
	familiarFor    = 90 * 24 * time.Hour // an address is a person's own so long after they signed in from it
	touchEvery     = time.Minute         // how exactly the last use of a session and a token is known
	invitationFor  = 7 * 24 * time.Hour  // an invitation is accepted by then
	attemptsForget = 7 * 24 * time.Hour  // failed tries older than any limit
)

// errSignIn is the same whatever was wrong, so that nobody learns which accounts there are.
func errSignIn() error {
	return marked("sign-in-failed", backstay.Errorf(backstay.SignIn, "e-mail address, password or code are not right").
		WithHint("Check them and try again. An administrator can help with a lost password."))
}

// Credentials are what somebody signs in with.
type Credentials struct {
	Email    string
	Password string
	Code     string // of an authenticator app, or a recovery code; "" asks whether one is needed
}

// SignedIn is a new session.
type SignedIn struct {
	Session backstay.Session
	User    backstay.User
	Ticket  auth.Secret // what the browser shows from now on
}

// NeedsCode reports whether the second factor has yet to be shown.
func (s SignedIn) NeedsCode() bool { return s.Session.Pending }

// SignIn begins a session by e-mail address and password. Where the person has a second factor and gave no code the session is pending.
func (a *App) SignIn(ctx context.Context, from backstay.Origin, c Credentials) (SignedIn, error) {
	user, hash, err := a.takeTry(ctx, from, c.Email)
	if err != nil {
		return SignedIn{}, err
	}
	ok := false
	if hash == "" {
		err = a.Hasher.Burn(ctx, c.Password)
	} else {
		ok, _, err = a.Hasher.Verify(ctx, c.Password, auth.Secret(hash))
	}
	if err != nil {
		return SignedIn{}, explain(err, "password")
	}
	if !ok || user.Disabled {
		a.note(ctx, from, user, "auth.sign-in", backstay.ResultFailed, "wrong password, or no such account: "+c.Email)
		return SignedIn{}, errSignIn()
	}
	if err := a.untakeTry(ctx, from, c.Email); err != nil {
		return SignedIn{}, err
	}
	if !user.MFA {
		return a.begin(ctx, from, user, "password", false, false)
	}
	if c.Code == "" {
		return a.begin(ctx, from, user, "password", false, true)
	}
	if err := a.checkCode(ctx, from, user, c.Code); err != nil {
		return SignedIn{}, err
	}
	return a.begin(ctx, from, user, "password", true, false)
}

// SecondFactor ends a pending session and begins a real one, with a new ticket.
func (a *App) SecondFactor(ctx context.Context, from backstay.Origin, ticket, code string) (SignedIn, error) {
	pending, user, err := a.session(ctx, ticket)
	if err != nil || !pending.Pending || user.Disabled || !a.now().Before(pending.ExpiresAt) {
		return SignedIn{}, errSignIn()
	}
	if err := a.checkCode(ctx, from, user, code); err != nil {
		return SignedIn{}, err
	}
	if err := a.DB.Write(ctx, func(tx *db.Tx) error { return db.Delete[backstay.Session](ctx, tx, pending.ID) }); err != nil {
		return SignedIn{}, explain(err, "session")
	}
	return a.begin(ctx, from, user, "password", true, false)
}

// takeTry counts a try before the password is looked at, and returns whose account it is: nobody's for an address that is unknown.
func (a *App) takeTry(ctx context.Context, from backstay.Origin, email string) (user backstay.User, hash string, err error) {
	err = a.DB.Write(ctx, func(tx *db.Tx) error {
		user, err = db.FindUser(ctx, tx, email)
		if err != nil && !errors.Is(err, db.ErrNotFound) {
			return err
		}
		if err == nil {
			f, ferr := db.FindFactor(ctx, tx, user.ID, backstay.FactorPassword)
			if ferr != nil && !errors.Is(ferr, db.ErrNotFound) {
				return ferr
			}
			hash = f.Value
		}
		return a.tries(ctx, tx, from, email, user.ID, func(t auth.Tries) (auth.Tries, error) {
			counted, next, ok := t.Take(a.now())
			if !ok {
				return t, tooMany(next.Sub(a.now()))
			}
			return counted, nil
		})
	})
	var many *backstay.Error
	if errors.As(err, &many) {
		a.note(ctx, from, user, "auth.locked", backstay.ResultDenied, "too many tries: "+email)
		return user, "", many
	}
	if err != nil {
		return user, "", explain(err, "account")
	}
	return user, hash, nil
}

func tooMany(wait time.Duration) error {
	return backstay.Errorf(backstay.TooMany, "too many tries").WithHint(fmt.Sprintf("Try again in %v.", wait.Round(time.Second)+time.Second))
}

// untakeTry takes back the try that was counted beforehand, since it was right.
func (a *App) untakeTry(ctx context.Context, from backstay.Origin, email string) error {
	err := a.DB.Write(ctx, func(tx *db.Tx) error {
		user, err := db.FindUser(ctx, tx, email)
		if err != nil {
			return err
		}
		return a.tries(ctx, tx, from, email, user.ID, func(t auth.Tries) (auth.Tries, error) { return t.Succeed(), nil })
	})
	if err != nil {
		return explain(err, "account")
	}
	return nil
}

// tries loads what was counted for a person and an address, and saves what change makes of it.
func (a *App) tries(ctx context.Context, tx *db.Tx, from backstay.Origin, email, user string, change func(auth.Tries) (auth.Tries, error)) error {
	address := from.IP
	if ip, err := netip.ParseAddr(from.IP); err == nil {
		address = auth.AddressKey(ip)
	}
	var t auth.Tries
	var err error
	if user != "" {
		if t.Familiar, err = tx.SignedInFrom(ctx, user, from.IP, a.now().Add(-familiarFor)); err != nil {
			return err
		}
	}
	account := "account:strange:"
	if t.Familiar {
		account = "account:familiar:"
	}
	email = strings.ToLower(email)
	kept := []struct {
		id       string
		failures *auth.Failures
	}{{"pair:" + email + " " + address, &t.Pair}, {account + email, &t.Account}, {"address:" + address, &t.Address}}
	for _, k := range kept {
		found, err := tx.Attempts(ctx, k.id)
		if err != nil {
			return err
		}
		*k.failures = auth.Failures{Count: found.Failures, Last: found.LastAt}
	}
	if t, err = change(t); err != nil {
		return err
	}
	for _, k := range kept {
		if err := tx.SaveAttempts(ctx, db.Attempt{ID: k.id, Failures: k.failures.Count, LastAt: k.failures.Last.UTC()}); err != nil {
			return err
		}
	}
	return nil
}

// begin makes a session.
func (a *App) begin(ctx context.Context, from backstay.Origin, user backstay.User, method string, mfa, pending bool) (SignedIn, error) {
	ticket, digest, err := auth.NewTicket(a.Rand, auth.Session)
	if err != nil {
		return SignedIn{}, explain(err, "session")
	}
	s := backstay.Session{User: user.ID, Method: method, MFA: mfa, IP: from.IP, UserAgent: from.UserAgent, Pending: pending, Hash: string(digest)}
	err = a.DB.Write(ctx, func(tx *db.Tx) error {
		set, err := tx.Settings(ctx)
		if err != nil {
			return err
		}
		a.stamp(s.Base())
		s.LastUsedAt, s.ExpiresAt, s.FreshUntil = s.CreatedAt, s.CreatedAt.Add(set.SessionMax.Duration()), s.CreatedAt
		if pending {
			s.ExpiresAt = s.CreatedAt.Add(pendingFor)
			return db.Insert(ctx, tx, &s)
		}
		s.FreshUntil = s.CreatedAt.Add(set.FreshFor.Duration())
		if err := db.Insert(ctx, tx, &s); err != nil {
			return err
		}
		user.LastSeenAt = &s.CreatedAt
		if err := tx.SeenUser(ctx, user.ID, s.CreatedAt); err != nil {
			return err
		}
		t := a.task(ctx, backstay.Actor{Kind: backstay.ActorUser, User: user.ID, Name: user.Name, Method: method, MFA: mfa, From: from}, "auth.sign-in")
		t.tx = tx
		t.on("session", s.ID, "")
		return t.log(backstay.ResultAllowed, "")
	})
	if err != nil {
		return SignedIn{}, explain(err, "session")
	}
	return SignedIn{Session: s, User: user, Ticket: ticket}, nil
}

// note writes an event that belongs to no use case. It can't fail the answer that it is about: a person who may not sign in may
// not do so either where the trail can't be written; the failure goes to the log.
func (a *App) note(ctx context.Context, from backstay.Origin, user backstay.User, action string, result backstay.Result, reason string) {
	who := backstay.Actor{Kind: backstay.ActorNobody, User: user.ID, Name: user.Name, From: from}
	t := a.task(ctx, who, action)
	err := a.DB.Write(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		t.tx = tx
		return t.log(result, reason)
	})
	if err != nil {
		a.Log.ErrorContext(ctx, "write audit event", "action", action, "error", err)
	}
}

// session finds what a browser shows.
func (a *App) session(ctx context.Context, ticket string) (s backstay.Session, user backstay.User, err error) {
	err = a.DB.Read(ctx, func(tx *db.Tx) error {
		if s, err = db.FindBy[backstay.Session](ctx, tx, "hash", string(auth.DigestTicket(ticket, auth.Session))); err != nil {
			return err
		}
		user, err = db.Find[backstay.User](ctx, tx, s.User)
		return err
	})
	return s, user, err
}

// ActorOfSession returns who a browser acts for by the ticket it shows; nobody if the session is over.
func (a *App) ActorOfSession(ctx context.Context, ticket string, from backstay.Origin) (backstay.Actor, error) {
	nobody := backstay.Actor{Kind: backstay.ActorNobody, From: from}
	var s backstay.Session
	var user backstay.User
	var rights []backstay.Right
	var set backstay.Settings
	err := a.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if s, err = db.FindBy[backstay.Session](ctx, tx, "hash", string(auth.DigestTicket(ticket, auth.Session))); err != nil {
			return err
		}
		if user, err = db.Find[backstay.User](ctx, tx, s.User); err != nil {
			return err
		}
		if set, err = tx.Settings(ctx); err != nil {
			return err
		}
		rights, err = tx.Rights(ctx, user.ID)
		return err
	})
	now := a.now()
	switch {
	case errors.Is(err, db.ErrNotFound):
		return nobody, nil
	case err != nil:
		return nobody, explain(err, "session")
	case s.Pending, user.Disabled, !now.Before(s.ExpiresAt), now.Sub(s.LastUsedAt) >= set.SessionIdle.Duration():
		return nobody, nil
	}
	if (now.Sub(s.LastUsedAt) >= touchEvery || s.IP != from.IP) && a.touched.first(s.ID+from.IP, now) {
		s.LastUsedAt, s.IP = now, from.IP
		if err := a.DB.Write(ctx, func(tx *db.Tx) error { return tx.TouchSession(ctx, s) }); err != nil {
			return nobody, explain(err, "session")
		}
	}
	return backstay.Actor{Kind: backstay.ActorUser, User: user.ID, Name: user.Name, Session: s.ID, Rights: rights, Fresh: now.Before(s.FreshUntil),
		MFA: s.MFA, Method: s.Method, Limited: !s.MFA && demandsMFA(set, rights), From: from}, nil
}

// demandsMFA reports whether one of the roles is one that needs a second factor.
func demandsMFA(set backstay.Settings, rights []backstay.Right) bool {
	for _, right := range rights {
		for _, role := range set.MFARoles {
			if right.Role.ID == string(role) && right.Effect == backstay.Allow {
				return true
			}
		}
	}
	return false
}

// ActorOfToken returns who a program acts for by the API token it shows; nobody if it is not or no longer good.
func (a *App) ActorOfToken(ctx context.Context, text string, from backstay.Origin) (backstay.Actor, error) {
	nobody := backstay.Actor{Kind: backstay.ActorNobody, From: from}
	digest, err := auth.ReadToken(text)
	if err != nil {
		return nobody, nil
	}
	var token backstay.Token
	var user backstay.User
	var rights []backstay.Right
	err = a.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if token, err = db.FindBy[backstay.Token](ctx, tx, "hash", string(digest)); err != nil {
			return err
		}
		if user, err = db.Find[backstay.User](ctx, tx, token.User); err != nil {
			return err
		}
		rights, err = tx.Rights(ctx, user.ID)
		return err
	})
	now := a.now()
	switch {
	case errors.Is(err, db.ErrNotFound):
		return nobody, nil
	case err != nil:
		return nobody, explain(err, "token")
	case user.Disabled, !now.Before(token.ExpiresAt):
		return nobody, nil
	}
	if (token.LastUsedAt == nil || now.Sub(*token.LastUsedAt) >= touchEvery) && a.touched.first(token.ID, now) {
		first := token.LastUsedAt == nil
		token.LastUsedAt, token.LastUsedIP = &now, from.IP
		if err := a.DB.Write(ctx, func(tx *db.Tx) error { return tx.TouchToken(ctx, token) }); err != nil {
			return nobody, explain(err, "token")
		}
		if first {
			a.note(ctx, from, user, "auth.token-first-used", backstay.ResultAllowed, token.Name)
		}
	}
	return backstay.Actor{Kind: backstay.ActorToken, User: user.ID, Name: user.Name, Token: &token, Rights: rights, Method: "token", From: from}, nil
}
