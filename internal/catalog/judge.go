package catalog

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay/engine/crypto"
)

// found is a hit before its snapshots are known by more than their moments.
type found struct {
	Hit
	key         key
	since, last int64
}

// sift leaves out keys in directories that the pattern or the scopes don't allow, of which many may be in one.
func (f *finder) sift(ctx context.Context, keys []key) ([]key, error) {
	if f.pattern.dir == "" && !f.partly {
		return keys, nil
	}
	if f.likely == nil {
		f.likely = make(map[int64]bool)
	}
	var unknown []int64
	for _, k := range keys {
		if _, known := f.likely[k.dir]; !known {
			f.likely[k.dir] = false
			unknown = append(unknown, k.dir)
		}
	}
	if len(unknown) > 0 {
		err := f.s.each(ctx, `SELECT id, source, path FROM dirs WHERE id IN `+tuples(1, len(unknown)), anys(unknown), func(scan func(...any) error) error {
			var id, source int64
			var path []byte
			err := scan(&id, &source, &path)
			f.likely[id] = f.pattern.within(string(path)) && f.mayHold(source, string(path))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(slices.Clone(keys), func(k key) bool { return !f.likely[k.dir] }), nil
}

// mayHold reports whether something in a directory may be in the scopes.
func (f *finder) mayHold(source int64, dir string) bool {
	return f.allows(source, dir) || slices.ContainsFunc(f.scopes[source], func(prefix string) bool {
		parent, _ := split(strings.Trim(prefix, "/"))
		return parent == dir
	})
}

// judge returns what is a hit of keys that may be, in order: those that are in a snapshot that was asked for, of which
// no later version of the same path is one too, and that the scopes and the whole pattern allow.
func (f *finder) judge(ctx context.Context, keys []key) (hits []found, err error) {
	if len(keys) == 0 {
		return nil, nil
	}
	args := make([]any, 0, 4*len(keys)+16)
	for _, k := range keys {
		args = append(args, k.dir, k.name, k.series, k.first)
	}
	query := `WITH k (dir, name, series, first) AS (VALUES ` + keyTuples(len(keys), 4) + `)
		SELECT v.dir, v.name, v.series, v.first, v.type, v.size, v.mtime, v.content, n.folded, n.name, d.path,
		(SELECT min(s.moment) FROM snapshots s WHERE s.series = v.series AND s.state = 0 AND s.moment >= v.first AND s.moment < v.until),
		(SELECT max(s.moment) FROM snapshots s WHERE s.series = v.series AND s.state = 0 AND s.moment >= v.first AND s.moment < v.until)
		FROM k CROSS JOIN versions v CROSS JOIN names n CROSS JOIN dirs d
		WHERE v.dir = k.dir AND v.name = k.name AND v.series = k.series AND v.first = k.first AND n.id = v.name AND d.id = v.dir
		AND ` + f.seen("v") + ` AND NOT EXISTS (SELECT 1 FROM versions w WHERE w.dir = v.dir AND w.name = v.name
			AND (w.first > v.first OR w.first = v.first AND w.series > v.series) AND ` + f.seen("w") + `)`
	args = append(append(args, f.window()...), f.window()...)
	err = f.s.each(ctx, query, args, func(scan func(...any) error) error {
		h, ok, err := f.hit(scan)
		if ok {
			hits = append(hits, h)
		}
		return err
	})
	slices.SortFunc(hits, func(a, b found) int { return a.key.compare(b.key) })
	return hits, err
}

// seen is the condition that a version is of the type and in one of the snapshots that were asked for.
func (f *finder) seen(v string) string {
	condition := `EXISTS (SELECT 1 FROM snapshots s WHERE s.series = V.series AND s.state = 0
		AND s.moment >= V.first AND s.moment < V.until AND s.moment >= ? AND s.moment <= ?)`
	if f.query.Type != "" {
		condition = `V.type = ? AND ` + condition
	}
	return strings.ReplaceAll(condition, "V.", v+".")
}

func (f *finder) window() []any {
	if f.query.Type != "" {
		return []any{number(f.query.Type), f.from, f.to}
	}
	return []any{f.from, f.to}
}

// hit reads a row, and reports whether it is within the scopes and matches.
func (f *finder) hit(scan func(...any) error) (h found, ok bool, err error) {
	var row versionRow
	var folded string
	var name, dir []byte
	targets := append([]any{&h.key.dir, &h.key.name, &h.key.series, &h.key.first}, row.targets()...)
	if err := scan(append(targets, &folded, &name, &dir, &h.since, &h.last)...); err != nil {
		return h, false, err
	}
	s, ok := f.series[h.key.series]
	h.Path = strings.TrimPrefix(string(dir)+"/"+exact(folded, name), "/")
	if !ok || !f.allows(s.source, h.Path) || !f.pattern.matches(folded, string(dir)) {
		return h, false, nil
	}
	h.Repository, h.Source, h.Version = s.repository, s.sourceName, row.version()
	return h, true, nil
}

// date names the snapshots of hits.
func (f *finder) date(ctx context.Context, hits []found) error {
	type place struct{ series, moment int64 }
	known := make(map[place]Snapshot)
	var args []any
	for _, h := range hits {
		args = append(args, h.key.series, h.since, h.key.series, h.last)
	}
	err := inBatches(args, 2, func(some []any, n int) error {
		return f.s.each(ctx, `WITH k (series, moment) AS (VALUES `+keyTuples(n, 2)+`) SELECT s.series, s.moment, s.identity, s.tree, s.time, s.lost
			FROM k CROSS JOIN snapshots s WHERE s.series = k.series AND s.moment = k.moment`, some, func(scan func(...any) error) error {
			var p place
			var sn Snapshot
			var identity, tree []byte
			var micro int64
			if err := scan(&p.series, &p.moment, &identity, &tree, &micro, &sn.Lost); err != nil {
				return err
			}
			sn.ID, sn.Tree, sn.Time = crypto.ID(identity), crypto.ID(tree), time.UnixMicro(micro).UTC()
			sn.Repository, sn.Source = f.series[p.series].repository, f.series[p.series].sourceName
			known[p] = sn
			return nil
		})
	})
	for i := range hits {
		h := &hits[i]
		h.First, h.Last = known[place{h.key.series, h.since}], known[place{h.key.series, h.last}]
	}
	return err
}
