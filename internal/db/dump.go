package db

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// A dump is a copy of the tables that either kind of database reads: lines of JSON. The first is its DumpHead. Each table begins with a
// dumpedTable, and each of its rows is an array. The last line is a dumpEnd, without which a dump isn't whole.
const dumpFormat = 1

// DumpHead says what a dump is of.
type DumpHead struct {
	Format  int       `json:"format"`
	Schema  int64     `json:"schema"`            // the last migration of the database
	Made    time.Time `json:"made"`              // when
	Program string    `json:"program,omitempty"` // its version
	Keys    []string  `json:"keys,omitempty"`    // the ids of those that its secrets are sealed with, the current one first
}

type dumpedTable struct {
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
}

type dumpEnd struct {
	Rows   map[string]int `json:"rows"`   // of each table
	SHA256 string         `json:"sha256"` // of all lines before
}

// undumped are the tables that are of no use in another place or at another time: who is signed in or about to, what is on its way, and the
// logs of runs.
var undumped = []string{"sessions", "links", "attempts", "ceremonies", "deliveries", "run_lines"}

// Tables lists the tables of a dump; each comes after those that it refers to.
func (tx *Tx) Tables(ctx context.Context) (sorted []string, err error) {
	names := `select name from sqlite_master where type = 'table' and name not like 'sqlite%' order by name`
	references := `select m.name as child, f."table" as parent from sqlite_master m, pragma_foreign_key_list(m.name) f where m.type = 'table'`
	if tx.postgres {
		names = `select relname from pg_class where relkind = 'r' and relnamespace = (select oid from pg_namespace where nspname = current_schema()) order by relname collate "C"`
		references = `select c.relname as child, p.relname as parent from pg_constraint f, pg_class c, pg_class p where f.contype = 'f' and c.oid = f.conrelid and p.oid = f.confrelid`
	}
	var all []string
	var refers []struct{ Child, Parent string }
	if err := errors.Join(tx.tx.NewRaw(names).Scan(ctx, &all), tx.tx.NewRaw(references).Scan(ctx, &refers)); err != nil {
		return nil, explain("list tables", err)
	}
	var add func(name string)
	add = func(name string) {
		if slices.Contains(sorted, name) || slices.Contains(undumped, name) || strings.HasPrefix(name, "goose") {
			return
		}
		for _, r := range refers {
			if r.Child == name && r.Parent != name {
				add(r.Parent)
			}
		}
		sorted = append(sorted, name)
	}
	for _, name := range all {
		add(name)
	}
	return sorted, nil
}

// column is one of a table.
type column struct{ Name, Type string }

func (tx *Tx) columns(ctx context.Context, table string) (all []column, err error) {
	query := `select name, lower(type) as type from pragma_table_info(?) order by cid`
	if tx.postgres {
		query = `select column_name as name, data_type as type from information_schema.columns where table_schema = current_schema() and table_name = ? order by ordinal_position`
	}
	return all, explain("list columns", tx.tx.NewRaw(query, table).Scan(ctx, &all))
}

// cell is a place that a value of a column is read into, and the value as JSON has it.
type cell interface{ json() any }

type (
	textCell   struct{ sql.NullString }
	numberCell struct{ sql.NullInt64 }
	boolCell   struct{ sql.NullBool }
	timeCell   struct{ sql.NullTime }
)

func (c *textCell) json() any   { return orNil(c.Valid, c.String) }
func (c *numberCell) json() any { return orNil(c.Valid, c.Int64) }
func (c *boolCell) json() any   { return orNil(c.Valid, c.Bool) }
func (c *timeCell) json() any   { return orNil(c.Valid, c.Time.UTC()) }

func orNil(valid bool, v any) any {
	if !valid {
		return nil
	}
	return v
}

// sqliteTime is how times stand in SQLite.
const sqliteTime = "2006-01-02 15:04:05.999999999-07:00"

// Scan reads a time of either kind of database.
func (c *timeCell) Scan(v any) (err error) {
	text, ok := v.(string)
	if !ok {
		return c.NullTime.Scan(v)
	}
	c.Valid = true
	c.Time, err = time.Parse(sqliteTime, text)
	return err
}

func (c column) cell() (cell, error) {
	switch c.Type {
	case "text":
		return &textCell{}, nil
	case "bigint":
		return &numberCell{}, nil
	case "boolean":
		return &boolCell{}, nil
	case "timestamptz", "timestamp with time zone":
		return &timeCell{}, nil
	}
	return nil, fmt.Errorf("column %q has the type %q, which no dump knows", c.Name, c.Type)
}

// Dump writes a copy of the tables as they are at this moment. The schema of head is filled in.
func (tx *Tx) Dump(ctx context.Context, w io.Writer, head DumpHead) error {
	sum := sha256.New()
	buffer := bufio.NewWriterSize(w, 1<<16)
	out := json.NewEncoder(io.MultiWriter(buffer, sum))
	out.SetEscapeHTML(false)
	if err := tx.tx.NewRaw("select max(version_id) from goose_db_version where is_applied").Scan(ctx, &head.Schema); err != nil {
		return explain("read the version of the database", err)
	}
	head.Format = dumpFormat
	if err := out.Encode(head); err != nil {
		return err
	}
	tables, err := tx.Tables(ctx)
	if err != nil {
		return err
	}
	end := dumpEnd{Rows: map[string]int{}}
	for _, table := range tables {
		if end.Rows[table], err = tx.dumpTable(ctx, out, table); err != nil {
			return fmt.Errorf("dump table %q: %w", table, err)
		}
	}
	end.SHA256 = hex.EncodeToString(sum.Sum(nil))
	if err := json.NewEncoder(buffer).Encode(end); err != nil {
		return err
	}
	return buffer.Flush()
}

func (tx *Tx) dumpTable(ctx context.Context, out *json.Encoder, table string) (n int, err error) {
	columns, err := tx.columns(ctx, table)
	if err != nil {
		return 0, err
	}
	head, names := dumpedTable{Table: table}, []bun.Ident{}
	cells, into, row := make([]cell, len(columns)), make([]any, len(columns)), make([]any, len(columns))
	for i, c := range columns {
		head.Columns, names = append(head.Columns, c.Name), append(names, bun.Ident(c.Name))
		if cells[i], err = c.cell(); err != nil {
			return 0, err
		}
		into[i] = cells[i]
	}
	if err := out.Encode(head); err != nil {
		return 0, err
	}
	rows, err := tx.tx.QueryContext(ctx, "select ? from ? order by 1", bun.List(names), bun.Ident(table))
	if err != nil {
		return 0, explain("read", err)
	}
	defer func() { _ = rows.Close() }() // its error is that of Err
	for ; rows.Next(); n++ {
		if err := rows.Scan(into...); err != nil {
			return n, err
		}
		for i, c := range cells {
			row[i] = c.json()
		}
		if err := out.Encode(row); err != nil {
			return n, err
		}
	}
	return n, explain("read", rows.Err())
}

// maxDumpLine is more than any row has.
const maxDumpLine = 256 << 20

// dumpReader reads the lines of a dump.
type dumpReader struct {
	lines *bufio.Scanner
	sum   []byte // of the lines before this one
	hash  interface {
		io.Writer
		Sum([]byte) []byte
	}
}

func newDumpReader(r io.Reader) *dumpReader {
	d := &dumpReader{lines: bufio.NewScanner(r), hash: sha256.New()}
	d.lines.Buffer(make([]byte, 1<<16), maxDumpLine)
	return d
}

// next returns the next line; io.ErrUnexpectedEOF if there is none, since an end is a line too.
func (d *dumpReader) next() ([]byte, error) {
	d.sum = d.hash.Sum(nil)
	if !d.lines.Scan() {
		if err := d.lines.Err(); err != nil {
			return nil, err
		}
		return nil, io.ErrUnexpectedEOF
	}
	line := d.lines.Bytes()
	_, _ = d.hash.Write(line) // a hash takes everything
	_, _ = d.hash.Write([]byte{'\n'})
	return line, nil
}

// decode reads a line as what it has to be.
func decode(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	return d.Decode(into)
}
