package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/db"
)

// lateRun is how late a run is that may have been done already: by a server whose database is lost, of which this one is an older copy.
const lateRun = time.Minute

// notYet leaves out the repositories that have the snapshot of a late run already.
func (e *execution) notYet(ctx context.Context, source string, repositories []*opened) (left []*opened, done []backstay.Outcome) {
	if e.run.StartedAt == nil || e.run.StartedAt.Sub(e.run.DueAt) < lateRun {
		return repositories, nil
	}
	for _, r := range repositories {
		s, err := e.madeBefore(ctx, source, r)
		if s == nil || err != nil { // an error comes again when the repository is written to
			left = append(left, r)
			continue
		}
		e.log("info", fmt.Sprintf("repository %q has the snapshot of %s that this run was to make: %s", r.record.Name, s.Time.UTC().Format(time.RFC3339), s.ID.Short()))
		done = append(done, backstay.Outcome{Source: source, Repository: r.record.ID, Snapshot: s.ID.String(), Unchanged: true})
	}
	return left, done
}

// madeBefore finds the snapshot that this run has made, or one that was made since it was due by a run that the database knows nothing of; nil
// if there is none.
func (e *execution) madeBefore(ctx context.Context, source string, r *opened) (*snapshot.Snapshot, error) {
	for s, err := range snapshot.List(ctx, r.Repo, snapshot.Filter{Tags: [][]string{{string(factSource) + "=" + source}}}) {
		var unreadable *snapshot.FileError
		if errors.As(err, &unreadable) {
			continue
		}
		if err != nil {
			return nil, err
		}
		switch by := s.Fact(snapshot.FactRun); {
		case by == e.run.ID:
			return s, nil
		case by == "" || e.run.Trigger != "schedule" || s.Fact(snapshot.FactPlan) != e.run.Plan || s.Time.Before(e.run.DueAt):
			continue
		default:
			known, err := e.app.knows(ctx, by)
			if err != nil || !known {
				return s, err
			}
		}
	}
	return nil, nil
}

// knows reports whether there is a record of a run.
func (a *App) knows(ctx context.Context, run string) (known bool, err error) {
	err = a.DB.Read(ctx, func(tx *db.Tx) error {
		_, err := db.Find[backstay.Run](ctx, tx, run)
		known = err == nil
		return ignoreMissing(err)
	})
	return known, err
}
