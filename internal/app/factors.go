package app

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/auth"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/secret"
)

// newPassword judges and hashes a password that somebody chose.
func (a *App) newPassword(ctx context.Context, u backstay.User, password string) (auth.Secret, error) {
	if err := auth.CheckPassword(password, u.Name, u.Email); err != nil {
		return "", backstay.Errorf(backstay.Invalid, "%w", err).WithHint("Some words that only you would put together are easy to keep in mind and hard to guess.").OnField("password")
	}
	if err := a.lookUp(ctx, u, password); err != nil {
		return "", err
	}
	hash, err := a.Hasher.Hash(ctx, password)
	if err != nil {
		return "", explain(err, "password")
	}
	return hash, nil
}

// lookUpFor is how long somebody waits at most who chose a password, for a service that is not there.
const lookUpFor = 3 * time.Second

// lookUp refuses a password that was stolen elsewhere, if the settings say that it is to be looked up. Where the service can't be asked the
// password is taken, and the log says so: nobody is to be kept out because another server is down.
func (a *App) lookUp(ctx context.Context, u backstay.User, password string) error {
	var set backstay.Settings
	err := a.DB.Read(ctx, func(tx *db.Tx) (err error) {
		set, err = tx.Settings(ctx)
		return err
	})
	if err != nil {
		return explain(err, "settings")
	}
	if !set.CheckBreaches {
		return nil
	}
	within, cancel := context.WithTimeoutCause(ctx, lookUpFor, errors.New("no answer in time"))
	defer cancel()
	err = a.Breaches.Check(within, password)
	switch {
	case errors.Is(err, auth.ErrPasswordBreached):
		return backstay.Errorf(backstay.Invalid, "%w", err).WithHint("Choose another one, and change this one wherever else you use it.").OnField("password")
	case ctx.Err() != nil:
		return explain(context.Cause(ctx), "password")
	case err != nil:
		a.Log.WarnContext(ctx, "a new password was not looked up among stolen ones", "user", u.ID, "error", err)
	}
	return nil
}

// setPassword replaces the password of a person.
func (t *task) setPassword(user string, hash auth.Secret) error {
	f, err := db.FindFactor(t.ctx, t.tx, user, backstay.FactorPassword)
	if errors.Is(err, db.ErrNotFound) {
		f = backstay.Factor{User: user, Kind: backstay.FactorPassword, Name: "Password", Confirmed: true, Value: string(hash)}
		t.app.stamp(f.Base())
		return db.Insert(t.ctx, t.tx, &f)
	}
	if err != nil {
		return err
	}
	f.Value, f.UpdatedAt = string(hash), t.app.now()
	return db.Update(t.ctx, t.tx, &f)
}

// ChangePassword replaces the actor's own password and ends their other sessions.
func (a *App) ChangePassword(ctx context.Context, who backstay.Actor, password string) error {
	u, err := a.Profile(ctx, who)
	if err != nil {
		return err
	}
	const action = "auth.password-changed"
	if err := a.look(ctx, who, action, func(t *task) error { return t.ownFresh("change your password") }); err != nil {
		return err
	}
	hash, err := a.newPassword(ctx, u, password)
	if err != nil {
		return err
	}
	return a.change(ctx, who, action, func(t *task) error {
		if err := t.ownFresh("change your password"); err != nil {
			return err
		}
		t.on("user", u.ID, u.Name)
		if err := errors.Join(t.tx.EndSessions(ctx, u.ID, who.Session), t.tx.EndLinks(ctx, u.ID)); err != nil {
			return err
		}
		return t.setPassword(u.ID, hash)
	})
}

// ownFresh refuses unless the actor is a person in a session that was confirmed just now. Who has yet to set up a demanded factor may.
func (t *task) ownFresh(what string) error {
	if err := t.person(what); err != nil {
		return err
	}
	if !t.who.Fresh {
		return errConfirm(what)
	}
	return nil
}

// person refuses unless the actor is a person in a session. How somebody signs in is no business of programs, whatever their token allows.
func (t *task) person(what string) error {
	t.asked = true
	switch {
	case t.who.Kind == backstay.ActorNobody:
		return t.free()
	case t.who.Session == "":
		return backstay.Errorf(backstay.Denied, "a token may not %s", what).WithHint("Sign in as a person.")
	}
	return nil
}

// Confirm makes the sign-in fresh: by a code where the person has a second factor, else by the password.
func (a *App) Confirm(ctx context.Context, who backstay.Actor, password, code string) error {
	if err := a.look(ctx, who, "auth.confirmed", func(t *task) error { return t.person("confirm") }); err != nil {
		return err
	}
	u, err := a.Profile(ctx, who)
	if err != nil {
		return err
	}
	if u.MFA {
		err = a.checkCode(ctx, who.From, u, code)
	} else {
		err = a.checkPassword(ctx, who.From, u, password)
	}
	if err != nil {
		return err
	}
	return a.change(ctx, who, "auth.confirmed", func(t *task) error {
		t.asked = true // it was proven just now
		return t.freshen()
	})
}

// freshen notes that the actor's sign-in was confirmed just now.
func (t *task) freshen() error {
	set, err := t.tx.Settings(t.ctx)
	if err != nil {
		return err
	}
	return t.tx.FreshenSession(t.ctx, t.who.Session, t.app.now().Add(set.FreshFor.Duration()))
}

// checkPassword refuses a wrong password; tries are limited as those of signing in.
func (a *App) checkPassword(ctx context.Context, from backstay.Origin, u backstay.User, password string) error {
	_, hash, err := a.takeTry(ctx, from, u.Email)
	if err != nil {
		return err
	}
	ok := false
	if hash == "" { // they sign in by something else
		err = a.Hasher.Burn(ctx, password)
	} else {
		ok, _, err = a.Hasher.Verify(ctx, password, auth.Secret(hash))
	}
	if err != nil {
		return explain(err, "password")
	}
	if !ok {
		a.note(ctx, from, u, "auth.confirm", backstay.ResultFailed, "wrong password")
		e := backstay.Errorf(backstay.SignIn, "the password is not right").OnField("password")
		if hash == "" {
			return e.WithHint("Your account has no password: sign in again by what you sign in with, which confirms it as well.")
		}
		return e
	}
	return a.untakeTry(ctx, from, u.Email)
}

// checkCode refuses a wrong code of an authenticator app; a recovery code counts, too, and is used up.
func (a *App) checkCode(ctx context.Context, from backstay.Origin, u backstay.User, code string) error {
	key := "second:" + u.ID
	ok := false
	err := a.DB.Write(ctx, func(tx *db.Tx) error { // counted as failed before anybody looks
		kept, err := tx.Attempts(ctx, key)
		if err != nil {
			return err
		}
		counted, next, allowed := auth.TakeSecondFactor(auth.Failures{Count: kept.Failures, Last: kept.LastAt}, a.now())
		if !allowed {
			return tooMany(next.Sub(a.now()))
		}
		return tx.SaveAttempts(ctx, db.Attempt{ID: key, Failures: counted.Count, LastAt: counted.Last.UTC()})
	})
	if err != nil {
		return explain(err, "code")
	}
	err = a.DB.Write(ctx, func(tx *db.Tx) error {
		for _, use := range []func(context.Context, *db.Tx, string, string) (bool, error){a.useTOTP, a.useRecoveryCode} {
			if ok, err = use(ctx, tx, u.ID, code); ok || err != nil {
				break
			}
		}
		if !ok || err != nil {
			return err
		}
		return tx.SaveAttempts(ctx, db.Attempt{ID: key, LastAt: a.now()})
	})
	if err != nil {
		return explain(err, "code")
	}
	if !ok {
		a.note(ctx, from, u, "auth.second-factor", backstay.ResultFailed, "wrong code")
		return backstay.Errorf(backstay.SignIn, "the code is not right").WithHint("A code is good for a minute and works once. A recovery code does as well.").OnField("code")
	}
	return nil
}

// useTOTP reports whether the code is that of the person's app, and uses it up.
func (a *App) useTOTP(ctx context.Context, tx *db.Tx, user, code string) (bool, error) {
	f, err := db.FindFactor(ctx, tx, user, backstay.FactorTOTP)
	if errors.Is(err, db.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	key, err := a.open(factorPlace(f), f.Value)
	if err != nil {
		return false, err
	}
	now := a.now()
	step, ok, err := auth.CheckTOTP(auth.Secret(key.Reveal()), code, now, f.Counter)
	if err != nil || !ok {
		return false, err
	}
	f.Counter, f.LastUsedAt, f.UpdatedAt = step, &now, now
	return true, db.Update(ctx, tx, &f)
}

func (a *App) useRecoveryCode(ctx context.Context, tx *db.Tx, user, code string) (bool, error) {
	f, err := db.FindFactor(ctx, tx, user, backstay.FactorRecovery)
	if errors.Is(err, db.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var kept []auth.Digest
	if err := json.Unmarshal([]byte(f.Value), &kept); err != nil {
		return false, err
	}
	left, ok := auth.UseRecoveryCode(code, kept)
	if !ok {
		return false, nil
	}
	now := a.now()
	text, err := json.Marshal(left)
	if err != nil {
		return false, err
	}
	f.Value, f.LastUsedAt, f.UpdatedAt = string(text), &now, now
	return true, db.Update(ctx, tx, &f)
}

func factorPlace(f backstay.Factor) secret.Place {
	return secret.Place{Table: "factors", Row: f.ID, Column: "value"}
}

// BeginTOTP makes a key for an authenticator app. It counts from the first code on that ConfirmTOTP was shown.
func (a *App) BeginTOTP(ctx context.Context, who backstay.Actor) (id string, totp auth.TOTP, err error) {
	u, err := a.Profile(ctx, who)
	if err != nil {
		return "", totp, err
	}
	if totp, err = auth.NewTOTP(a.Rand, "Backstay", u.Email); err != nil {
		return "", totp, explain(err, "key")
	}
	err = a.change(ctx, who, "auth.totp-begun", func(t *task) error {
		if err := t.ownFresh("set up a second factor"); err != nil {
			return err
		}
		f := backstay.Factor{User: u.ID, Kind: backstay.FactorTOTP, Name: "Authenticator app"}
		a.stamp(f.Base())
		id = f.ID
		if f.Value, err = a.seal(factorPlace(f), secret.New(string(totp.Key))); err != nil {
			return err
		}
		if err := t.tx.DropFactors(ctx, u.ID, backstay.FactorTOTP, false); err != nil {
			return err
		}
		return db.Insert(ctx, t.tx, &f)
	})
	return id, totp, err
}

// ConfirmTOTP makes a key count, and returns recovery codes for the day on which the app is lost. The session is one with a second factor.
func (a *App) ConfirmTOTP(ctx context.Context, who backstay.Actor, id, code string) (codes []auth.Secret, err error) {
	err = a.change(ctx, who, "auth.mfa-added", func(t *task) error {
		if err := t.ownFresh("set up a second factor"); err != nil {
			return err
		}
		f, err := db.Find[backstay.Factor](ctx, t.tx, id)
		if err != nil || f.User != who.User || f.Kind != backstay.FactorTOTP || f.Confirmed {
			return errors.Join(err, backstay.Errorf(backstay.NotFound, "there is no such key to confirm"))
		}
		key, err := a.open(factorPlace(f), f.Value)
		if err != nil {
			return err
		}
		step, ok, err := auth.CheckTOTP(auth.Secret(key.Reveal()), code, a.now(), f.Counter)
		if err != nil {
			return err
		}
		if !ok {
			return backstay.Errorf(backstay.Invalid, "the code is not that of the app").WithHint("Is the clock of the phone right?").OnField("code")
		}
		if err := t.tx.DropFactors(ctx, who.User, backstay.FactorTOTP, true); err != nil {
			return err
		}
		f.Counter, f.Confirmed, f.UpdatedAt = step, true, a.now()
		if err := db.Update(ctx, t.tx, &f); err != nil {
			return err
		}
		t.on("factor", f.ID, f.Name)
		if codes, err = t.newRecoveryCodes(); err != nil {
			return err
		}
		return t.tx.SetMFA(ctx, who.User, true, who.Session)
	})
	return codes, err
}

// NewRecoveryCodes replaces the actor's recovery codes.
func (a *App) NewRecoveryCodes(ctx context.Context, who backstay.Actor) (codes []auth.Secret, err error) {
	err = a.change(ctx, who, "auth.recovery-codes-made", func(t *task) error {
		if err := t.ownFresh("make recovery codes"); err != nil {
			return err
		}
		codes, err = t.newRecoveryCodes()
		return err
	})
	return codes, err
}

func (t *task) newRecoveryCodes() ([]auth.Secret, error) {
	codes, kept, err := auth.NewRecoveryCodes(t.app.Rand)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return nil, err
	}
	f := backstay.Factor{User: t.who.User, Kind: backstay.FactorRecovery, Name: "Recovery codes", Confirmed: true, Value: string(text)}
	t.app.stamp(f.Base())
	if err := t.tx.DropFactors(t.ctx, f.User, f.Kind, true); err != nil {
		return nil, err
	}
	return codes, db.Insert(t.ctx, t.tx, &f)
}

// Factors lists the actor's own factors.
func (a *App) Factors(ctx context.Context, who backstay.Actor) (all []backstay.Factor, err error) {
	err = a.look(ctx, who, "factors.listed", func(t *task) (err error) {
		if t.asked = true; who.User == "" {
			return t.free()
		}
		all, err = db.All[backstay.Factor](ctx, t.tx, db.Condition{Column: "user", Op: db.Is, Value: who.User})
		all = slices.DeleteFunc(all, func(f backstay.Factor) bool { return !f.Confirmed })
		return err
	})
	return all, err
}

// RemoveFactor takes a factor from the actor, which unlinks an account of another server; with the last second one go the recovery codes.
// A password stays, and so does the last thing to sign in with.
func (a *App) RemoveFactor(ctx context.Context, who backstay.Actor, id string) error {
	return a.change(ctx, who, "auth.mfa-removed", func(t *task) error {
		if err := t.ownFresh("remove a factor"); err != nil {
			return err
		}
		f, err := db.Find[backstay.Factor](ctx, t.tx, id)
		if err != nil || f.User != who.User {
			return errors.Join(err, backstay.Errorf(backstay.NotFound, "there is no such factor"))
		}
		if f.Kind == backstay.FactorPassword || f.Kind == backstay.FactorRecovery {
			return backstay.Errorf(backstay.Invalid, "this factor can be replaced, and not removed")
		}
		t.on("factor", f.ID, f.Name)
		if f.Kind == backstay.FactorOIDC {
			t.event.Action = "auth.identity-unlinked"
		}
		if err := db.Delete[backstay.Factor](ctx, t.tx, id); err != nil {
			return err
		}
		all, err := db.All[backstay.Factor](ctx, t.tx, db.Condition{Column: "user", Op: db.Is, Value: who.User})
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(f backstay.Factor) bool {
			return f.Kind == backstay.FactorPassword || f.Kind == backstay.FactorPasskey || f.Kind == backstay.FactorOIDC
		}) {
			return backstay.Errorf(backstay.Conflict, "nothing would be left to sign in with").WithHint("Choose a password or add a passkey first.")
		}
		if slices.ContainsFunc(all, func(f backstay.Factor) bool {
			return f.Confirmed && (f.Kind == backstay.FactorTOTP || f.Kind == backstay.FactorPasskey)
		}) {
			return nil
		}
		if err := t.tx.DropFactors(ctx, who.User, backstay.FactorRecovery, true); err != nil {
			return err
		}
		return t.tx.SetMFA(ctx, who.User, false, "")
	})
}
