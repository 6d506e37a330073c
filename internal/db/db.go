// Package db is the server's own database: what people set up, what ran, and the audit trail.
//
// It is SQLite in a file or PostgreSQL, by one code path: the same tables, the same SQL. A Tx is a transaction; nothing is read or
// written outside of one. Records of any noun are found, listed, inserted, updated and deleted by the functions of record.go; what
// a noun needs beyond that is a method of Tx in a file of its own, with its SQL in sight.
//
// The invariants: an update of a record names the version that it was made from, so that nobody's change is overwritten unseen; each
// schema that a released program made can be brought up to date by the migrations, which are only ever added to.
package db

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrNewer means that a newer program has changed the tables of the database.
var ErrNewer = errors.New("the database belongs to a newer version of Backstay")

// DB is an open database. Its methods may be called from any goroutine.
type DB struct {
	write, read *bun.DB // the same one with PostgreSQL; with SQLite the first has one connection, since there is one writer at a time
	postgres    bool
}

// Open opens the database at a location, a file or a postgres:// URL, and brings its tables up to date.
func Open(ctx context.Context, location string) (*DB, error) {
	d, err := connect(location)
	if err != nil {
		return nil, err
	}
	if err := d.migrate(ctx); err != nil {
		if damaged(err) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return nil, errors.Join(err, d.Close())
	}
	return d, d.Tidy(ctx)
}

// Tidy lets SQLite count what its indexes hold, where that isn't known or has changed much: without it it may take one that tells nearly nothing apart. It
// looks at some rows only. PostgreSQL does so by itself.
func (d *DB) Tidy(ctx context.Context) error {
	if d.postgres {
		return nil
	}
	if _, err := d.write.ExecContext(ctx, "PRAGMA optimize = 0x10002"); err != nil {
		return fmt.Errorf("count what indexes hold: %w", err)
	}
	return nil
}

// connect opens the database as it is.
func connect(location string) (*DB, error) {
	if IsPostgres(location) {
		return openPostgres(location)
	}
	return openSQLite(location)
}

// IsPostgres reports whether a location is a PostgreSQL database.
func IsPostgres(location string) bool {
	return strings.HasPrefix(location, "postgres://") || strings.HasPrefix(location, "postgresql://")
}

func openPostgres(location string) (*DB, error) {
	config, err := pgx.ParseConfig(location)
	if err != nil {
		return nil, errors.New("open database: its address is no PostgreSQL URL such as postgres://user:password@host:5432/database") // the cause may show the password
	}
	config.RuntimeParams["timezone"] = "UTC"
	config.RuntimeParams["jit"] = "off"                 // to compile a query takes longer than any of ours does
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // the values are in the text of each query: to prepare it would take a second answer, for nothing
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(20)
	pool.SetMaxIdleConns(10)
	b := bun.NewDB(pool, pgdialect.New())
	return &DB{write: b, read: b, postgres: true}, nil
}

// openSQLite opens a file. What a transaction wrote is on the disk when it is committed, also if the power fails right after.
func openSQLite(file string) (*DB, error) {
	pool := func(connections int, txlock string, pragmas ...string) (*bun.DB, error) {
		v := url.Values{"_txlock": {txlock}, "_time_format": {"sqlite"}, "_pragma": append([]string{
			"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"}, pragmas...)}
		sqldb, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?"+v.Encode())
		if err != nil {
			return nil, fmt.Errorf("open database %q: %w", file, err)
		}
		sqldb.SetMaxOpenConns(connections)
		sqldb.SetMaxIdleConns(connections)
		return bun.NewDB(sqldb, sqlitedialect.New()), nil
	}
	write, err := pool(1, "immediate")
	if err != nil {
		return nil, err
	}
	read, err := pool(8, "deferred", "query_only(1)")
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return &DB{write: write, read: read}, nil
}

// migrate brings the tables up to date. Several processes may do so at once.
func (d *DB) migrate(ctx context.Context) error {
	p, err := d.migrations()
	if err != nil {
		return err
	}
	for last := int64(-1); ; {
		has, err := up(ctx, p)
		if err == nil || errors.Is(err, ErrNewer) || has <= last {
			return err
		}
		last = has // with SQLite another process may have been faster: what it did is done, so look again
	}
}

// migrations are all that this program knows.
func (d *DB) migrations() (*goose.Provider, error) {
	dialect, files := goose.DialectSQLite3, must(fs.Sub(migrations, "migrations"))
	options := []goose.ProviderOption{goose.WithVerbose(false), goose.WithDisableGlobalRegistry(true)}
	if d.postgres {
		dialect = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300)) // asks each second, for five minutes; SQLite has one writer anyway
		if err != nil {
			return nil, fmt.Errorf("lock the migrations: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, d.write.DB, files, options...)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return p, nil
}

// up runs the migrations that are missing, and returns how far the tables were before.
func up(ctx context.Context, p *goose.Provider) (has int64, err error) {
	has, want, err := p.GetVersions(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the version of the database: %w", err)
	}
	if has > want {
		return has, fmt.Errorf("%w: its tables have version %d, this program knows %d", ErrNewer, has, want)
	}
	if has == want {
		return has, nil
	}
	if _, err := p.Up(ctx); err != nil {
		return has, fmt.Errorf("bring the database up to date: %w", err)
	}
	return has, nil
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // of files within the program
	}
	return v
}

// Close ends all connections.
func (d *DB) Close() error {
	if d.read == d.write {
		return d.write.Close()
	}
	return errors.Join(d.read.Close(), d.write.Close())
}

// Ping asks the database whether it is there.
func (d *DB) Ping(ctx context.Context) error { return d.read.PingContext(ctx) }

// Tx is a transaction. It is used by one goroutine.
type Tx struct {
	tx       bun.Tx
	postgres bool
}

// Read runs fn on one picture of the database.
func (d *DB) Read(ctx context.Context, fn func(*Tx) error) error {
	return d.run(ctx, d.read, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, fn)
}

// Write runs fn; all that it writes is there afterwards, or nothing if it returns an error.
func (d *DB) Write(ctx context.Context, fn func(*Tx) error) error {
	return d.run(ctx, d.write, nil, fn)
}

func (d *DB) run(ctx context.Context, b *bun.DB, opt *sql.TxOptions, fn func(*Tx) error) (err error) {
	if !d.postgres {
		opt = nil // the pools differ by themselves
	}
	tx, err := b.BeginTx(ctx, opt)
	if err != nil {
		return explain("begin transaction", err)
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback() // the first error counts; a connection that is gone has rolled back
		}
	}()
	if err := fn(&Tx{tx, d.postgres}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return explain("commit", err)
	}
	return nil
}
