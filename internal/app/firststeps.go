package app

import (
	"context"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// FirstSteps are how far a new installation has come on the way to its first backup: the first of each thing, nil where there is none. It is
// found anew each time from what is there, so that the way can be left anywhere and goes on at the first thing that is missing.
type FirstSteps struct {
	Source     *backstay.Source
	Storage    *backstay.Storage
	Repository *backstay.Repository
	Kit        bool // there is a recovery kit with everything, or somebody took the risk of having none; or it is none of this person's business
	Plan       *backstay.Plan
	Run        *backstay.Run // the newest backup
	Done       bool          // some backup has succeeded
}

// FirstSteps tells how far a person has come on the way to a first backup, of what they may see.
func (a *App) FirstSteps(ctx context.Context, who backstay.Actor) (s FirstSteps, err error) {
	err = a.look(ctx, who, "firststeps.read", func(t *task) (err error) {
		if err := t.free(); err != nil {
			return err
		}
		if s.Source, err = first[backstay.Source](t, false); err != nil {
			return err
		}
		if s.Storage, err = first[backstay.Storage](t, false); err != nil {
			return err
		}
		if s.Repository, err = first[backstay.Repository](t, false); err != nil {
			return err
		}
		if s.Plan, err = first[backstay.Plan](t, false); err != nil {
			return err
		}
		backup := db.Condition{Column: "kind", Op: db.Is, Value: backstay.RunBackup}
		if s.Run, err = first[backstay.Run](t, true, backup); err != nil {
			return err
		}
		good, err := first[backstay.Run](t, true, backup, db.Condition{Column: "state", Op: db.OneOf, Value: []backstay.RunState{backstay.Succeeded, backstay.Warned}})
		s.Done = good != nil
		return err
	})
	if err != nil {
		return s, err
	}
	s.Kit = true
	if reach, _ := backstay.ReachOf(confirmed(who), backstay.ExportRecoveryKit); s.Repository != nil && len(reach) > 0 {
		state, err := a.RecoveryKitState(ctx, who)
		s.Kit = !state.OutOfDate || state.AcceptedAt != nil
		return s, err
	}
	return s, nil
}

// confirmed is the actor as one who has confirmed just now that it is them: what they may then.
func confirmed(who backstay.Actor) backstay.Actor {
	who.Fresh = true
	return who
}

// first returns the oldest record that the actor may see and that meets the conditions, or the newest; nil if there is none.
func first[T any](t *task, newest bool, conditions ...db.Condition) (*T, error) {
	q := db.Query{Where: conditions, Sort: "created_at", Desc: newest, Limit: 1}
	q.Reach, q.Denied = backstay.ReachOf(t.who, backstay.ReadSources)
	page, _, err := db.List[T](t.ctx, t.tx, q)
	if err != nil || len(page) == 0 {
		return nil, err
	}
	return &page[0], nil
}
