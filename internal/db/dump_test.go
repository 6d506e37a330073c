package db_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/test/servers"
)

// old makes a database of an older schema, which has a row in each table, and brings it up to date.
func old(t *testing.T) *db.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "old.db")
	load(t, path, "testdata/schema1.sql")
	return open(t, path)
}

func dump(t *testing.T, d *db.DB) []byte {
	t.Helper()
	var b bytes.Buffer
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.Dump(t.Context(), &b, db.DumpHead{Made: epoch, Program: "1", Keys: []string{"key"}})
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func accept(db.DumpHead) error { return nil }

func nothing(*db.Tx, db.DumpHead) error { return nil }

// tables are the lines of a dump but for its head and end, which tell of its making.
func tables(t *testing.T, dump []byte) string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(string(dump)), "\n")
	return strings.Join(lines[1:len(lines)-1], "\n")
}

func TestADumpIsTheSameInEitherKindOfDatabase(t *testing.T) {
	want := dump(t, old(t))
	each(t, func(t *testing.T, _ *db.DB, _ string) {
		for kind, location := range map[string]string{"SQLite": filepath.Join(t.TempDir(), "new.db"), "PostgreSQL": servers.Postgres(t)} {
			rows, err := db.Load(t.Context(), location, bytes.NewReader(want), accept, nothing)
			if err != nil {
				t.Fatalf("Load into %s = %v", kind, err)
			}
			if rows["users"] != 1 || rows["runs"] != 1 || rows["audit_events"] == 0 || rows["sessions"] != 0 {
				t.Errorf("rows = %v", rows)
			}
			if got := dump(t, open(t, location)); tables(t, got) != tables(t, want) {
				t.Errorf("the dump of %s is\n%s\nand of that which it was loaded from\n%s", kind, tables(t, got), tables(t, want))
			}
		}
	})
}

// TestNoTableIsForgottenInADump finds the tables of a new migration: each is dumped, or named among those that are not.
func TestNoTableIsForgottenInADump(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB, _ string) {
		text := tables(t, dump(t, d))
		for _, table := range []string{"users", "factors", "tokens", "groups", "roles", "grants", "projects", "sources", "modules", "storages", "repositories", "plans", "runs", "snapshots",
			"restores", "channels", "notification_rules", "alerts", "audit_events", "audit_head", "audit_marks", "queue_head", "settings", "usage"} {
			if !strings.Contains(text, `{"table":"`+table+`"`) {
				t.Errorf("table %q is not dumped", table)
			}
		}
		for _, table := range []string{"sessions", "links", "attempts", "ceremonies", "deliveries", "run_lines", "goose_db_version"} {
			if strings.Contains(text, `{"table":"`+table+`"`) {
				t.Errorf("table %q is dumped", table)
			}
		}
	})
}

func TestABrokenDumpLeavesAnEmptyDatabase(t *testing.T) {
	good := dump(t, old(t))
	cut := good[:bytes.LastIndexByte(bytes.TrimSpace(good), '\n')+1]
	each(t, func(t *testing.T, _ *db.DB, _ string) {
		for kind, location := range map[string]string{"SQLite": filepath.Join(t.TempDir(), "new.db"), "PostgreSQL": servers.Postgres(t)} {
			for what, c := range map[string]struct {
				dump []byte
				want error
			}{
				"nothing":                 {nil, db.ErrBadDump},
				"something else":          {[]byte("{}\n"), db.ErrBadDump},
				"without its end":         {cut, db.ErrBadDump},
				"half of it":              {good[:len(good)/2], db.ErrBadDump},
				"with a name changed":     {bytes.Replace(good, []byte("Home backups"), []byte("Hone backups"), 1), db.ErrBadDump},
				"without a line":          {without(good, 5), db.ErrBadDump},
				"of a newer schema":       {bytes.Replace(good, []byte(`"schema":`), []byte(`"schema":9`), 1), db.ErrNewer},
				"of a newer format":       {bytes.Replace(good, []byte(`"format":1`), []byte(`"format":2`), 1), db.ErrNewer},
				"with a column of others": {bytes.Replace(good, []byte(`"email"`), []byte(`"phones"`), 1), db.ErrBadDump},
			} {
				if _, err := db.Load(t.Context(), location, bytes.NewReader(c.dump), accept, nothing); !errors.Is(err, c.want) {
					t.Errorf("Load of a dump %s into %s = %v, want %v", what, kind, err, c.want)
				}
			}
			refused := errors.New("not this one")
			if _, err := db.Load(t.Context(), location, bytes.NewReader(good), func(db.DumpHead) error { return refused }, nothing); !errors.Is(err, refused) {
				t.Errorf("Load of what is refused = %v", err)
			}
			if _, err := db.Load(t.Context(), location, bytes.NewReader(good), accept, func(*db.Tx, db.DumpHead) error { return refused }); !errors.Is(err, refused) {
				t.Errorf("Load that ends badly = %v", err)
			}
			if _, err := db.Load(t.Context(), location, bytes.NewReader(good), accept, nothing); err != nil { // and it is as if nothing had been tried
				t.Errorf("Load into %s = %v", kind, err)
			}
			if _, err := db.Load(t.Context(), location, bytes.NewReader(good), accept, nothing); !errors.Is(err, db.ErrNotEmpty) {
				t.Errorf("Load into what is full = %v", err)
			}
		}
	})
}

func without(dump []byte, line int) []byte {
	lines := bytes.SplitAfter(dump, []byte("\n"))
	return bytes.Join(append(lines[:line:line], lines[line+1:]...), nil)
}

// TestADumpOfAnOlderSchemaIsBroughtUpToDate writes the dump that a program of the first schema would have made.
func TestADumpOfAnOlderSchemaIsBroughtUpToDate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "old.db")
	load(t, path, "testdata/schema1.sql")
	first, err := db.DumpAsItIs(t.Context(), path)
	if err != nil || !strings.Contains(string(first), `"schema":1,`) || strings.Contains(string(first), "notification_rules") {
		t.Fatalf("the dump of the first schema = %s, %v", first, err)
	}
	for kind, location := range map[string]string{"SQLite": filepath.Join(t.TempDir(), "new.db"), "PostgreSQL": servers.Postgres(t)} {
		if _, err := db.Load(t.Context(), location, bytes.NewReader(first), accept, func(tx *db.Tx, _ db.DumpHead) error {
			return errors.Join(tx.EndRuns(t.Context(), `{"code":"BST-7002","text":"x"}`, epoch), tx.HandlePlans(t.Context(), epoch))
		}); err != nil {
			t.Fatalf("Load into %s = %v", kind, err)
		}
		if text := tables(t, dump(t, open(t, location))); !strings.Contains(text, "notification_rules") || !strings.Contains(text, "ada") {
			t.Errorf("%s has %s", kind, text)
		}
	}
}

func TestADumpIsOfOneMoment(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB, _ string) {
		write(t, d, func(tx *db.Tx) error { return db.Insert(t.Context(), tx, person("ada")) })
		r, w := io.Pipe()
		go func() {
			w.CloseWithError(d.Read(t.Context(), func(tx *db.Tx) error {
				if err := db.Touch(t.Context(), tx); err != nil { // the moment
					return err
				}
				if _, err := io.WriteString(w, "begun\n"); err != nil {
					return err
				}
				return tx.Dump(t.Context(), w, db.DumpHead{})
			}))
		}()
		if _, err := fmt.Fscanln(r, new(string)); err != nil {
			t.Fatal(err)
		}
		write(t, d, func(tx *db.Tx) error { return db.Insert(t.Context(), tx, person("bob")) })
		text, err := io.ReadAll(r)
		if err != nil || !strings.Contains(string(text), `"ada"`) || strings.Contains(string(text), `"bob"`) {
			t.Errorf("dump = %s, %v", text, err)
		}
	})
}
