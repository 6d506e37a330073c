package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// session runs SQL with ? placeholders on a pool, a connection or a transaction.
type session struct {
	d  *dialect
	on interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}
}

func (s session) exec(ctx context.Context, query string, args ...any) error {
	_, err := s.on.ExecContext(ctx, s.d.bind(query), args...)
	return err
}

// each calls fn for each row, which scans it.
func (s session) each(ctx context.Context, query string, args []any, fn func(scan func(...any) error) error) error {
	rows, err := s.on.QueryContext(ctx, s.d.bind(query), args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // what went wrong is in Err
	for rows.Next() {
		if err := fn(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// row scans the one row, or returns sql.ErrNoRows.
func (s session) row(ctx context.Context, query string, args []any, into ...any) error {
	found := false
	err := s.each(ctx, query, args, func(scan func(...any) error) error {
		found = true
		return scan(into...)
	})
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	return err
}

// numbers returns the only column of each row.
func (s session) numbers(ctx context.Context, query string, args ...any) (ns []int64, err error) {
	err = s.each(ctx, query, args, func(scan func(...any) error) error {
		var n int64
		err := scan(&n)
		ns = append(ns, n)
		return err
	})
	return ns, err
}

// tuples returns "(?,?),(?,?)" for so many rows of so many columns.
func tuples(rows, columns int) string {
	one := "(" + strings.Repeat("?,", columns-1) + "?)"
	return strings.Repeat(one+",", rows-1) + one
}

// keyTuples is tuples for numbers in a list that belongs to no table, where PostgreSQL has to be told their type.
func keyTuples(rows, columns int) string {
	return strings.ReplaceAll(tuples(rows, columns), "?", "CAST(? AS BIGINT)")
}

// list returns numbers as "(1,2,3)".
func list(ns []int64) string {
	b := []byte("(")
	for i, n := range ns {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	return string(append(b, ')'))
}

func anys(ns []int64) []any {
	args := make([]any, len(ns))
	for i, n := range ns {
		args[i] = n
	}
	return args
}

// read calls fn with what the catalogue was at one moment, whoever writes meanwhile.
func (c *Catalog) read(ctx context.Context, fn func(s session) error) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	tx, err := c.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: c.d.isolation})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing was changed
	return fn(session{d: c.d, on: tx})
}

// writer is the one who writes.
type writer struct {
	c    *Catalog
	conn *sql.Conn
}

// write calls fn when nobody else writes, here or in another process.
func (c *Catalog) write(ctx context.Context, fn func(w *writer) error) error {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.onWriter(ctx, func(w *writer) error {
		if c.d.lock != "" {
			if err := w.session().exec(ctx, c.d.lock); err != nil {
				return fmt.Errorf("wait for other writers: %w", err)
			}
			defer func() { // a connection that is broken has given its lock back
				_ = w.session().exec(context.WithoutCancel(ctx), c.d.unlock)
			}()
		}
		return fn(w)
	})
}

// onWriter calls fn with a connection for writing.
func (c *Catalog) onWriter(ctx context.Context, fn func(w *writer) error) (err error) {
	conn, err := c.writes.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return fn(&writer{c: c, conn: conn})
}

// tx calls fn in a transaction.
func (w *writer) tx(ctx context.Context, fn func(t session) error) error {
	tx, err := w.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(session{d: w.c.d, on: tx}); err != nil {
		_ = tx.Rollback() // the reason is what counts; a transaction that ctx has ended is gone already
		return err
	}
	return tx.Commit()
}
