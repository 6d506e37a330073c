package db

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun"
)

// Errors of Load.
var (
	ErrNotEmpty = errors.New("the database is not empty")
	ErrBadDump  = errors.New("the copy of the settings is damaged")
)

// loadAtOnce is how many rows one statement inserts.
const loadAtOnce = 100

// Load fills an empty database with a dump, all of it or nothing, and brings its tables up to date. The check of the head comes first. What
// after does belongs to the same transaction, in which the tables have the schema of the head. It returns how many rows each table got.
func Load(ctx context.Context, location string, r io.Reader, check func(DumpHead) error, after func(*Tx, DumpHead) error) (rows map[string]int, err error) {
	in := newDumpReader(r)
	var head DumpHead
	line, err := in.next()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadDump, err)
	}
	if err := decode(line, &head); err != nil || head.Format == 0 {
		return nil, fmt.Errorf("%w: its first line is not that of one", ErrBadDump)
	}
	if head.Format > dumpFormat {
		return nil, fmt.Errorf("%w: the copy has the format %d, this program knows %d", ErrNewer, head.Format, dumpFormat)
	}
	if err := check(head); err != nil {
		return nil, err
	}
	d, err := connect(location)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	p, err := d.migrations()
	if err != nil {
		return nil, err
	}
	if err := upTo(ctx, p, head.Schema); err != nil {
		return nil, err
	}
	err = d.Write(ctx, func(tx *Tx) error {
		if err := tx.empty(ctx); err != nil {
			return err
		}
		if rows, err = tx.load(ctx, in); err != nil {
			return err
		}
		return after(tx, head)
	})
	if err != nil {
		return nil, err
	}
	return rows, d.migrate(ctx)
}

// upTo makes the tables of a schema.
func upTo(ctx context.Context, p *goose.Provider, schema int64) error {
	has, want, err := p.GetVersions(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("read the version of the database: %w", err)
	case schema > want:
		return fmt.Errorf("%w: its tables have version %d, this program knows %d", ErrNewer, schema, want)
	case has > schema:
		return fmt.Errorf("%w: its tables have version %d, those of the copy %d", ErrNotEmpty, has, schema)
	case has == schema:
		return nil
	}
	if _, err := p.UpTo(ctx, schema); err != nil {
		return fmt.Errorf("make the tables: %w", err)
	}
	return nil
}

// empty returns ErrNotEmpty if somebody has used the database.
func (tx *Tx) empty(ctx context.Context) error {
	tables, err := tx.Tables(ctx)
	if err != nil {
		return err
	}
	for _, table := range tables {
		if table == "settings" || strings.HasSuffix(table, "_head") { // these have rows from the beginning
			continue
		}
		var n int
		if err := tx.tx.NewRaw("select count(*) from ?", bun.Ident(table)).Scan(ctx, &n); err != nil {
			return explain("count", err)
		}
		if n > 0 {
			return fmt.Errorf("%w: its table %q has %d rows", ErrNotEmpty, table, n)
		}
	}
	return nil
}

// load inserts what a dump has after its head.
func (tx *Tx) load(ctx context.Context, in *dumpReader) (rows map[string]int, err error) {
	rows = map[string]int{}
	t := loader{tx: tx}
	for {
		line, err := in.next()
		if err != nil {
			return nil, fmt.Errorf("%w: it ends too early: %w", ErrBadDump, err)
		}
		if line[0] == '[' {
			if err := t.row(ctx, line); err != nil {
				return nil, fmt.Errorf("table %q: %w", t.table, err)
			}
			rows[t.table]++
			continue
		}
		if err := t.flush(ctx); err != nil {
			return nil, fmt.Errorf("table %q: %w", t.table, err)
		}
		var next struct {
			dumpedTable
			dumpEnd
		}
		if err := decode(line, &next); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBadDump, err)
		}
		if next.SHA256 != "" {
			maps.DeleteFunc(next.Rows, func(_ string, n int) bool { return n == 0 })
			if next.SHA256 != hex.EncodeToString(in.sum) || !maps.Equal(next.Rows, rows) {
				return nil, fmt.Errorf("%w: its sum is wrong", ErrBadDump)
			}
			return rows, nil
		}
		if err := t.begin(ctx, next.dumpedTable); err != nil {
			return nil, fmt.Errorf("table %q: %w", next.Table, err)
		}
	}
}

// loader inserts the rows of one table after the other.
type loader struct {
	tx      *Tx
	table   string
	names   []bun.Ident
	columns []column
	rows    [][]any
}

// begin removes what a new table has of its own.
func (l *loader) begin(ctx context.Context, t dumpedTable) error {
	l.table, l.names, l.columns = t.Table, nil, nil
	known, err := l.tx.columns(ctx, t.Table)
	if err != nil {
		return err
	}
	types := map[string]string{}
	for _, c := range known {
		types[c.Name] = c.Type
	}
	for _, name := range t.Columns {
		if types[name] == "" {
			return fmt.Errorf("%w: there is no column %q", ErrBadDump, name)
		}
		l.names, l.columns = append(l.names, bun.Ident(name)), append(l.columns, column{name, types[name]})
	}
	_, err = l.tx.exec(ctx, "delete from ?", bun.Ident(t.Table))
	return err
}

func (l *loader) row(ctx context.Context, line []byte) error {
	var values []any
	if err := decode(line, &values); err != nil || len(values) != len(l.columns) {
		return fmt.Errorf("%w: a row has %d values, %v", ErrBadDump, len(values), err)
	}
	for i, c := range l.columns {
		v, err := c.value(values[i])
		if err != nil {
			return err
		}
		values[i] = v
	}
	if l.rows = append(l.rows, values); len(l.rows) < loadAtOnce {
		return nil
	}
	return l.flush(ctx)
}

// value is what a column takes, of what JSON has.
func (c column) value(v any) (any, error) {
	wrong := fmt.Errorf("%w: %T is no value of column %q", ErrBadDump, v, c.Name)
	switch of, err := c.cell(); of.(type) {
	case *numberCell:
		if n, ok := v.(json.Number); ok {
			return n.Int64()
		}
	case *boolCell:
		if _, ok := v.(bool); ok {
			return v, nil
		}
	case *timeCell:
		if text, ok := v.(string); ok {
			return time.Parse(time.RFC3339Nano, text)
		}
	case *textCell:
		if _, ok := v.(string); ok {
			return v, nil
		}
	default:
		return nil, err
	}
	if v == nil {
		return nil, nil
	}
	return nil, wrong
}

// flush inserts the rows that wait.
func (l *loader) flush(ctx context.Context) error {
	if len(l.rows) == 0 {
		return nil
	}
	var marks []string
	args := []any{bun.Ident(l.table), bun.List(l.names)}
	for _, row := range l.rows {
		marks, args = append(marks, "("+strings.TrimSuffix(strings.Repeat("?, ", len(row)), ", ")+")"), append(args, row...)
	}
	l.rows = l.rows[:0]
	_, err := l.tx.exec(ctx, "insert into ? (?) values "+strings.Join(marks, ", "), args...)
	return err
}

// EndRuns ends all runs that are not over: those at work with a failure, as JSON, and those that wait without having begun. The restores that
// they were for have failed.
func (tx *Tx) EndRuns(ctx context.Context, failure string, now time.Time) error {
	for _, s := range []struct{ is, becomes string }{{"running", "failed"}, {"pending", "cancelled"}} {
		if _, err := tx.exec(ctx, "update runs set state = ?, failure = ?, ended_at = ?, updated_at = ?, lease_until = null where state = ?", s.becomes, failure, now, now, s.is); err != nil {
			return err
		}
	}
	tables, err := tx.Tables(ctx)
	if err != nil || !slices.Contains(tables, "restores") {
		return err
	}
	_, err = tx.exec(ctx, "update restores set state = 'failed', failure = ?, updated_at = ? where state in ('planning', 'planned', 'applying')", failure, now)
	return err
}

// HandlePlans notes that all that was due up to now has had its run.
func (tx *Tx) HandlePlans(ctx context.Context, now time.Time) error {
	_, err := tx.exec(ctx, "update plans set handled_at = ?", now)
	return err
}
