package db_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// TestOlderDatabasesKeepTheirRows opens a database of each schema that a program had once. Where a migration changes a row on purpose, its
// file in testdata has a neighbour that says so; until now none does.
func TestOlderDatabasesKeepTheirRows(t *testing.T) {
	files, err := filepath.Glob("testdata/schema*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("schemas = %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "backstay.db")
			before := load(t, path, file)
			d, err := db.Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			readAll(t, d)
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			after := rows(t, openRaw(t, path), columns(t, openRaw(t, path), before))
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("rows (-before +after):\n%s", diff)
			}
			for table, all := range before {
				if len(all) == 0 {
					t.Errorf("%s has no row to keep", table)
				}
			}
		})
	}
}

func openRaw(t *testing.T, path string) *sql.DB {
	t.Helper()
	d, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// load makes a database of a dump, and returns its rows.
func load(t *testing.T, path, dump string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(dump)
	if err != nil {
		t.Fatal(err)
	}
	d := openRaw(t, path)
	defer d.Close()
	if _, err := d.ExecContext(t.Context(), string(text)); err != nil {
		t.Fatal(err)
	}
	return rows(t, d, columns(t, d, nil))
}

// columns returns those of each table, as they are asked for; only those that a row of before begins with, if it is not nil.
func columns(t *testing.T, d *sql.DB, before map[string][]string) map[string]string {
	t.Helper()
	all := map[string]string{}
	names, err := d.QueryContext(t.Context(), `select m.name, group_concat('"' || c.name || '"', ', ') from sqlite_master m, pragma_table_info(m.name) c
		where m.type = 'table' and m.name not like 'sqlite%' and m.name not like 'goose%' group by m.name`)
	if err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	for names.Next() {
		var table, list string
		if err := names.Scan(&table, &list); err != nil {
			t.Fatal(err)
		}
		all[table] = list
	}
	for table := range all {
		if was, ok := before[table]; before != nil && !ok {
			delete(all, table)
		} else if len(was) > 0 {
			all[table], _, _ = strings.Cut(was[0], ": ")
		}
	}
	return all
}

// rows returns what the columns of each table hold, as text.
func rows(t *testing.T, d *sql.DB, columns map[string]string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for table, list := range columns {
		found, err := d.QueryContext(t.Context(), fmt.Sprintf("select %s from %q order by 1", list, table))
		if err != nil {
			t.Fatal(err)
		}
		values := make([]any, strings.Count(list, ", ")+1)
		into := make([]any, len(values))
		for i := range values {
			into[i] = &values[i]
		}
		for found.Next() {
			if err := found.Scan(into...); err != nil {
				t.Fatal(err)
			}
			all[table] = append(all[table], fmt.Sprintf("%s: %v", list, values))
		}
		found.Close()
	}
	return all
}

// readAll reads every noun, as a program does.
func readAll(t *testing.T, d *db.DB) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		for _, read := range []func() error{one[backstay.User](t, tx), one[backstay.Factor](t, tx), one[backstay.Session](t, tx), one[backstay.Token](t, tx), one[backstay.Link](t, tx),
			one[backstay.Group](t, tx), one[backstay.Role](t, tx), one[backstay.Grant](t, tx), one[backstay.Project](t, tx), one[backstay.Source](t, tx), one[backstay.Module](t, tx),
			one[backstay.Storage](t, tx), one[backstay.Repository](t, tx), one[backstay.Plan](t, tx), one[backstay.Run](t, tx), one[backstay.Snapshot](t, tx)} {
			if err := read(); err != nil {
				return err
			}
		}
		p, err := db.Find[backstay.Plan](t.Context(), tx, "plans1")
		if err != nil || p.Schedule.At != "02:30" || p.Retention.Daily != 7 || !cmp.Equal(p.Excludes, []string{"*.tmp"}) || p.NextAt == nil {
			t.Errorf("plan = %+v, %v", p, err)
		}
		run, err := db.Find[backstay.Run](t.Context(), tx, "runs1")
		if err != nil || run.Failure == nil || run.Figures.Phases["read"] != 12 || len(run.Outcomes) != 1 {
			t.Errorf("run = %+v, %v", run, err)
		}
		set, err := tx.Settings(t.Context())
		if err != nil || set.Name != "Home backups" {
			t.Errorf("settings = %+v, %v", set, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// one reads all of a noun, of which there is one.
func one[T any](t *testing.T, tx *db.Tx) func() error {
	return func() error {
		all, err := db.All[T](t.Context(), tx)
		if err == nil && len(all) != 1 {
			t.Errorf("there are %d %T", len(all), *new(T))
		}
		return err
	}
}
