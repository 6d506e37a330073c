package app

import (
	"context"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// keepUsage is for how many days what repositories took is kept: more than a year, so that two years can be compared.
const keepUsage = 400

// dayOf is a day as usage is noted by.
func dayOf(at time.Time) string { return at.UTC().Format(time.DateOnly) }

// recordUsage notes what repositories take, and forgets what they took long ago.
func (a *App) recordUsage(ctx context.Context) error {
	now := a.now()
	return a.DB.Write(ctx, func(tx *db.Tx) error {
		if err := tx.RecordUsage(ctx, dayOf(now)); err != nil {
			return err
		}
		return tx.ForgetUsage(ctx, dayOf(now.AddDate(0, 0, -keepUsage)))
	})
}

// StorageState is how full a storage is.
type StorageState struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`
	Project      string     `json:"project"`
	Limit        int64      `json:"limit,omitempty" doc:"Bytes that it is to hold at most; none: no limit"`
	Repositories int64      `json:"repositories" doc:"How many lie in it"`
	Bytes        int64      `json:"bytes" doc:"What they take"`
	Snapshots    int64      `json:"snapshots" doc:"How many they hold"`
	Growth       float64    `json:"growth" doc:"By how many bytes a day it grows, by a least-squares line through the last 30 days; below 0 it shrinks"`
	FullOn       *time.Time `json:"full_on,omitempty" doc:"When it reaches its limit if it goes on growing so; none without a limit, if it doesn't grow, with fewer than three days, or in more than ten years"`
}

// StorageUsage is how full a storage is, and was.
type StorageUsage struct {
	StorageState
	Days []backstay.UsageDay `json:"days" doc:"The oldest first; days on which the server didn't run are left out"`
}

// storageStates tells of the storages of a region how full they are, and what they held since a day.
func (t *task) storageStates(r db.Region, days int) (all []StorageUsage, err error) {
	holdings, err := t.tx.StorageHoldings(t.ctx, r)
	if err != nil {
		return nil, err
	}
	now := t.app.now()
	var ids []string
	for _, h := range holdings {
		ids = append(ids, h.ID)
	}
	held := map[string][]backstay.UsageDay{}
	rows, err := t.tx.UsageOf(t.ctx, ids, dayOf(now.AddDate(0, 0, -days)))
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.Day != dayOf(now) { // of today it is known better
			held[row.Storage] = append(held[row.Storage], row.UsageDay)
		}
	}
	for _, h := range holdings {
		u := StorageUsage{Days: append(held[h.ID], backstay.UsageDay{Day: dayOf(now), Bytes: h.Bytes, Snapshots: h.Snapshots})}
		u.StorageState = StorageState{ID: h.ID, Name: h.Name, Project: h.Project, Limit: h.Limit, Repositories: h.Repositories, Bytes: h.Bytes, Snapshots: h.Snapshots,
			Growth: backstay.Growth(u.Days, now)}
		u.FullOn = backstay.FullOn(h.Bytes, h.Limit, u.Growth, now)
		all = append(all, u)
	}
	return all, nil
}

// StorageUsage returns how full a storage is, and how full it was in the last days.
func (a *App) StorageUsage(ctx context.Context, who backstay.Actor, id string, days int) (u StorageUsage, err error) {
	err = a.look(ctx, who, "storage.read", func(t *task) error {
		s, err := a.Storages.find(t, id)
		if err != nil {
			return err
		}
		all, err := t.storageStates(db.Region{Reach: []backstay.Reach{{Scope: s.Scope}}}, max(days, backstay.TrendDays))
		if err != nil {
			return err
		}
		u = all[0]
		u.Days = lastDays(u.Days, a.now(), days)
		return nil
	})
	return u, err
}

// RepositoryUsage returns what a repository took in the last days, the oldest first.
func (a *App) RepositoryUsage(ctx context.Context, who backstay.Actor, id string, days int) (all []backstay.UsageDay, err error) {
	err = a.look(ctx, who, "repository.read", func(t *task) error {
		r, err := a.Repositories.find(t, id)
		if err != nil {
			return err
		}
		now := a.now()
		if all, err = t.tx.RepositoryUsage(ctx, id, dayOf(now.AddDate(0, 0, -days))); err != nil {
			return err
		}
		if n := len(all); n > 0 && all[n-1].Day == dayOf(now) {
			all = all[:n-1]
		}
		all = append(all, backstay.UsageDay{Day: dayOf(now), Bytes: r.Bytes, Snapshots: r.Snapshots})
		return nil
	})
	return all, err
}

// lastDays leaves out the days that are longer ago.
func lastDays(all []backstay.UsageDay, now time.Time, days int) []backstay.UsageDay {
	from := dayOf(now.AddDate(0, 0, -days))
	for len(all) > 0 && all[0].Day < from {
		all = all[1:]
	}
	return all
}
