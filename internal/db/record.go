package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/backstay/backstay"
)

// Errors that have a meaning for the caller.
var (
	ErrNotFound = errors.New("not there")               // no record has that id
	ErrChanged  = errors.New("changed by another")      // the record no longer has the version that the update was made from
	ErrTaken    = errors.New("already taken")           // another record has what must be unique
	ErrInUse    = errors.New("something else needs it") // another record refers to it
	ErrDamaged  = errors.New("the database is damaged") // what it says is not what was written
)

// record is a noun that has a backstay.Record.
type record[T any] interface {
	*T
	Base() *backstay.Record
}

// Find returns the record of an id; ErrNotFound if there is none.
func Find[T any](ctx context.Context, tx *Tx, id string) (v T, err error) {
	err = tx.tx.NewSelect().Model(&v).Where("id = ?", id).Scan(ctx)
	return v, explain("find", err)
}

// FindBy returns the one record whose column has a value; ErrNotFound if there is none.
func FindBy[T any](ctx context.Context, tx *Tx, column, value string) (v T, err error) {
	err = tx.tx.NewSelect().Model(&v).Where("? = ?", bun.Ident(column), value).Limit(1).Scan(ctx)
	return v, explain("find", err)
}

// Insert adds a record; ErrTaken if there is one that it may not be beside.
func Insert[T any](ctx context.Context, tx *Tx, v *T) error {
	_, err := tx.tx.NewInsert().Model(v).Exec(ctx)
	return explain("insert", err)
}

// Update replaces the record that has the id and version of v, and counts its version up; ErrChanged if there is none.
func Update[T any, P record[T]](ctx context.Context, tx *Tx, v P) error {
	base := v.Base()
	was := base.Version
	base.Version++
	result, err := tx.tx.NewUpdate().Model(v).Where("id = ? and version = ?", base.ID, was).Exec(ctx)
	if err == nil && affected(result) == 0 {
		err = ErrChanged
	}
	if err != nil {
		base.Version = was
	}
	return explain("update", err)
}

// Delete removes the record of an id; ErrNotFound if there is none, ErrInUse if another one refers to it.
func Delete[T any](ctx context.Context, tx *Tx, id string) error {
	result, err := tx.tx.NewDelete().Model((*T)(nil)).Where("id = ?", id).Exec(ctx)
	if err == nil && affected(result) == 0 {
		err = ErrNotFound
	}
	return explain("delete", err)
}

// exec runs a statement and returns how many rows it concerned.
func (tx *Tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := tx.tx.NewRaw(query, args...).Exec(ctx)
	if err != nil {
		return 0, explain("change", err)
	}
	return affected(result), nil
}

func affected(r sql.Result) int64 {
	n, err := r.RowsAffected()
	if err != nil {
		return 0 // both drivers know it
	}
	return n
}

// explain gives an error of a driver its meaning.
func explain(verb string, err error) error {
	if err == nil || errors.Is(err, ErrChanged) || errors.Is(err, ErrNotFound) {
		return err
	}
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	switch {
	case damaged(err):
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	case unreachable(err):
		err = fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	meaning := err
	var pg *pgconn.PgError
	var lite *sqlite.Error
	switch {
	case errors.As(err, &pg) && pg.Code == "23505":
		meaning = fmt.Errorf("%w: %s", ErrTaken, pg.ConstraintName)
	case errors.As(err, &pg) && pg.Code == "23503":
		meaning = ErrInUse
	case errors.As(err, &lite) && (lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
		_, columns, _ := strings.Cut(lite.Error(), "failed: ")
		meaning = fmt.Errorf("%w: %s", ErrTaken, columns)
	case errors.As(err, &lite) && (lite.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY || lite.Code() == sqlite3.SQLITE_CONSTRAINT_TRIGGER):
		meaning = ErrInUse
	}
	return fmt.Errorf("database: %s: %w", verb, meaning)
}

// damaged reports whether a database finds its own files wrong.
func damaged(err error) bool {
	var pg *pgconn.PgError
	var lite *sqlite.Error
	switch {
	case errors.As(err, &pg):
		return pg.Code == "XX001" || pg.Code == "XX002"
	case errors.As(err, &lite):
		return lite.Code()&0xff == sqlite3.SQLITE_CORRUPT || lite.Code()&0xff == sqlite3.SQLITE_NOTADB
	}
	return false
}
