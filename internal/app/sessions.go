package app

import (
	"context"
	"errors"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/auth"
	"github.com/backstay/backstay/internal/db"
)

// limitAddress refuses an address that has guessed too often.
func (a *App) limitAddress(ctx context.Context, from backstay.Origin) error {
	err := a.DB.Write(ctx, func(tx *db.Tx) error {
		return a.tries(ctx, tx, from, "", "", func(t auth.Tries) (auth.Tries, error) {
			counted, next, ok := t.Take(a.now())
			if !ok {
				return t, tooMany(next.Sub(a.now()))
			}
			return counted, nil
		})
	})
	if err != nil {
		return explain(err, "try")
	}
	return nil
}

// SignOut ends the actor's session.
func (a *App) SignOut(ctx context.Context, who backstay.Actor) error {
	return a.EndSession(ctx, who, who.Session)
}

// Sessions lists the sessions of a person: the actor's own, or those of somebody else for who manages people.
func (a *App) Sessions(ctx context.Context, who backstay.Actor, user string) (all []backstay.Session, err error) {
	err = a.look(ctx, who, "sessions.listed", func(t *task) error {
		if err := t.ownOr(user, backstay.ManageUsers); err != nil {
			return err
		}
		found, err := db.All[backstay.Session](ctx, t.tx, db.Condition{Column: "user", Op: db.Is, Value: user})
		for _, s := range found {
			if s.Current = s.ID == who.Session; !s.Pending && a.now().Before(s.ExpiresAt) {
				all = append(all, s)
			}
		}
		return err
	})
	return all, err
}

// ownOr lets a person do something with what is theirs, and others who have a permission.
func (t *task) ownOr(user string, p backstay.Permission) error {
	if user != "" && user == t.who.User {
		return errors.Join(t.free(), t.person("see or change how you sign in"))
	}
	return t.allow(p, backstay.System, "")
}

// EndSession ends one session.
func (a *App) EndSession(ctx context.Context, who backstay.Actor, id string) error {
	return a.change(ctx, who, "auth.session-revoked", func(t *task) error {
		t.on("session", id, "")
		if err := t.person("end a session"); err != nil {
			return err
		}
		s, err := db.Find[backstay.Session](ctx, t.tx, id)
		if err != nil {
			return err
		}
		if who.Session != id {
			if err := t.ownOr(s.User, backstay.ManageUsers); err != nil {
				return unseen(err, "session")
			}
		}
		return db.Delete[backstay.Session](ctx, t.tx, id)
	})
}

// Tokens lists the API tokens of a person: the actor's own, or those of somebody else for who manages people.
func (a *App) Tokens(ctx context.Context, who backstay.Actor, user string) (all []backstay.Token, err error) {
	err = a.look(ctx, who, "tokens.listed", func(t *task) error {
		if err := t.ownOr(user, backstay.ManageUsers); err != nil {
			return err
		}
		all, err = db.All[backstay.Token](ctx, t.tx, db.Condition{Column: "user", Op: db.Is, Value: user})
		return err
	})
	return all, err
}

// CreateToken makes an API token of the actor's. The text is shown once. A token makes no other one.
func (a *App) CreateToken(ctx context.Context, who backstay.Actor, token backstay.Token) (text auth.Secret, made backstay.Token, err error) {
	err = a.change(ctx, who, "auth.token-created", func(t *task) error {
		if err := t.allowAnywhere(backstay.CreateTokens); err != nil {
			return err
		}
		if who.Session == "" {
			return backstay.Errorf(backstay.Denied, "a token may not make another one").WithHint("Sign in as a person.")
		}
		made = backstay.Token{User: who.User, Name: token.Name, Permissions: token.Permissions, Within: token.Within, ExpiresAt: token.ExpiresAt.UTC()}
		a.stamp(made.Base())
		t.on("token", made.ID, made.Name)
		if err := made.Check(a.now()); err != nil {
			return err
		}
		var digest auth.Digest
		if text, digest, err = auth.NewToken(a.Rand); err != nil {
			return err
		}
		made.Hash = string(digest)
		if err := db.Insert(ctx, t.tx, &made); err != nil {
			return err
		}
		return t.changed(nil, made)
	})
	return text, made, err
}

// DeleteToken revokes an API token.
func (a *App) DeleteToken(ctx context.Context, who backstay.Actor, id string) error {
	return a.change(ctx, who, "auth.token-revoked", func(t *task) error {
		t.on("token", id, "")
		if err := t.free(); err != nil {
			return err
		}
		token, err := db.Find[backstay.Token](ctx, t.tx, id)
		if err != nil {
			return err
		}
		t.on("token", id, token.Name)
		if who.Token != nil && who.Token.ID == id {
			return db.Delete[backstay.Token](ctx, t.tx, id) // a program may give up its own
		}
		if err := t.ownOr(token.User, backstay.ManageUsers); err != nil {
			return unseen(err, "token")
		}
		return db.Delete[backstay.Token](ctx, t.tx, id)
	})
}
