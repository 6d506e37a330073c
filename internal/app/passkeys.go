package app

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/auth"
	"github.com/backstay/backstay/internal/db"
)

// ceremonyFor is how long the two steps of a passkey may be apart.
const ceremonyFor = 5 * time.Minute

// Why the state of a ceremony is kept. One that was begun for one thing is of no use for another.
const (
	toRegister = "passkey: register for "
	toSignIn   = "passkey: sign in"
	toConfirm  = "passkey: confirm for "
)

// Question is what a browser asks a passkey, and what it shows when it comes back with the answer.
type Question struct {
	Options []byte      // JSON for navigator.credentials
	Ticket  auth.Secret // in a cookie
	Until   time.Time
}

// passkeys are those of the address that people reach the server by.
func (a *App) passkeys(ctx context.Context) (*auth.Passkeys, error) {
	var set backstay.Settings
	err := a.DB.Read(ctx, func(tx *db.Tx) (err error) {
		set, err = tx.Settings(ctx)
		return err
	})
	if err != nil {
		return nil, explain(err, "settings")
	}
	address := set.URL
	if address == "" {
		address = a.Address()
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, explain(err, "address of the server")
	}
	keys, err := auth.NewPasskeys(u.Hostname(), set.Name, []string{u.Scheme + "://" + u.Host}, a.Clock)
	if err != nil {
		return nil, backstay.Errorf(backstay.Conflict, "passkeys need a name to reach the server by: %w", err).WithHint("Set the address of the server in its settings.")
	}
	return keys, nil
}

// ask keeps what a ceremony has to remember.
func (a *App) ask(ctx context.Context, tx *db.Tx, kind string, options, session []byte) (q Question, err error) {
	ticket, digest, err := auth.NewTicket(a.Rand, auth.Ceremony)
	if err != nil {
		return q, err
	}
	q = Question{Options: options, Ticket: ticket, Until: a.now().Add(ceremonyFor)}
	return q, tx.SaveCeremony(ctx, string(digest), kind, string(session), q.Until)
}

// answered returns what was kept of a ceremony, once: also a wrong answer uses it up.
func (a *App) answered(ctx context.Context, kind, ticket string) (session string, err error) {
	err = a.DB.Write(ctx, func(tx *db.Tx) error {
		session, err = tx.TakeCeremony(ctx, string(auth.DigestTicket(ticket, auth.Ceremony)), kind, a.now())
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return "", backstay.Errorf(backstay.SignIn, "the passkey was not asked for, or too long ago").WithHint("Begin again.")
	}
	if err != nil {
		return "", explain(err, "passkey")
	}
	return session, nil
}

// passkeyUser is a person with their passkeys.
func passkeyUser(ctx context.Context, tx *db.Tx, id string) (u backstay.User, p auth.PasskeyUser, err error) {
	if u, err = db.Find[backstay.User](ctx, tx, id); err != nil {
		return u, p, err
	}
	p = auth.PasskeyUser{Handle: []byte(u.ID), Name: u.Email, FullName: u.Name}
	all, err := db.All[backstay.Factor](ctx, tx, db.Condition{Column: "user", Op: db.Is, Value: u.ID})
	for _, f := range all {
		if f.Kind == backstay.FactorPasskey {
			p.Passkeys = append(p.Passkeys, []byte(f.Value))
		}
	}
	return u, p, err
}

// BeginPasskey asks the actor's browser for a new passkey.
func (a *App) BeginPasskey(ctx context.Context, who backstay.Actor) (q Question, err error) {
	keys, err := a.passkeys(ctx)
	if err != nil {
		return q, err
	}
	err = a.change(ctx, who, "auth.passkey-begun", func(t *task) error {
		if err := t.ownFresh("add a passkey"); err != nil {
			return err
		}
		_, p, err := passkeyUser(ctx, t.tx, who.User)
		if err != nil {
			return err
		}
		options, session, err := keys.BeginRegister(p)
		if err != nil {
			return err
		}
		q, err = a.ask(ctx, t.tx, toRegister+who.User, options, session)
		return err
	})
	return q, err
}

// FinishPasskey adds the passkey that the browser made. A passkey is two factors, so that the session has a second one from now on. Who
// has no recovery codes yet gets some, for the day on which the device is lost.
func (a *App) FinishPasskey(ctx context.Context, who backstay.Actor, ticket, name string, answer []byte) (f backstay.Factor, codes []auth.Secret, err error) {
	const action = "auth.mfa-added"
	if err := a.look(ctx, who, action, func(t *task) error { return t.ownFresh("add a passkey") }); err != nil {
		return f, nil, err
	}
	keys, err := a.passkeys(ctx)
	if err != nil {
		return f, nil, err
	}
	session, err := a.answered(ctx, toRegister+who.User, ticket)
	if err != nil {
		return f, nil, err
	}
	err = a.change(ctx, who, action, func(t *task) error {
		if err := t.ownFresh("add a passkey"); err != nil {
			return err
		}
		_, p, err := passkeyUser(ctx, t.tx, who.User)
		if err != nil {
			return err
		}
		key, err := keys.FinishRegister(p, []byte(session), answer)
		if err != nil {
			return backstay.Errorf(backstay.Invalid, "%w", err).OnField("answer")
		}
		f = backstay.Factor{User: who.User, Kind: backstay.FactorPasskey, Name: name, Lookup: key.ID, Value: string(key.Record), Confirmed: true}
		a.stamp(f.Base())
		t.on("factor", f.ID, f.Name)
		if err := db.Insert(ctx, t.tx, &f); err != nil {
			return err
		}
		if _, err = db.FindFactor(ctx, t.tx, who.User, backstay.FactorRecovery); errors.Is(err, db.ErrNotFound) {
			codes, err = t.newRecoveryCodes()
		}
		if err != nil {
			return err
		}
		return t.tx.SetMFA(ctx, who.User, true, who.Session)
	})
	return f, codes, err
}

// BeginPasskeySignIn asks the browser of somebody for any passkey of this server.
func (a *App) BeginPasskeySignIn(ctx context.Context) (q Question, err error) {
	keys, err := a.passkeys(ctx)
	if err != nil {
		return q, err
	}
	options, session, err := keys.BeginDiscover()
	if err == nil {
		err = a.DB.Write(ctx, func(tx *db.Tx) error {
			q, err = a.ask(ctx, tx, toSignIn, options, session)
			return err
		})
	}
	if err != nil {
		return q, explain(err, "passkey")
	}
	return q, nil
}

// FinishPasskeySignIn begins a session for whoever the passkey belongs to.
func (a *App) FinishPasskeySignIn(ctx context.Context, from backstay.Origin, ticket string, answer []byte) (SignedIn, error) {
	keys, err := a.passkeys(ctx)
	if err != nil {
		return SignedIn{}, err
	}
	session, err := a.answered(ctx, toSignIn, ticket)
	if err != nil {
		return SignedIn{}, err
	}
	var u backstay.User
	err = a.DB.Write(ctx, func(tx *db.Tx) error {
		key, err := keys.FinishDiscover([]byte(session), answer, func(handle []byte) (p auth.PasskeyUser, err error) {
			u, p, err = passkeyUser(ctx, tx, string(handle))
			return p, err
		})
		if err != nil {
			return err
		}
		return (&task{app: a, ctx: ctx, tx: tx}).usedPasskey(key)
	})
	switch {
	case isRefused(err) || errors.Is(err, db.ErrNotFound) || err == nil && u.Disabled:
		a.note(ctx, from, u, "auth.sign-in", backstay.ResultFailed, "a passkey that proves nothing")
		return SignedIn{}, errSignIn()
	case err != nil:
		return SignedIn{}, explain(err, "passkey")
	}
	return a.begin(ctx, from, u, proof{method: "passkey", mfa: true})
}

// BeginPasskeyConfirm asks the actor's browser for one of their passkeys, to confirm that it is them.
func (a *App) BeginPasskeyConfirm(ctx context.Context, who backstay.Actor) (q Question, err error) {
	const action = "auth.confirmed"
	keys, err := a.passkeys(ctx)
	if err != nil {
		return q, err
	}
	var p auth.PasskeyUser
	err = a.look(ctx, who, action, func(t *task) error {
		if err := t.person("confirm"); err != nil {
			return err
		}
		if _, p, err = passkeyUser(ctx, t.tx, who.User); err == nil && len(p.Passkeys) == 0 {
			err = backstay.Errorf(backstay.Conflict, "you have no passkey").WithHint("Confirm by a code of your authenticator app, or by your password.")
		}
		return err
	})
	if err != nil {
		return q, err
	}
	options, session, err := keys.BeginSignIn(p)
	if err == nil {
		err = a.DB.Write(ctx, func(tx *db.Tx) error {
			q, err = a.ask(ctx, tx, toConfirm+who.User, options, session)
			return err
		})
	}
	if err != nil {
		return q, explain(err, "passkey")
	}
	return q, nil
}

// FinishPasskeyConfirm makes the sign-in fresh, by the answer of one of the actor's passkeys.
func (a *App) FinishPasskeyConfirm(ctx context.Context, who backstay.Actor, ticket string, answer []byte) error {
	const action = "auth.confirmed"
	if err := a.look(ctx, who, action, func(t *task) error { return t.person("confirm") }); err != nil {
		return err
	}
	keys, err := a.passkeys(ctx)
	if err != nil {
		return err
	}
	session, err := a.answered(ctx, toConfirm+who.User, ticket)
	if err != nil {
		return err
	}
	err = a.change(ctx, who, action, func(t *task) error {
		if err := t.person("confirm"); err != nil {
			return err
		}
		_, p, err := passkeyUser(ctx, t.tx, who.User)
		if err != nil {
			return err
		}
		key, err := keys.FinishSignIn(p, []byte(session), answer)
		if err != nil {
			return err
		}
		if err := t.usedPasskey(key); err != nil {
			return err
		}
		return t.freshen()
	})
	if isRefused(err) {
		a.note(ctx, who.From, backstay.User{Record: backstay.Record{ID: who.User}, Name: who.Name}, "auth.confirm", backstay.ResultFailed, "a passkey that proves nothing")
		return backstay.Errorf(backstay.SignIn, "the passkey is not right").WithHint("Begin again, with a passkey of your own account.").OnField("answer")
	}
	return err
}

// usedPasskey stores a passkey anew, as each use changes it.
func (t *task) usedPasskey(key auth.Passkey) error {
	f, err := db.FindBy[backstay.Factor](t.ctx, t.tx, "lookup", key.ID)
	if err != nil {
		return err
	}
	now := t.app.now()
	f.Value, f.LastUsedAt, f.UpdatedAt = string(key.Record), &now, now
	return db.Update(t.ctx, t.tx, &f)
}

// isRefused reports whether the answer of a passkey proves nothing.
func isRefused(err error) bool {
	return errors.Is(err, auth.ErrPasskeyRefused) || errors.Is(err, auth.ErrPasskeyExpired) || errors.Is(err, auth.ErrPasskeyCloned)
}
