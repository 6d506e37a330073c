package db_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/test/servers"
)

// each runs a test on a new database of each kind.
func each(t *testing.T, fn func(t *testing.T, d *db.DB, location string)) {
	t.Helper()
	for name, location := range map[string]func(t *testing.T) string{
		"SQLite":     func(t *testing.T) string { return filepath.Join(t.TempDir(), "backstay.db") },
		"PostgreSQL": func(t *testing.T) string { return servers.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			at := location(t)
			fn(t, open(t, at), at)
		})
	}
}

func open(t *testing.T, location string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), location)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// fataler is a test or a case of a property.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func write(t fataler, d *db.DB, fn func(tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(context.Background(), fn); err != nil {
		t.Fatalf("Write = %v", err)
	}
}

var epoch = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func record(id string) backstay.Record {
	return backstay.Record{ID: id, CreatedAt: epoch, UpdatedAt: epoch, Version: 1}
}

func person(id string) *backstay.User {
	return &backstay.User{Record: record(id), Name: id, Email: id + "@example.org"}
}

func TestAnUpdateNamesTheVersionItWasMadeFrom(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB, _ string) {
		write(t, d, func(tx *db.Tx) error { return db.Insert(t.Context(), tx, person("ada")) })
		mine, theirs := person("ada"), person("ada")
		theirs.Name, mine.Name = "Theirs", "Mine"
		write(t, d, func(tx *db.Tx) error { return db.Update(t.Context(), tx, theirs) })
		err := d.Write(t.Context(), func(tx *db.Tx) error { return db.Update(t.Context(), tx, mine) })
		if !errors.Is(err, db.ErrChanged) || mine.Version != 1 {
			t.Errorf("Update of an old version = %v, and its version is %d", err, mine.Version)
		}
		write(t, d, func(tx *db.Tx) error {
			u, err := db.Find[backstay.User](t.Context(), tx, "ada")
			if u.Name != "Theirs" || u.Version != 2 {
				t.Errorf("the person is %q of version %d", u.Name, u.Version)
			}
			return err
		})
	})
}

func TestWhatIsTakenOrInUseIsSaidSo(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB, _ string) {
		ctx := t.Context()
		project := &backstay.Project{Record: record("p"), Name: "P", Scope: "/project/p"}
		source := &backstay.Source{Record: record("s"), Placed: backstay.Placed{Project: "p", Scope: "/project/p/source/s"}, Name: "S", Kind: "files", Settings: map[string]string{}}
		write(t, d, func(tx *db.Tx) error {
			return errors.Join(db.Insert(ctx, tx, person("ada")), db.Insert(ctx, tx, project), db.Insert(ctx, tx, source))
		})
		other := person("bob")
		other.Email = "ADA@example.org"
		orphan := *source
		orphan.ID, orphan.Name, orphan.Project = "t", "T", "nowhere"
		for name, c := range map[string]struct {
			do   func(tx *db.Tx) error
			want error
		}{
			"the same id":                       {func(tx *db.Tx) error { return db.Insert(ctx, tx, person("ada")) }, db.ErrTaken},
			"the same address in capitals":      {func(tx *db.Tx) error { return db.Insert(ctx, tx, other) }, db.ErrTaken},
			"a project that still has a source": {func(tx *db.Tx) error { return db.Delete[backstay.Project](ctx, tx, "p") }, db.ErrInUse},
			"a source in a project that isn't":  {func(tx *db.Tx) error { return db.Insert(ctx, tx, &orphan) }, db.ErrInUse},
			"a deletion of what is not there":   {func(tx *db.Tx) error { return db.Delete[backstay.Project](ctx, tx, "q") }, db.ErrNotFound},
			"finding what is not there":         {func(tx *db.Tx) error { _, err := db.Find[backstay.Project](ctx, tx, "q"); return err }, db.ErrNotFound},
			"a list that is sorted by a secret": {func(tx *db.Tx) error {
				_, _, err := db.List[backstay.Source](ctx, tx, db.Query{Sort: "sealed"})
				return err
			}, db.ErrQuery},
			"a list that is sorted by a list": {func(tx *db.Tx) error {
				_, _, err := db.List[backstay.Group](ctx, tx, db.Query{Sort: "members"})
				return err
			}, db.ErrQuery},
			"a list that is sorted by nothing": {func(tx *db.Tx) error {
				_, _, err := db.List[backstay.Group](ctx, tx, db.Query{Sort: "colour"})
				return err
			}, db.ErrQuery},
			"a list that begins at no cursor": {func(tx *db.Tx) error {
				_, _, err := db.List[backstay.Group](ctx, tx, db.Query{Cursor: "x"})
				return err
			}, db.ErrQuery},
		} {
			if err := d.Write(ctx, c.do); !errors.Is(err, c.want) {
				t.Errorf("%s = %v, want %v", name, err, c.want)
			}
		}
	})
}

// TestPagesHoldEachRecordOnce goes through lists in every order that there is, with many equal values and values that are not there.
func TestPagesHoldEachRecordOnce(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB, _ string) {
		ctx := t.Context()
		const people = 57
		write(t, d, func(tx *db.Tx) error {
			for i := range people {
				u := person(fmt.Sprintf("u%02d", i*31%people))
				u.Name, u.Disabled, u.CreatedAt = []string{"Ada", "bob", "Änne", "_", "Z"}[i%5], i%3 == 0, epoch.Add(time.Duration(i%4)*time.Microsecond)
				if i%3 != 1 {
					at := epoch.Add(time.Duration(i%7) * 100 * time.Millisecond)
					u.LastSeenAt = &at
				}
				if err := db.Insert(ctx, tx, u); err != nil {
					return err
				}
			}
			return nil
		})
		for _, sort := range []string{"", "id", "name", "email", "disabled", "created_at", "last_seen_at", "version"} {
			for _, desc := range []bool{false, true} {
				for _, limit := range []int{1, 7, 56, 57, 1000} {
					all := pages(t, d, db.Query{Sort: sort, Desc: desc, Limit: limit})
					ids := make([]string, len(all))
					for i, u := range all {
						ids[i] = u.ID
					}
					slices.Sort(ids)
					if len(ids) != people || len(slices.Compact(ids)) != people {
						t.Errorf("by %q, desc %v, pages of %d: %d records, %d of them different", sort, desc, limit, len(all), len(slices.Compact(ids)))
					}
					for i := 1; sort == "last_seen_at" && i < len(all); i++ {
						before, after := seen(all[i-1]), seen(all[i])
						if desc && before.Before(after) || !desc && after.Before(before) {
							t.Errorf("by last_seen_at, desc %v: %v comes before %v", desc, before, after)
						}
					}
				}
			}
		}
	})
}

func seen(u backstay.User) time.Time {
	if u.LastSeenAt == nil {
		return time.Time{}
	}
	return *u.LastSeenAt
}

func pages(t fataler, d *db.DB, q db.Query) (all []backstay.User) {
	t.Helper()
	for {
		err := d.Read(context.Background(), func(tx *db.Tx) error {
			page, next, err := db.List[backstay.User](context.Background(), tx, q)
			all, q.Cursor = append(all, page...), next
			return err
		})
		if err != nil {
			t.Fatalf("List by %q = %v", q.Sort, err)
		}
		if q.Cursor == "" || len(all) > 1000 {
			return all
		}
	}
}

// TestAListHoldsWhatDecideAllows compares the region that a list is filtered by with the answer for each single record.
func TestAListHoldsWhatDecideAllows(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB, _ string) {
		ctx := context.Background()
		var all []backstay.Source
		write(t, d, func(tx *db.Tx) error {
			for _, p := range []string{"a", "a_b", "axb", "a%"} {
				project := &backstay.Project{Record: record(p), Name: p, Scope: backstay.ProjectScope(p)}
				if err := db.Insert(ctx, tx, project); err != nil {
					return err
				}
				for i, owner := range []string{"", "u", "v"} {
					s := backstay.Source{Record: record(fmt.Sprint(p, "-s", i)), Placed: backstay.Placed{Project: p, Owner: owner}, Name: fmt.Sprint("S", i), Kind: "files", Settings: map[string]string{}}
					s.Scope = project.Scope.Of("source", s.ID)
					if err := db.Insert(ctx, tx, &s); err != nil {
						return err
					}
					all = append(all, s)
				}
			}
			return nil
		})
		scopes := rapid.SampledFrom([]backstay.Scope{"/", "/system", "/project/a", "/project/a_b", "/project/a%", "/project/a/source/a-s1", "/project/axb/source/axb-s2"})
		rapid.Check(t, func(t *rapid.T) {
			who := backstay.Actor{User: rapid.SampledFrom([]string{"u", "v"}).Draw(t, "user")}
			for range rapid.IntRange(0, 4).Draw(t, "grants") {
				who.Rights = append(who.Rights, backstay.Right{Role: rapid.SampledFrom(backstay.BuiltInRoles()).Draw(t, "role"), Scope: scopes.Draw(t, "scope"),
					Effect: rapid.SampledFrom([]backstay.Effect{backstay.Allow, backstay.Allow, backstay.Deny}).Draw(t, "effect")})
			}
			if rapid.Bool().Draw(t, "token") {
				who.Token = &backstay.Token{Permissions: []backstay.Permission{backstay.ReadSources}, Within: scopes.Draw(t, "within")}
			}
			var want, got []string
			for _, s := range all {
				if backstay.Decide(who, backstay.ReadSources, s.Scope, s.Owner).Allowed {
					want = append(want, s.ID)
				}
			}
			q := db.Query{Sort: "id", Limit: 100}
			q.Reach, q.Denied = backstay.ReachOf(who, backstay.ReadSources)
			err := d.Read(ctx, func(tx *db.Tx) error {
				page, _, err := db.List[backstay.Source](ctx, tx, q)
				for _, s := range page {
					got = append(got, s.ID)
				}
				return err
			})
			slices.Sort(want)
			slices.Sort(got)
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("the list holds %v, Decide allows %v; %v", got, want, err)
			}
		})
	})
}

func TestManyProcessesMayBringADatabaseUpToDateAtOnce(t *testing.T) {
	for name, location := range map[string]string{"SQLite": filepath.Join(t.TempDir(), "backstay.db"), "PostgreSQL": servers.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			failed := make(chan error, 8)
			for range cap(failed) {
				go func() {
					d, err := db.Open(t.Context(), location)
					if err == nil {
						err = errors.Join(d.Write(t.Context(), func(tx *db.Tx) error { return tx.Remember(t.Context(), "x", "y") }), d.Close())
					}
					failed <- err
				}()
			}
			for range cap(failed) {
				if err := <-failed; err != nil {
					t.Errorf("Open beside others = %v", err)
				}
			}
			again := open(t, location)
			write(t, again, func(tx *db.Tx) error {
				if got, err := tx.Recall(t.Context(), "x"); got != "y" || err != nil {
					t.Errorf("after another Open what was kept is %q, %v", got, err)
				}
				return nil
			})
		})
	}
}

func TestADatabaseOfANewerVersionIsLeftAlone(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB, location string) {
		if err := db.PretendMigration(t.Context(), d, 99999); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Open(t.Context(), location); !errors.Is(err, db.ErrNewer) || !strings.Contains(err.Error(), "99999") {
			t.Errorf("Open = %v, want ErrNewer", err)
		}
	})
}
