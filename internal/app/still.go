package app

import (
	"context"
	"errors"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// Still returns an actor as they are by now, for what takes longer than a request does: with the rights that they have today, and as nobody
// once their session or token has ended. It does not count as a use of the session.
func (a *App) Still(ctx context.Context, who backstay.Actor) (backstay.Actor, error) {
	if who.Kind == backstay.ActorSystem {
		return who, nil
	}
	good := false
	err := a.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if good, err = a.stillGood(ctx, tx, &who); err != nil || !good {
			return err
		}
		who.Rights, err = tx.Rights(ctx, who.User)
		return err
	})
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return backstay.Actor{Kind: backstay.ActorNobody, From: who.From}, explain(err, "session")
	}
	if err != nil || !good {
		return backstay.Actor{Kind: backstay.ActorNobody, From: who.From}, nil
	}
	return who, nil
}

// stillGood reports whether what an actor signed in with is good.
func (a *App) stillGood(ctx context.Context, tx *db.Tx, who *backstay.Actor) (bool, error) {
	now := a.now()
	u, err := db.Find[backstay.User](ctx, tx, who.User)
	if err != nil || u.Disabled {
		return false, err
	}
	if who.Token != nil {
		token, err := db.Find[backstay.Token](ctx, tx, who.Token.ID)
		who.Token = &token
		return err == nil && now.Before(token.ExpiresAt), err
	}
	s, err := db.Find[backstay.Session](ctx, tx, who.Session)
	if err != nil {
		return false, err
	}
	set, err := tx.Settings(ctx)
	who.Fresh = now.Before(s.FreshUntil)
	return now.Before(s.ExpiresAt) && now.Sub(s.LastUsedAt) < set.SessionIdle.Duration(), err
}
