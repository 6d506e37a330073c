// Package catalog is an index of which path is in which snapshots, for searches that read no repository.
//
// A version is a path as it stayed over some snapshots in a row: one row, made from what differs between two
// neighbours, so that the catalogue grows with change and not with the number of snapshots. A series is snapshots of one
// source in one repository, oldest first, each compared with the one before; a version names the moment of the snapshot
// it came with and the moment of the one it was gone by. A moment is the time of a snapshot in milliseconds, made
// distinct within its series. Names and directories are numbered, and the numbers of a source's names are a range of
// their own: a search within some sources touches nothing of the others.
//
// Everything here is derived from repositories: a catalogue that is lost, damaged or of another format is made anew,
// empty, and filled again by Fill. It lives in a SQLite file of its own or in a schema of its own of a PostgreSQL
// database; the SQL is the same but for what dialect.go says.
//
// The invariant: a snapshot is in answers only when all its changes are in, or as long as none has been taken out. It is
// marked while it is being added or removed, and what a killed process left half done is undone or finished by the next
// one that writes.
package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/backstay/backstay/engine/crypto"
)

// ErrDamaged means that the file of the catalogue is damaged: Rebuild makes it anew.
var ErrDamaged = errors.New("the catalogue is damaged")

// Snapshot names a snapshot in the catalogue.
type Snapshot struct {
	Repository string    // as the caller of Fill named it
	Source     string    // likewise
	ID         crypto.ID // its Identity, which stays when it is replaced
	Tree       crypto.ID
	Time       time.Time // in microseconds
	Lost       int64     // paths that could not be read, and so are missing from the catalogue
}

// Catalog is an open catalogue. Its methods may be called from any goroutine. One process opens a SQLite file; a
// PostgreSQL database is shared by several, of which one writes at a time.
type Catalog struct {
	d      *dialect
	limits limits
	turn   chan struct{} // of the one who writes

	mu     sync.RWMutex // guards what follows; held for writing while it is made anew
	db     *sql.DB      // for answers
	writes *sql.DB      // the same one in PostgreSQL
	anew   string
}

// limits bound what is done at once.
type limits struct {
	// chunk is how many changes are taken in, or versions deleted, by one transaction: what a writer holds in memory, and
	// how long others wait.
	chunk int
	// few is how many versions are fetched by their names and sorted. Of more than that the newest are found sooner by
	// looking at all versions from the newest on, since one in some hundred matches.
	few int
	// patience is how many entries of an index a page looks at, which takes about a fifth of a second.
	patience int
	// slice is how many versions of a moment are looked at by one statement, at first and later.
	slice, maxSlice int
	moments         int // that are listed by one statement
}

var usual = limits{chunk: 5000, few: 10_000, patience: 60_000, slice: 1000, maxSlice: 10_000, moments: 100}

// Open opens the catalogue in a SQLite file, or in the PostgreSQL database of a postgres:// URL. One that isn't there,
// is damaged or has another format is made anew; Anew tells.
func Open(ctx context.Context, url string) (*Catalog, error) {
	d, err := dialectOf(url)
	if err != nil {
		return nil, fmt.Errorf("open catalogue: %w", err)
	}
	c := &Catalog{d: d, turn: make(chan struct{}, 1), limits: usual}
	if err := c.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open catalogue: %w", err), c.Close())
	}
	return c, nil
}

// Anew tells why the catalogue was made anew, and "" if Open found it as it was left.
func (c *Catalog) Anew() string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.anew
}

// Close ends the use of the catalogue. Nobody uses it any more.
func (c *Catalog) Close() error {
	var errs []error
	for _, db := range []*sql.DB{c.db, c.writes} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// Rebuild drops all that the catalogue holds, so that Fill makes it anew. It waits until those who read and write in this
// process are done; those of others may fail.
func (c *Catalog) Rebuild(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.d.alone(ctx, func() error { return c.replace(ctx, "it was to be") })
	if err != nil {
		return fmt.Errorf("rebuild catalogue: %w", err)
	}
	return nil
}

// open connects, looks at what is there, and makes it anew where it is of no use.
func (c *Catalog) open(ctx context.Context) error {
	if err := c.connect(); err != nil {
		return err
	}
	if why, err := c.examine(ctx); err != nil || why == "" {
		return err
	}
	return c.d.alone(ctx, func() error {
		why, err := c.examine(ctx) // another process may have been faster
		if err != nil || why == "" {
			return err
		}
		return c.replace(ctx, why)
	})
}

// replace puts an empty catalogue in place of what is there.
func (c *Catalog) replace(ctx context.Context, why string) error {
	c.anew = why
	if err := c.Close(); err != nil {
		return err
	}
	if err := c.d.drop(ctx); err != nil {
		return err
	}
	if err := c.connect(); err != nil {
		return err
	}
	return c.create(ctx)
}

func (c *Catalog) connect() (err error) {
	c.db, c.writes, err = c.d.connect()
	return err
}

// examine returns why the catalogue has to be made anew, "" if it is in order.
func (c *Catalog) examine(ctx context.Context) (why string, err error) {
	var number int
	err = session{d: c.d, on: c.db}.row(ctx, `SELECT number FROM format`, nil, &number)
	switch {
	case err == nil && number == format:
		return "", nil
	case err == nil:
		return fmt.Sprintf("it had format %d and not %d", number, format), nil
	case ctx.Err() != nil:
		return "", err
	case c.d.missing(err):
		return "there was none", nil
	case c.d.damaged(err):
		return "it was damaged: " + err.Error(), nil
	}
	return "", err
}

func (c *Catalog) create(ctx context.Context) error {
	return c.onWriter(ctx, func(w *writer) error {
		return w.tx(ctx, func(t session) error {
			for _, statement := range c.d.schema() {
				if err := t.exec(ctx, statement); err != nil {
					return err
				}
			}
			return t.exec(ctx, `INSERT INTO format (number, dirs) VALUES (?, 0)`, format)
		})
	})
}

// fail gives an error of the database its place, and its meaning if there is one.
func (c *Catalog) fail(what string, err error) error {
	if err == nil {
		return nil
	}
	if c.d.damaged(err) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
