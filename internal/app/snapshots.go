package app

import (
	"context"
	"errors"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/retention"
)

func (a *App) snapshots() *Noun[backstay.Snapshot, *backstay.Snapshot] {
	return &Noun[backstay.Snapshot, *backstay.Snapshot]{app: a, Kind: "snapshot", Read: backstay.ListSnapshots, Manage: backstay.DeleteSnapshots,
		Filters: []string{"repository", "source", "plan", "run", "host", "protected", "health", "handle", "original"},
		named:   "handle",
		name:    func(s *backstay.Snapshot) string { return s.Handle[:min(8, len(s.Handle))] }}
}

// ProtectSnapshot keeps a snapshot from every retention, or lets go of it. It holds for what this server removes; others with the
// repository's password are bound by object lock only.
func (a *App) ProtectSnapshot(ctx context.Context, who backstay.Actor, id string, protect bool) (s backstay.Snapshot, err error) {
	action := "snapshot.protected"
	if !protect {
		action = "snapshot.unprotected"
	}
	err = a.change(ctx, who, action, func(t *task) error {
		if s, err = a.Snapshots.find(t, id); err != nil {
			return err
		}
		if err := t.allow(backstay.ProtectSnapshots, s.Scope, s.Owner); err != nil {
			return err
		}
		old := s
		s.Protected, s.UpdatedAt = protect, a.now()
		if err := db.Update(ctx, t.tx, &s); err != nil {
			return err
		}
		return t.changed(old, s)
	})
	return s, err
}

// recordSnapshots makes the records of a repository's snapshots what the repository itself says. What is known here alone, such as
// protection and health, stays. Others may record at the same time: gone is only what was known before the repository was asked and is not
// in its answer.
func (a *App) recordSnapshots(ctx context.Context, r *opened) error {
	var known []backstay.Snapshot
	err := a.DB.Read(ctx, func(tx *db.Tx) (err error) {
		known, err = db.All[backstay.Snapshot](ctx, tx, db.Condition{Column: "repository", Op: db.Is, Value: r.record.ID})
		return err
	})
	if err != nil {
		return explain(err, "snapshot")
	}
	gone := map[string]string{} // ids, by the handles
	for _, s := range known {
		gone[s.Handle] = s.ID
	}
	var added []backstay.Snapshot
	var count int64
	for s, err := range snapshot.List(ctx, r.Repo, snapshot.Filter{}) {
		var unreadable *snapshot.FileError
		if errors.As(err, &unreadable) {
			a.Log.WarnContext(ctx, "a snapshot can't be read", "repository", r.record.ID, "error", err)
			delete(gone, unreadable.ID.String()) // it is there
			continue
		}
		if err != nil {
			return err
		}
		count++
		if s.HasTag(ServerTag) { // it tells of all people and projects: nobody browses it
			continue
		}
		if _, ok := gone[s.ID.String()]; !ok {
			added = append(added, a.recordOf(s, r))
		}
		delete(gone, s.ID.String())
	}
	err = a.DB.Write(ctx, func(tx *db.Tx) error {
		lost := ""
		for _, s := range added {
			if err := a.placeSnapshot(ctx, tx, &s); err != nil {
				return err
			}
			if err := tx.AddSnapshot(ctx, &s); err != nil {
				return err
			}
			if unknown, err := a.unknownRun(ctx, tx, s); err != nil {
				return err
			} else if unknown {
				lost = s.Run
			}
		}
		for _, id := range gone {
			if err := db.Delete[backstay.Snapshot](ctx, tx, id); err != nil && !errors.Is(err, db.ErrNotFound) {
				return err
			}
		}
		if err := tx.CountedRepository(ctx, r.record.ID, count); err != nil || lost == "" {
			return err
		}
		return a.holdOlder(ctx, tx, r.record, lost)
	})
	if err != nil {
		return explain(err, "snapshot")
	}
	return nil
}

// recordOf is what the repository says of a snapshot.
func (a *App) recordOf(s *snapshot.Snapshot, r *opened) backstay.Snapshot {
	v := backstay.Snapshot{Placed: backstay.Placed{Project: r.record.Project}, Repository: r.record.ID, Handle: s.ID.String(), Original: s.Identity().String(),
		Source: s.Fact(factSource), Plan: s.Fact(snapshot.FactPlan), Run: s.Fact(snapshot.FactRun), Type: string(s.Type()), Time: s.Time.UTC().Truncate(time.Microsecond), Host: s.Hostname,
		Paths: s.Paths, Tags: s.Tags, Protected: s.HasTag(retention.Protected), Health: backstay.HealthUnverified}
	if s.Summary != nil {
		v.Files, v.Bytes, v.Added = int64(s.Summary.TotalFilesProcessed), int64(s.Summary.TotalBytesProcessed), int64(s.Summary.DataAddedPacked)
	}
	a.stamp(v.Base())
	return v
}

// placeSnapshot puts a snapshot where its source lies, if that is one of this project. What somebody else wrote into the repository as a
// tag gives nobody rights beyond the project.
func (a *App) placeSnapshot(ctx context.Context, tx *db.Tx, s *backstay.Snapshot) error {
	s.Scope = backstay.ProjectScope(s.Project).Of("repository", s.Repository).Of("snapshot", s.ID)
	if s.Source == "" {
		return nil
	}
	of, err := db.Find[backstay.Source](ctx, tx, s.Source)
	if errors.Is(err, db.ErrNotFound) || err == nil && of.Project != s.Project {
		s.Source, s.Plan, s.Run = "", "", ""
		return nil
	}
	if err != nil {
		return err
	}
	s.Scope, s.Owner = of.Scope.Of("snapshot", s.ID), of.Owner
	return nil
}

// recordHeld notes until when object lock keeps snapshots.
func (a *App) recordHeld(ctx context.Context, r *opened, held map[string]time.Time) error {
	err := a.DB.Write(ctx, func(tx *db.Tx) error {
		for handle, until := range held {
			if err := tx.HeldSnapshot(ctx, r.record.ID, handle, until.UTC()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return explain(err, "snapshot")
	}
	return nil
}

// measure notes what a repository takes in its storage.
func (a *App) measure(ctx context.Context, r *opened) error {
	var bytes int64
	for _, kind := range []repo.FileType{repo.Packs, repo.Index, repo.Snapshots} {
		for f, err := range r.List(ctx, kind) {
			if err != nil {
				return err
			}
			bytes += f.Size
		}
	}
	err := a.DB.Write(ctx, func(tx *db.Tx) error {
		if err := tx.MeasuredRepository(ctx, r.record.ID, bytes); err != nil {
			return err
		}
		return tx.RecordUsage(ctx, dayOf(a.now()))
	})
	if err != nil {
		return explain(err, "repository")
	}
	return nil
}
