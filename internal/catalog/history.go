package catalog

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay/engine/crypto"
)

// Stay is a version of a path and the snapshots of one repository that have it.
type Stay struct {
	Repository string
	Version
	Snapshots []Snapshot // oldest first, at least one
}

// History returns every version of a path of the scope's source, newest first. Outside of the scope there are none.
func (c *Catalog) History(ctx context.Context, in Scope, path string) ([]Stay, error) {
	if len(in.Prefixes) > 0 && !slices.ContainsFunc(in.Prefixes, func(prefix string) bool { return below(prefix, path) }) {
		return nil, nil
	}
	h := history{snapshots: make(map[int64][]dated), last: make(map[int64]int)}
	err := c.read(ctx, func(s session) error {
		h.s = s
		return h.read(ctx, in.Source, path)
	})
	return h.stays, c.fail("read the history of a path", err)
}

// history is that of one path.
type history struct {
	s         session
	snapshots map[int64][]dated // by series
	stays     []Stay
	last      map[int64]int // by series, the stay that was read last
}

// dated is a snapshot and its moment.
type dated struct {
	Snapshot
	moment int64
}

func (h *history) read(ctx context.Context, source, path string) error {
	ids, err := h.s.numbers(ctx, `SELECT id FROM sources WHERE name = ?`, source)
	if err != nil || len(ids) == 0 {
		return err
	}
	dir, name := split(strings.Trim(path, "/"))
	n := numbers{t: h.s, source: ids[0]}
	if err := n.findDirs(ctx, map[string]bool{dir: true}); err != nil {
		return err
	}
	if err := n.findNames(ctx, map[string]bool{name: true}); err != nil {
		return err
	}
	dirID, inDirs := n.dirs[dir]
	nameID, inNames := n.names[name]
	if !inDirs || !inNames {
		return nil
	}
	rows, err := h.rows(ctx, dirID, nameID)
	for i := 0; i < len(rows) && err == nil; i++ {
		err = h.add(ctx, rows[i])
	}
	return err
}

type historyRow struct {
	series, first, until int64
	repository           string
	versionRow
}

func (h *history) rows(ctx context.Context, dir, name int64) (rows []historyRow, err error) {
	err = h.s.each(ctx, `SELECT v.series, v.first, v.until, e.repository, v.type, v.size, v.mtime, v.content FROM versions v
		JOIN series e ON e.id = v.series WHERE v.dir = ? AND v.name = ? ORDER BY v.first DESC, v.series DESC`, []any{dir, name},
		func(scan func(...any) error) error {
			var r historyRow
			err := scan(append([]any{&r.series, &r.first, &r.until, &r.repository}, r.targets()...)...)
			rows = append(rows, r)
			return err
		})
	return rows, err
}

// add makes a stay of a version that is still in a snapshot. Two with the same content whose snapshots follow each other are one: those
// between them were removed.
func (h *history) add(ctx context.Context, r historyRow) error {
	all, err := h.of(ctx, r.series)
	if err != nil {
		return err
	}
	from, to := position(all, r.first), position(all, r.until)
	if from == to {
		return nil
	}
	stay := Stay{Repository: r.repository, Version: r.version()}
	for _, s := range all[from:to] {
		stay.Snapshots = append(stay.Snapshots, s.Snapshot)
	}
	if i, ok := h.last[r.series]; ok {
		later := &h.stays[i]
		if to < len(all) && later.Version == stay.Version && later.Snapshots[0].ID == all[to].ID {
			later.Snapshots = append(stay.Snapshots, later.Snapshots...)
			return nil
		}
	}
	h.last[r.series] = len(h.stays)
	h.stays = append(h.stays, stay)
	return nil
}

// position returns how many snapshots are before a moment.
func position(all []dated, moment int64) int {
	i, _ := slices.BinarySearchFunc(all, moment, func(d dated, m int64) int { return int(min(max(d.moment-m, -1), 1)) })
	return i
}

// of returns the snapshots of a series, oldest first.
func (h *history) of(ctx context.Context, series int64) ([]dated, error) {
	if all, ok := h.snapshots[series]; ok {
		return all, nil
	}
	var all []dated
	err := h.s.each(ctx, `SELECT s.moment, s.repository, o.name, s.identity, s.tree, s.time, s.lost FROM snapshots s JOIN series e ON e.id = s.series
		JOIN sources o ON o.id = e.source WHERE s.series = ? AND s.state = 0 ORDER BY s.moment`, []any{series}, func(scan func(...any) error) error {
		var d dated
		var identity, tree []byte
		var micro int64
		if err := scan(&d.moment, &d.Repository, &d.Source, &identity, &tree, &micro, &d.Lost); err != nil {
			return err
		}
		d.ID, d.Tree, d.Time = crypto.ID(identity), crypto.ID(tree), time.UnixMicro(micro).UTC()
		all = append(all, d)
		return nil
	})
	h.snapshots[series] = all
	return all, err
}

// Snapshots returns the snapshots of a repository that are in the catalogue, oldest first.
func (c *Catalog) Snapshots(ctx context.Context, repository string) ([]Snapshot, error) {
	return c.find(ctx, `WHERE s.repository = ? AND s.state = 0 ORDER BY s.time, s.identity`, repository)
}

// find returns the snapshots s that the rest of a query selects.
func (c *Catalog) find(ctx context.Context, rest string, args ...any) (found []Snapshot, err error) {
	err = c.read(ctx, func(s session) (err error) {
		found, err = s.snapshots(ctx, rest, args...)
		return err
	})
	return found, c.fail("list snapshots in the catalogue", err)
}
