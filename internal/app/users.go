package app

import (
	"context"
	"errors"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/auth"
	"github.com/backstay/backstay/internal/db"
)

func (a *App) users() *Noun[backstay.User, *backstay.User] {
	return &Noun[backstay.User, *backstay.User]{app: a, Kind: "user", Read: backstay.ReadUsers, Manage: backstay.ManageUsers, anywhere: true,
		Filters: []string{"email", "disabled", "mfa"},
		name:    func(u *backstay.User) string { return u.Name },
		scope:   func(*backstay.User) backstay.Scope { return backstay.System },
		prepare: func(t *task, u, old *backstay.User) error {
			if old != nil && u.Disabled && !old.Disabled {
				if err := t.keepsAnOwner(u.ID); err != nil {
					return err
				}
			}
			if old != nil && u.Email != old.Email {
				if err := t.mayActFor(u.ID); err != nil { // who reads its mail gets the account
					return err
				}
			}
			return u.Check()
		},
		saved: func(t *task, u, old *backstay.User) error {
			var err error
			if old != nil && u.Email != old.Email {
				err = t.tx.EndLinks(t.ctx, u.ID) // which were mailed to the other address
			}
			if old != nil && u.Disabled && !old.Disabled {
				err = errors.Join(err, t.tx.EndSessions(t.ctx, u.ID, ""))
			}
			return err
		},
		remove: func(t *task, u *backstay.User) error {
			if err := t.keepsAnOwner(u.ID); err != nil {
				return err
			}
			return t.tx.ForgetSubject(t.ctx, u.ID)
		},
	}
}

// keepsAnOwner refuses what would leave nobody who may everything, were it not for a person.
func (t *task) keepsAnOwner(but string) error {
	others, err := t.tx.Owners(t.ctx)
	if err != nil {
		return err
	}
	for _, id := range others {
		if id != but {
			return nil
		}
	}
	return marked("last-owner", backstay.Errorf(backstay.Conflict, "this is the last owner of the installation").WithHint("Make somebody else an owner first."))
}

// Profile returns the actor's own account.
func (a *App) Profile(ctx context.Context, who backstay.Actor) (u backstay.User, err error) {
	err = a.look(ctx, who, "profile.read", func(t *task) (err error) {
		if t.asked = true; who.User == "" {
			return t.free()
		}
		u, err = db.Find[backstay.User](ctx, t.tx, who.User)
		return err
	})
	return u, err
}

// UpdateProfile changes the actor's own account; the e-mail address, which they sign in with, once the sign-in was confirmed.
func (a *App) UpdateProfile(ctx context.Context, who backstay.Actor, patch []byte) (u backstay.User, err error) {
	err = a.change(ctx, who, "profile.updated", func(t *task) error {
		if err := errors.Join(t.free(), t.person("change your account")); err != nil {
			return err
		}
		old, err := db.Find[backstay.User](ctx, t.tx, who.User)
		if err != nil {
			return err
		}
		t.on("user", old.ID, old.Name)
		if u, err = patched(old, patch); err != nil {
			return err
		}
		if u.Email != old.Email {
			if !who.Fresh {
				return errConfirm("change the address you sign in with")
			}
			if err := t.tx.EndLinks(ctx, u.ID); err != nil { // which were mailed to the other address
				return err
			}
		}
		u.Disabled = old.Disabled
		if err := u.Check(); err != nil {
			return err
		}
		u.UpdatedAt = a.now()
		if err := db.Update(ctx, t.tx, &u); err != nil {
			return err
		}
		return t.changed(old, u)
	})
	return u, err
}

func errConfirm(what string) error {
	return backstay.Errorf(backstay.Unconfirmed, "to %s, confirm first that it is you", what).WithHint("Confirm with your second factor or password, then do it again.")
}

// Claimed reports whether the installation has its first account.
func (a *App) Claimed(ctx context.Context) (claimed bool, err error) {
	err = a.DB.Read(ctx, func(tx *db.Tx) error {
		n, err := db.Count[backstay.User](ctx, tx)
		claimed = n > 0
		return err
	})
	return claimed, err
}

// Claim makes the first account, the owner of the installation, for whoever has the code from the console.
func (a *App) Claim(ctx context.Context, from backstay.Origin, code string, u backstay.User, password string) (SignedIn, error) {
	if err := a.limitAddress(ctx, from); err != nil {
		return SignedIn{}, err
	}
	if a.claim == "" || !a.claim.Equal(auth.DigestClaimCode(code)) {
		a.note(ctx, from, backstay.User{}, "auth.claim", backstay.ResultFailed, "wrong code")
		return SignedIn{}, backstay.Errorf(backstay.SignIn, "the claim code is not right").
			WithHint("It stands on the console that the server was started on; each start makes a new one.").OnField("code")
	}
	hash, err := a.newPassword(ctx, u, password)
	if err != nil {
		return SignedIn{}, err
	}
	who := backstay.Actor{Kind: backstay.ActorNobody, Name: u.Name, From: from}
	err = a.change(ctx, who, "auth.claim", func(t *task) error {
		t.asked = true // the code is the permission
		if n, err := db.Count[backstay.User](ctx, t.tx); err != nil || n > 0 {
			return errors.Join(err, errClaimed)
		}
		u = backstay.User{Name: u.Name, Email: u.Email, Zone: u.Zone, Language: u.Language}
		a.stamp(u.Base())
		t.on("user", u.ID, u.Name)
		if err := u.Check(); err != nil {
			return err
		}
		if err := db.Insert(ctx, t.tx, &u); err != nil {
			return err
		}
		if err := t.setPassword(u.ID, hash); err != nil {
			return err
		}
		g := backstay.Grant{SubjectKind: backstay.SubjectUser, Subject: u.ID, Role: backstay.RoleOwner, Scope: backstay.Everywhere, Effect: backstay.Allow}
		a.stamp(g.Base())
		if err := db.Insert(ctx, t.tx, &g); err != nil {
			return err
		}
		p := backstay.Project{Name: "Default"}
		a.stamp(p.Base())
		p.Scope = backstay.ProjectScope(p.ID)
		if err := db.Insert(ctx, t.tx, &p); err != nil {
			return err
		}
		return t.changed(nil, u)
	})
	if err != nil {
		return SignedIn{}, err
	}
	return a.begin(ctx, from, u, proof{method: "password"})
}

var errClaimed = backstay.Errorf(backstay.Conflict, "this installation was claimed before").WithHint("Sign in, or ask its owner for an account.")

// NewLink is a link by which a person chooses a password.
type NewLink struct {
	Link   backstay.Link
	Ticket auth.Secret // whoever holds it gets the account; "" where it was mailed
	Mailed bool        // it is on its way to the person, and nobody else
}

// NewLink makes a link by which a person chooses a password, once; the one before is void. It is mailed to the person where there is a channel
// for that; else, or with show, it is shown to the administrator who made it.
func (a *App) NewLink(ctx context.Context, who backstay.Actor, user string, show bool) (n NewLink, err error) {
	err = a.change(ctx, who, "auth.link-created", func(t *task) error {
		u, err := a.Users.find(t, user)
		if err != nil {
			return err
		}
		if err := t.allow(backstay.ManageUsers, backstay.System, ""); err != nil {
			return err
		}
		if err := t.mayActFor(u.ID); err != nil {
			return err
		}
		if err := t.tx.EndLinks(ctx, u.ID); err != nil {
			return err
		}
		if n.Ticket, n.Link, err = t.newLink(u.ID, invitationFor); err != nil || show {
			return err
		}
		c, err := t.mailerFor(u)
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		set, err := t.tx.Settings(ctx)
		if err != nil {
			return err
		}
		t.event.Reason = "mailed to " + u.Email
		if err := t.mail(c, u, n.Link, n.Ticket, a.address(set)); err != nil {
			return err
		}
		n.Ticket, n.Mailed = "", true
		return nil
	})
	return n, err
}

// mayActFor refuses to give the actor the account of somebody who has rights that they don't have.
func (t *task) mayActFor(user string) error {
	rights, err := t.tx.Rights(t.ctx, user)
	if err != nil {
		return err
	}
	for _, right := range rights {
		if right.Effect == backstay.Allow {
			if err := t.holds(right.Role, right.Scope); err != nil {
				return err
			}
		}
	}
	return nil
}

// UseLink sets the password of the person that the link was made for, and signs them in.
func (a *App) UseLink(ctx context.Context, from backstay.Origin, ticket, password string) (SignedIn, error) {
	if err := a.limitAddress(ctx, from); err != nil {
		return SignedIn{}, err
	}
	var u backstay.User
	err := a.DB.Read(ctx, func(tx *db.Tx) (err error) {
		u, err = a.linked(ctx, tx, ticket)
		return err
	})
	if err != nil {
		return SignedIn{}, explain(err, "link")
	}
	hash, err := a.newPassword(ctx, u, password)
	if err != nil {
		return SignedIn{}, err
	}
	who := backstay.Actor{Kind: backstay.ActorNobody, User: u.ID, Name: u.Name, From: from}
	err = a.change(ctx, who, "auth.link-used", func(t *task) error {
		t.asked = true // the link is the permission
		u, err := a.linked(ctx, t.tx, ticket)
		if err != nil {
			return err
		}
		t.on("user", u.ID, u.Name)
		if err := t.tx.EndLinks(ctx, u.ID); err != nil {
			return err
		}
		if err := t.tx.EndSessions(ctx, u.ID, ""); err != nil {
			return err
		}
		return t.setPassword(u.ID, hash)
	})
	if err != nil {
		return SignedIn{}, err
	}
	return a.begin(ctx, from, u, proof{method: "password", pending: u.MFA})
}

// linked returns whose link it is.
func (a *App) linked(ctx context.Context, tx *db.Tx, ticket string) (u backstay.User, err error) {
	link, err := db.FindBy[backstay.Link](ctx, tx, "hash", string(auth.DigestTicket(ticket, auth.Invitation)))
	if err == nil && !a.now().Before(link.ExpiresAt) {
		err = db.ErrNotFound
	}
	if err == nil {
		u, err = db.Find[backstay.User](ctx, tx, link.User)
	}
	if errors.Is(err, db.ErrNotFound) || err == nil && u.Disabled {
		return u, marked("invitation-expired", backstay.Errorf(backstay.NotFound, "the link is no longer good").WithHint("It works once, and an invitation for seven days, else for an hour. Ask for a new one."))
	}
	return u, err
}
