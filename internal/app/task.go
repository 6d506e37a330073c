package app

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// errNotAsked is a mistake in this package: it can't reach a person unless a test is missing.
var errNotAsked = errors.New("no permission was asked for")

// task is a use case at work.
type task struct {
	app    *App
	ctx    context.Context
	tx     *db.Tx
	who    backstay.Actor
	event  backstay.AuditEvent
	asked  bool
	quiet  bool     // nothing changed: no event
	commit []func() // what is done once all is committed
}

// change runs a use case that changes something.
func (a *App) change(ctx context.Context, who backstay.Actor, action string, fn func(t *task) error) error {
	t := a.task(ctx, who, action)
	err := a.DB.Write(ctx, func(tx *db.Tx) error {
		t.tx, t.asked, t.quiet, t.commit = tx, false, false, nil
		if err := fn(t); err != nil {
			return err
		}
		if !t.asked {
			return errNotAsked
		}
		if t.quiet {
			return nil
		}
		return t.log(backstay.ResultAllowed, t.event.Reason)
	})
	if err == nil {
		for _, do := range t.commit {
			do()
		}
	}
	return t.end(err)
}

// look runs a use case that changes nothing. Only its refusal is an event.
func (a *App) look(ctx context.Context, who backstay.Actor, action string, fn func(t *task) error) error {
	t := a.task(ctx, who, action)
	return t.end(a.DB.Read(ctx, func(tx *db.Tx) error {
		t.tx = tx
		err := fn(t)
		if err == nil && !t.asked {
			err = errNotAsked
		}
		return err
	}))
}

func (a *App) task(ctx context.Context, who backstay.Actor, action string) *task {
	e := backstay.AuditEvent{ActorKind: who.Kind, Actor: who.User, ActorName: who.Name, Method: who.Method, MFA: who.MFA,
		IP: who.From.IP, UserAgent: who.From.UserAgent, Request: who.From.Request, Action: action}
	if who.Token != nil {
		e.Token = who.Token.ID
	}
	return &task{app: a, ctx: ctx, who: who, event: e}
}

// allow refuses unless the actor has the permission in the scope, on what belongs to owner.
func (t *task) allow(p backstay.Permission, scope backstay.Scope, owner string) error {
	t.asked = true
	if t.event.Project == "" {
		t.event.Project = scope.Project()
	}
	decision := backstay.Decide(t.who, p, scope, owner)
	switch {
	case t.who.Kind == backstay.ActorNobody:
		return backstay.Errorf(backstay.SignIn, "nobody is signed in").WithHint("Sign in, or give an API token.")
	case t.who.Limited:
		return errLimited(t.who)
	case decision.NeedFresh:
		return backstay.Errorf(backstay.Unconfirmed, "%s: confirm first that it is you", p).WithHint("Confirm with your second factor or password, then do it again.")
	case !decision.Allowed:
		row, _ := backstay.FindPermission(p)
		return backstay.Errorf(backstay.Denied, "you may not %s (%s)", row.Title, p).WithHint("Ask an administrator for a role that allows it.")
	}
	return nil
}

// allowAnywhere refuses unless the actor has the permission in some scope.
func (t *task) allowAnywhere(p backstay.Permission) error {
	if reach, _ := backstay.ReachOf(t.who, p); len(reach) > 0 {
		return t.free()
	}
	return t.allow(p, backstay.System, "")
}

// free says that the use case asks for no permission: it is open to the actor by its nature, as their own profile is.
func (t *task) free() error {
	t.asked = true
	if t.who.Kind == backstay.ActorNobody {
		return backstay.Errorf(backstay.SignIn, "nobody is signed in").WithHint("Sign in, or give an API token.")
	}
	if t.who.Limited {
		return errLimited(t.who)
	}
	return nil
}

func errLimited(who backstay.Actor) error {
	if who.Token != nil {
		return backstay.Errorf(backstay.SignIn, "the owner of the token needs a second factor and has none").WithHint("Sign in as its owner and set one up; then the token is good again.")
	}
	return backstay.Errorf(backstay.SignIn, "a second factor is demanded").WithHint("Set one up first; until then nothing else is possible.")
}

// on says which thing the use case is about.
func (t *task) on(object, id, name string) {
	t.event.Object, t.event.ObjectID, t.event.Name = object, id, name
}

// changed says how the thing was before and is now; nil for not being there. Secrets are no part of what nouns write as JSON.
func (t *task) changed(before, after any) error {
	var err error
	if t.event.Before, err = plain(before); err != nil {
		return err
	}
	t.event.After, err = plain(after)
	return err
}

func plain(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	return json.Marshal(v)
}

// log appends the event to the audit trail.
func (t *task) log(result backstay.Result, reason string) error {
	e := t.event
	e.Time, e.Result, e.Reason = t.app.now(), result, reason
	return t.tx.AppendAudit(t.ctx, &e, linkAudit)
}

// failed writes that what an event has told of could not be done, and returns why.
func (a *App) failed(ctx context.Context, who backstay.Actor, told backstay.AuditEvent, err error) error {
	t := a.task(ctx, who, told.Action)
	t.on(told.Object, told.ObjectID, told.Name)
	t.event.Project = told.Project
	werr := a.DB.Write(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		t.tx = tx
		return t.log(backstay.ResultFailed, err.Error())
	})
	if werr != nil {
		return backstay.Errorf(backstay.Failed, "write the audit event of a failure: %w", errors.Join(werr, err))
	}
	return err
}

// end writes the event of a refusal, and says in a person's words what went wrong.
func (t *task) end(err error) error {
	if err == nil {
		return nil
	}
	e := explain(err, label(t.event.Object, t.event.Name))
	refusal := e
	var unseen hidden
	if errors.As(err, &unseen) {
		refusal = unseen.refusal
	}
	if (refusal.Kind != backstay.Denied && refusal.Kind != backstay.Unconfirmed) || t.who.Kind == backstay.ActorNobody {
		return e
	}
	wanted := t.event.Action
	t.event.Action, t.event.Before, t.event.After = "access.denied", nil, nil
	lerr := t.app.DB.Write(context.WithoutCancel(t.ctx), func(tx *db.Tx) error {
		t.tx = tx
		return t.log(backstay.ResultDenied, wanted+": "+refusal.Msg)
	})
	if lerr != nil {
		return backstay.Errorf(backstay.Failed, "write the audit event of a refusal: %w", lerr)
	}
	return e
}

// SignedIn refuses whoever has not signed in. It is for what everybody may know who has.
func (a *App) SignedIn(who backstay.Actor) error {
	t := &task{who: who}
	return t.free()
}
