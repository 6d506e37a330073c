package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"github.com/backstay/backstay/engine/differ"
	"github.com/backstay/backstay/entry"
)

// longest is how many bytes a path may have. Directories are kept with their whole paths, and a repository that was written
// to do harm could nest them without end.
const longest = 16 << 10

// States of a snapshot. Only those that are whole are in answers.
const (
	whole   = 0
	adding  = 1
	leaving = 2
)

// ErrBase means that a snapshot was to be added with its changes against one that is not the newest of a series.
var ErrBase = errors.New("it has no such base")

// Base returns the snapshot that s is to be compared with before it is added: of the newest ones of all series of the
// source in the repository, the latest that is not later than s. Without one it is nil: then s is to begin a series.
func (c *Catalog) Base(ctx context.Context, s Snapshot) (*Snapshot, error) {
	heads, err := c.heads(ctx, s.Repository, s.Source)
	if err != nil {
		return nil, err
	}
	var base *Snapshot
	for _, h := range heads {
		if !h.Time.After(s.Time) && (base == nil || h.Time.After(base.Time)) {
			base = &h
		}
	}
	return base, nil
}

// heads returns the newest snapshot of each series of a source in a repository.
func (c *Catalog) heads(ctx context.Context, repository, source string) ([]Snapshot, error) {
	return c.find(ctx, `JOIN series e ON e.id = s.series JOIN sources o ON o.id = e.source
		WHERE s.state = 0 AND e.repository = ? AND o.name = ?
		AND NOT EXISTS (SELECT 1 FROM snapshots x WHERE x.series = s.series AND x.state = 0 AND x.moment > s.moment)`, repository, source)
}

// Add takes a snapshot in, with what differs between base and it; for a nil base, which begins a series, all that it
// holds. Changes come from differ.Diff. A snapshot that is in already stays as it is, and nothing is read from changes.
//
// A path that could not be read is counted as lost where the snapshot begins a series; elsewhere it ends Add with its
// *entry.Error, since what stands there is unknown: the snapshot may then begin a series. After any error the snapshot is
// not in, and nothing else has changed.
func (c *Catalog) Add(ctx context.Context, s Snapshot, base *Snapshot, changes iter.Seq2[differ.Change, error]) error {
	err := c.write(ctx, func(w *writer) error {
		if err := w.recover(ctx); err != nil {
			return err
		}
		known, err := w.session().snapshots(ctx, `WHERE s.repository = ? AND s.identity = ?`, s.Repository, s.ID[:])
		if err != nil || len(known) > 0 {
			return err
		}
		a := addition{w: w, s: s}
		if err := a.begin(ctx, base); err != nil {
			return err
		}
		if err := a.all(ctx, changes); err != nil {
			return err
		}
		return a.finish(ctx)
	})
	return c.fail("add snapshot "+s.ID.Short()+" to the catalogue", err)
}

// addition is a snapshot being added.
type addition struct {
	w      *writer
	s      Snapshot
	source int64
	series int64
	moment int64
	begun  bool  // its series begins with it
	added  int64 // versions
	lost   int64
}

// begin marks the snapshot as being added.
func (a *addition) begin(ctx context.Context, base *Snapshot) error {
	return a.w.tx(ctx, func(t session) (err error) {
		if a.source, err = t.numberOf(ctx, a.s.Source); err != nil {
			return err
		}
		a.moment = momentOf(a.s.Time)
		if base == nil {
			a.begun = true
			err = a.newSeries(ctx, t)
		} else {
			err = a.follow(ctx, t, base)
		}
		if err != nil {
			return err
		}
		err = t.exec(ctx, `INSERT INTO snapshots (series, moment, state, repository, identity, tree, time, lost) VALUES `+tuples(1, 8),
			a.series, a.moment, adding, a.s.Repository, a.s.ID[:], a.s.Tree[:], a.s.Time.UnixMicro(), a.lost)
		if err != nil {
			return err
		}
		return t.exec(ctx, `INSERT INTO moments (series, moment, versions) VALUES (?, ?, ?)`, a.series, a.moment, forever)
	})
}

// numberOf returns the number of a source, which it gets if it has none.
func (s session) numberOf(ctx context.Context, source string) (id int64, err error) {
	err = s.row(ctx, `SELECT id FROM sources WHERE name = ?`, []any{source}, &id)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	err = s.row(ctx, `INSERT INTO sources (id, name, names) SELECT coalesce(max(id), 0) + 1, ?, 0 FROM sources RETURNING id`, []any{source}, &id)
	return id, err
}

func (a *addition) newSeries(ctx context.Context, t session) error {
	return t.row(ctx, `INSERT INTO series (id, source, repository) SELECT coalesce(max(id), 0) + 1, CAST(? AS BIGINT), ? FROM series RETURNING id`,
		[]any{a.source, a.s.Repository}, &a.series)
}

// follow makes the snapshot the next one of the series whose newest is base.
func (a *addition) follow(ctx context.Context, t session, base *Snapshot) error {
	var newest int64
	err := t.row(ctx, `SELECT s.series, s.moment, s.lost FROM snapshots s JOIN series e ON e.id = s.series
		WHERE s.repository = ? AND s.identity = ? AND s.state = 0 AND e.source = ?
		AND NOT EXISTS (SELECT 1 FROM snapshots x WHERE x.series = s.series AND x.moment > s.moment)`,
		[]any{base.Repository, base.ID[:], a.source}, &a.series, &newest, &a.lost)
	if errors.Is(err, sql.ErrNoRows) || err == nil && base.Repository != a.s.Repository {
		return fmt.Errorf("%w as snapshot %s", ErrBase, base.ID.Short())
	}
	a.moment = max(a.moment, newest+1)
	return err
}

// all takes in the changes, chunk by chunk.
func (a *addition) all(ctx context.Context, changes iter.Seq2[differ.Change, error]) error {
	chunk := a.w.c.limits.chunk
	some := make([]change, 0, chunk)
	for c, err := range changes {
		var lost *entry.Error
		switch {
		case errors.As(err, &lost) && a.begun:
			a.lost++
			continue
		case err != nil:
			return err
		}
		if len(c.Path) > longest {
			if c.New != nil {
				a.lost++
			}
			continue
		}
		if ch, differs := changeOf(c); differs {
			some = append(some, ch)
		}
		if len(some) == chunk {
			if err := a.take(ctx, some); err != nil {
				return err
			}
			some = some[:0]
		}
	}
	return a.take(ctx, some)
}

// change is a path that became another version; nil is no path.
type change struct {
	dir, name string
	before    bool
	after     *Version
}

// changeOf reports whether the versions differ at all: what a restore brings back may differ in more.
func changeOf(c differ.Change) (change, bool) {
	ch := change{before: c.Old != nil}
	ch.dir, ch.name = split(c.Path)
	if c.New != nil {
		v := VersionOf(c.New)
		ch.after = &v
	}
	return ch, c.Old == nil || c.New == nil || VersionOf(c.Old) != *ch.after
}

// take takes in some changes, all or none.
func (a *addition) take(ctx context.Context, some []change) error {
	if len(some) == 0 {
		return nil
	}
	return a.w.tx(ctx, func(t session) error {
		n := numbers{t: t, source: a.source}
		dirs, names := make(map[string]bool), make(map[string]bool)
		for _, c := range some {
			dirs[c.dir], names[c.name] = true, true
		}
		if err := n.resolve(ctx, dirs, names); err != nil {
			return err
		}
		var gone, come []any
		for _, c := range some {
			dir, name := n.dirs[c.dir], n.names[c.name]
			if c.before {
				gone = append(gone, dir, name)
			}
			if c.after != nil {
				come = append(append(come, dir, name, a.series, a.moment, forever), c.after.columns()...)
				a.added++
			}
		}
		if err := a.end(ctx, t, gone); err != nil {
			return err
		}
		return insertVersions(ctx, t, come)
	})
}

// end lets the versions of paths end, which are given by directory and name. Like elsewhere CROSS JOIN keeps SQLite from going through all
// versions to look for each among the keys.
func (a *addition) end(ctx context.Context, t session, keys []any) error {
	return inBatches(keys, 2, func(some []any, n int) error {
		return t.exec(ctx, `WITH k (dir, name) AS (VALUES `+keyTuples(n, 2)+`) UPDATE versions SET until = ? WHERE (dir, name, series, first) IN
			(SELECT v.dir, v.name, v.series, v.first FROM k CROSS JOIN versions v
			WHERE v.dir = k.dir AND v.name = k.name AND v.series = ? AND v.until = ? AND v.first < ?)`,
			append(some[:len(some):len(some)], a.moment, a.series, forever, a.moment)...)
	})
}

func insertVersions(ctx context.Context, t session, rows []any) error {
	return inBatches(rows, 9, func(some []any, n int) error {
		return t.exec(ctx, `INSERT INTO versions (dir, name, series, first, until, type, size, mtime, content) VALUES `+
			tuples(n, 9)+` ON CONFLICT DO NOTHING`, some...)
	})
}

// inBatches calls fn with the values of some rows at a time, and how many rows they are.
func inBatches(values []any, columns int, fn func(some []any, n int) error) error {
	for len(values) > 0 {
		n := min(batch, len(values)/columns)
		if err := fn(values[:n*columns], n); err != nil {
			return err
		}
		values = values[n*columns:]
	}
	return nil
}

// finish makes the snapshot whole.
func (a *addition) finish(ctx context.Context) error {
	err := a.w.tx(ctx, func(t session) error {
		err := t.exec(ctx, `UPDATE moments SET versions = ? WHERE series = ? AND moment = ?`, a.added, a.series, a.moment)
		if err != nil {
			return err
		}
		return t.exec(ctx, `UPDATE snapshots SET state = 0, lost = ? WHERE series = ? AND moment = ?`, a.lost, a.series, a.moment)
	})
	if err != nil || a.added < settleAfter {
		return err
	}
	for _, statement := range a.w.c.d.settle {
		if err := a.w.session().exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// settleAfter is after how many versions at once the database is told to look at itself.
const settleAfter = 20_000
