package catalog

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgres is the dialect of a schema named catalogue.
func postgres(url string) (*dialect, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the address of the database can't be read") // err might tell the password
	}
	config.RuntimeParams["search_path"] = "catalogue"
	config.RuntimeParams["plan_cache_mode"] = "force_custom_plan" // which way is short depends on the text
	open := func() (read, write *sql.DB, err error) {
		db := stdlib.OpenDB(*config)
		db.SetMaxOpenConns(8)
		db.SetMaxIdleConns(4)
		return db, db, nil
	}
	return &dialect{
		connect:   open,
		alone:     func(ctx context.Context, fn func() error) error { return lockPostgres(ctx, *config, fn) },
		drop:      func(ctx context.Context) error { return dropSchema(ctx, *config) },
		schema:    postgresSchema,
		missing:   isState("42P01", "3F000"), // no such table, no such schema
		damaged:   isState("XX001", "XX002"),
		numbered:  true,
		isolation: sql.LevelRepeatableRead,
		lock:      lockWriters,
		unlock:    `SELECT pg_advisory_unlock(718281828459045)`,
		settle:    []string{`SELECT gin_clean_pending_list('names_grams')`, `ANALYZE versions, names, dirs, moments, snapshots`},
		names:     postgresNames,
		column:    "n.id",
		ranges:    1 << 10,
		check: func(p pattern) (string, []any) {
			return `n.folded LIKE ?`, []any{p.like()}
		},
	}, nil
}

const lockWriters = `SELECT pg_advisory_lock(718281828459045)`

// lockPostgres calls fn while no other process writes.
func lockPostgres(ctx context.Context, config pgx.ConnConfig, fn func() error) (err error) {
	db := stdlib.OpenDB(config)
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }() // gives the lock back
	if _, err := conn.ExecContext(ctx, lockWriters); err != nil {
		return err
	}
	return fn()
}

// dropSchema makes room for a new schema, and sees to the extension, which belongs to the database and not to the schema.
func dropSchema(ctx context.Context, config pgx.ConnConfig) (err error) {
	db := stdlib.OpenDB(config)
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, statement := range []string{
		`DROP SCHEMA IF EXISTS catalogue CASCADE`,
		`CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public`,
		`CREATE SCHEMA catalogue`,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func postgresSchema() []string {
	all := statements(strings.ReplaceAll(tables, " BLOB", " BYTEA"))
	all = append(all, `CREATE INDEX names_by_start ON names ((substr(folded, 1, 2) COLLATE "C"))`)
	return append(all, `DO $$ BEGIN EXECUTE format('CREATE INDEX names_grams ON names USING gin (folded %I.gin_trgm_ops)',
		(SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm')); END $$`)
}

// postgresNames looks for a beginning by its first two characters too: pg_trgm knows letters and digits only.
func postgresNames(p pattern) (string, []any) {
	if !p.start {
		return `SELECT n.id FROM names n WHERE n.folded LIKE ?`, []any{p.like()}
	}
	least := []rune(p.text)
	least = least[:min(2, len(least))]
	most := string(least)
	if len(least) < 2 {
		most += string(unicode.MaxRune)
	}
	return `SELECT n.id FROM names n WHERE substr(n.folded, 1, 2) COLLATE "C" BETWEEN ? AND ? AND n.folded LIKE ?`,
		[]any{string(least), most, p.like()}
}

func isState(states ...string) func(error) bool {
	return func(err error) bool {
		var e *pgconn.PgError
		if !errors.As(err, &e) {
			return false
		}
		for _, state := range states {
			if e.Code == state {
				return true
			}
		}
		return false
	}
}
