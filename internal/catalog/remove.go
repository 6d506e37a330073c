package catalog

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/backstay/backstay/engine/crypto"
)

// Remove takes snapshots out. From its first step on they are in no answer; versions that are in no other snapshot
// vanish in steps of bounded size, and with them names and directories that nothing else has. Snapshots that are not
// in are passed over. What an error or a kill leaves undone, the next one that writes finishes.
func (c *Catalog) Remove(ctx context.Context, snapshots ...Snapshot) error {
	err := c.write(ctx, func(w *writer) error {
		err := w.tx(ctx, func(t session) error {
			for _, s := range snapshots {
				err := t.exec(ctx, `UPDATE snapshots SET state = ? WHERE repository = ? AND identity = ? AND state = 0`, leaving, s.Repository, s.ID[:])
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		return w.recover(ctx)
	})
	return c.fail("remove snapshots from the catalogue", err)
}

// unfinished is a snapshot that isn't whole, between those of its series that are.
type unfinished struct {
	series, moment int64
	after          int64 // moment of the last whole one before it, or dawn
	next           int64 // moment of the first whole one behind it, or forever
}

// dawn is before all moments.
const dawn = -forever

// recover undoes additions and finishes removals. Both are the same: the snapshot goes, and what was only in it.
func (w *writer) recover(ctx context.Context) error {
	for {
		u := unfinished{}
		err := w.session().row(ctx, `SELECT s.series, s.moment,
			(SELECT coalesce(max(x.moment), ?) FROM snapshots x WHERE x.series = s.series AND x.state = 0 AND x.moment < s.moment),
			(SELECT coalesce(min(x.moment), ?) FROM snapshots x WHERE x.series = s.series AND x.state = 0 AND x.moment > s.moment)
			FROM snapshots s WHERE s.state <> 0 ORDER BY s.series, s.moment LIMIT 1`, []any{dawn, forever}, &u.series, &u.moment, &u.after, &u.next)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err == nil {
			err = w.clear(ctx, u)
		}
		if err != nil {
			return err
		}
	}
}

// clear takes out all snapshots between two that are whole, with their versions.
func (w *writer) clear(ctx context.Context, u unfinished) error {
	clearing := w.clearEnded
	if u.next == forever {
		clearing = w.clearNewest
	}
	if err := clearing(ctx, u); err != nil {
		return err
	}
	return w.tx(ctx, func(t session) error {
		err := t.exec(ctx, `DELETE FROM moments WHERE series = ? AND moment > ? AND moment < ? AND NOT EXISTS
			(SELECT 1 FROM versions v WHERE v.series = moments.series AND v.first = moments.moment)`, u.series, u.after, u.next)
		if err != nil {
			return err
		}
		if err := t.exec(ctx, `DELETE FROM snapshots WHERE series = ? AND moment > ? AND moment < ?`, u.series, u.after, u.next); err != nil {
			return err
		}
		return t.exec(ctx, `DELETE FROM series WHERE id = ? AND NOT EXISTS (SELECT 1 FROM snapshots s WHERE s.series = series.id)`, u.series)
	})
}

// clearEnded deletes the versions that began behind one snapshot and were gone by the next.
func (w *writer) clearEnded(ctx context.Context, u unfinished) error {
	return w.deleteVersions(ctx, `series = ? AND until > ? AND until <= ? AND until < 140737488355327 AND first > ?`,
		u.series, u.after, u.next, u.after)
}

// clearNewest deletes what began behind what becomes the newest snapshot; and what it has and the later ones had not is there for good
// again, so that the next snapshot follows on it.
func (w *writer) clearNewest(ctx context.Context, u unfinished) error {
	if err := w.deleteVersions(ctx, `series = ? AND first > ?`, u.series, u.after); err != nil {
		return err
	}
	for {
		n := 0
		err := w.tx(ctx, func(t session) error {
			var err error
			n, err = t.change(ctx, `UPDATE versions SET until = ? WHERE (dir, name, series, first) IN (SELECT dir, name, series, first FROM versions
				WHERE series = ? AND until > ? AND until < 140737488355327 LIMIT ?)`, forever, u.series, u.after, w.c.limits.chunk)
			return err
		})
		if err != nil || n < w.c.limits.chunk {
			return err
		}
	}
}

// deleteVersions deletes the versions of a condition, in steps.
func (w *writer) deleteVersions(ctx context.Context, condition string, args ...any) error {
	for {
		n := 0
		err := w.tx(ctx, func(t session) error {
			dirs, names := make(map[int64]bool), make(map[int64]bool)
			err := t.each(ctx, `DELETE FROM versions WHERE (dir, name, series, first) IN (SELECT dir, name, series, first FROM versions
				WHERE `+condition+` LIMIT ?) RETURNING dir, name`, append(args[:len(args):len(args)], w.c.limits.chunk),
				func(scan func(...any) error) error {
					var dir, name int64
					err := scan(&dir, &name)
					dirs[dir], names[name] = true, true
					n++
					return err
				})
			if err != nil {
				return err
			}
			return t.sweep(ctx, dirs, names)
		})
		if err != nil || n < w.c.limits.chunk {
			return err
		}
	}
}

// sweep deletes those directories and names that nothing has any more.
func (s session) sweep(ctx context.Context, dirs, names map[int64]bool) error {
	err := s.sweepSome(ctx, dirs, `DELETE FROM dirs WHERE NOT EXISTS (SELECT 1 FROM versions v WHERE v.dir = dirs.id) AND id IN `, ` RETURNING coalesce(name, 0)`,
		func(name int64) { names[name] = true })
	if err != nil {
		return err
	}
	var gone []int64
	err = s.sweepSome(ctx, names, `DELETE FROM names WHERE NOT EXISTS (SELECT 1 FROM versions v WHERE v.name = names.id)
		AND NOT EXISTS (SELECT 1 FROM dirs d WHERE d.name = names.id) AND id IN `, ` RETURNING id`, func(id int64) { gone = append(gone, id) })
	if err != nil || !s.d.indexNames {
		return err
	}
	return inBatches(anys(gone), 1, func(some []any, n int) error {
		return s.exec(ctx, `DELETE FROM grams WHERE rowid IN `+tuples(1, n), some...)
	})
}

func (s session) sweepSome(ctx context.Context, ids map[int64]bool, query, returning string, fn func(int64)) error {
	all := make([]any, 0, len(ids))
	for id := range ids {
		all = append(all, id)
	}
	return inBatches(all, 1, func(some []any, n int) error {
		deleted, err := s.numbers(ctx, query+tuples(1, n)+returning, some...)
		for _, id := range deleted {
			fn(id)
		}
		return err
	})
}

// change runs a statement and returns how many rows it changed.
func (s session) change(ctx context.Context, query string, args ...any) (int, error) {
	result, err := s.on.ExecContext(ctx, s.d.bind(query), args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// momentOf returns a time as a moment.
func momentOf(t time.Time) int64 { return min(max(t.UnixMilli(), dawn+1), forever-1) }

// snapshots returns the snapshots s that the rest of a query selects.
func (s session) snapshots(ctx context.Context, rest string, args ...any) (found []Snapshot, err error) {
	query := `SELECT s.repository, (SELECT o.name FROM series e JOIN sources o ON o.id = e.source WHERE e.id = s.series),
		s.identity, s.tree, s.time, s.lost FROM snapshots s ` + rest
	err = s.each(ctx, query, args, func(scan func(...any) error) error {
		var sn Snapshot
		var identity, tree []byte
		var micro int64
		if err := scan(&sn.Repository, &sn.Source, &identity, &tree, &micro, &sn.Lost); err != nil {
			return err
		}
		sn.ID, sn.Tree, sn.Time = crypto.ID(identity), crypto.ID(tree), time.UnixMicro(micro).UTC()
		found = append(found, sn)
		return nil
	})
	return found, err
}

func (w *writer) session() session { return session{d: w.c.d, on: w.conn} }
