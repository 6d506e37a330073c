package db_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// TestAListHoldsWhatLiesInTheReach compares lists of what lies in many scopes with what Scope.Covers says of each thing, with and without
// a filter beside.
func TestAListHoldsWhatLiesInTheReach(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB, _ string) {
		all := settle(t, d)
		scopes := []backstay.Scope{"/", "/system", "/project/p", "/project/p1", "/project/none", "/project/p/source/s", "/project/p/source/s1", "/project/p/source/s/module/m", "/project/p/plan/s",
			"/project/p/repository/r", "/project/p1/source/s", all[0].Scope, "/project/p/source/s_"}
		for _, scope := range scopes {
			for _, denied := range [][]backstay.Scope{nil, {"/project/p/source/s"}, {"/project/p1"}} {
				for _, owner := range []string{"", "ada"} {
					for _, filter := range [][]db.Condition{nil, {{Column: "project", Op: db.Is, Value: "p"}}} {
						q := db.Query{Reach: []backstay.Reach{{Scope: scope, Owner: owner}, {Scope: "/project/p1/source/s1"}}, Denied: denied, Where: filter, Limit: 1000}
						compare(t, d, all, q)
					}
				}
			}
		}
		compare(t, d, all, db.Query{Limit: 1000})
	})
}

// settle stores a snapshot and a run in each of some places, and returns the snapshots.
func settle(t *testing.T, d *db.DB) (all []backstay.Snapshot) {
	t.Helper()
	write(t, d, func(tx *db.Tx) error {
		for _, p := range []string{"p", "p1"} {
			scope := backstay.ProjectScope(p)
			place := backstay.Placed{Project: p, Scope: scope}
			storage := &backstay.Storage{Record: record("st" + p), Placed: place, Name: "Disk"}
			repository := &backstay.Repository{Record: record("r" + p), Placed: place, Name: "Main", Storage: "st" + p}
			for _, err := range []error{db.Insert(t.Context(), tx, &backstay.Project{Record: record(p), Name: p, Scope: scope}), db.Insert(t.Context(), tx, storage), db.Insert(t.Context(), tx, repository)} {
				if err != nil {
					return err
				}
			}
			for i, home := range []backstay.Scope{scope, scope.Of("source", "s"), scope.Of("source", "s1"), scope.Of("source", "sx"), scope.Of("repository", "r")} {
				for _, owner := range []string{"", "ada", "bob"} {
					id := fmt.Sprint(p, "-", i, owner)
					s := backstay.Snapshot{Record: record(id), Placed: backstay.Placed{Project: p, Owner: owner, Scope: home.Of("snapshot", id)}, Repository: "r" + p, Handle: id, Time: epoch, Health: backstay.HealthGood}
					run := backstay.Run{Record: record(id), Placed: backstay.Placed{Project: p, Owner: owner, Scope: home.Of("run", id)}, Kind: backstay.RunBackup, State: backstay.Succeeded, DueAt: epoch, Trigger: "person"}
					if err := db.Insert(t.Context(), tx, &s); err != nil {
						return err
					}
					if err := db.Insert(t.Context(), tx, &run); err != nil {
						return err
					}
					all = append(all, s)
				}
			}
		}
		return nil
	})
	return all
}

func compare(t *testing.T, d *db.DB, all []backstay.Snapshot, q db.Query) {
	t.Helper()
	var want, snapshots, runs, wantRuns []string
	for _, s := range all {
		asRun := backstay.Scope(strings.Replace(string(s.Scope), "/snapshot/", "/run/", 1))
		if len(q.Where) > 0 && s.Project != q.Where[0].Value {
			continue
		}
		if reaches(q, s.Scope, s.Owner) {
			want = append(want, s.ID)
		}
		if reaches(q, asRun, s.Owner) {
			wantRuns = append(wantRuns, s.ID)
		}
	}
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		page, _, err := db.List[backstay.Snapshot](t.Context(), tx, q)
		for _, s := range page {
			snapshots = append(snapshots, s.ID)
		}
		if err != nil {
			return err
		}
		found, _, err := db.List[backstay.Run](t.Context(), tx, q)
		for _, r := range found {
			runs = append(runs, r.ID)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, ids := range [][]string{want, wantRuns, snapshots, runs} {
		slices.Sort(ids)
	}
	if !slices.Equal(snapshots, want) || !slices.Equal(runs, wantRuns) {
		t.Errorf("within %v but for %v, where %v: snapshots %v, want %v; runs %v, want %v", q.Reach, q.Denied, q.Where, snapshots, want, runs, wantRuns)
	}
}

func reaches(q db.Query, scope backstay.Scope, owner string) bool {
	in := slices.ContainsFunc(q.Reach, func(r backstay.Reach) bool { return r.Scope.Covers(scope) && (r.Owner == "" || r.Owner == owner) })
	return in && !slices.ContainsFunc(q.Denied, func(s backstay.Scope) bool { return s.Covers(scope) })
}
