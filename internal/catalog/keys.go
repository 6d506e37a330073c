package catalog

import (
	"context"
	"iter"
	"maps"
	"math"
	"slices"
)

// group is how many keys are judged at once.
const group = 64

// keys yields groups of keys that may match, in order, behind f.place. Where it ends because f.work is used up, f.place is how far it came.
func (f *finder) keys(ctx context.Context) iter.Seq2[[]key, error] {
	return func(yield func([]key, error) bool) {
		keys, complete, err := f.gather(ctx)
		switch {
		case err != nil:
			yield(nil, err)
		case complete:
			for some := range slices.Chunk(keys, group) {
				if !yield(some, nil) {
					return
				}
			}
		default:
			f.scan(ctx, yield)
		}
	}
}

// gather returns all keys that may match, in order, and false if they are more than a few.
func (f *finder) gather(ctx context.Context) (keys []key, complete bool, err error) {
	if f.pattern.text != "" {
		keys, complete, err = f.byName(ctx)
	}
	if parent, ok := f.pattern.parent(); ok && !complete && err == nil {
		keys, complete, err = f.byDir(ctx, parent)
	}
	if !complete && err == nil {
		keys, complete, err = f.byScope(ctx)
	}
	if !complete || err != nil {
		return nil, false, err
	}
	keys = slices.DeleteFunc(keys, func(k key) bool { return k.compare(f.place) <= 0 })
	slices.SortFunc(keys, key.compare)
	return keys, true, nil
}

func (f *finder) byName(ctx context.Context) (keys []key, complete bool, err error) {
	names, err := f.matching(ctx, f.pattern)
	if err != nil || len(names) > f.limits.few {
		return nil, false, err
	}
	return f.versions(ctx, "name", names)
}

// byDir returns the versions in the directories that the pattern wants, which a scan will look out for if these are too many.
func (f *finder) byDir(ctx context.Context, parent pattern) (keys []key, complete bool, err error) {
	names, err := f.matching(ctx, parent)
	if err != nil || len(names) > f.limits.few {
		return nil, false, err
	}
	dirs := make(map[int64]bool)
	for some := range slices.Chunk(names, batch) {
		err := f.s.each(ctx, `SELECT id, path FROM dirs WHERE name IN `+tuples(1, len(some)), anys(some), func(scan func(...any) error) error {
			var id int64
			var path []byte
			err := scan(&id, &path)
			if f.pattern.within(string(path)) {
				dirs[id] = true
			}
			return err
		})
		if err != nil {
			return nil, false, err
		}
	}
	f.dirs = dirs
	if len(dirs) > f.limits.few {
		return nil, false, nil
	}
	return f.versions(ctx, "dir", slices.Collect(maps.Keys(dirs)))
}

// versions returns those with a name, or a directory, of some, if these are a few. It leaves out what can't be a hit.
func (f *finder) versions(ctx context.Context, column string, ids []int64) (keys []key, complete bool, err error) {
	condition, args := f.early()
	from := `versions v WHERE v.`
	if column == "dir" && f.pattern.text != "" {
		matches, more := f.s.d.check(f.pattern)
		condition, args = condition+` AND `+matches, append(args, more...)
		from = `versions v CROSS JOIN names n WHERE n.id = v.name AND v.`
	}
	query, n := `SELECT v.first, v.series, v.dir, v.name, CASE WHEN `+condition+` THEN 1 ELSE 0 END FROM `+from, 0
	for some := range slices.Chunk(ids, batch) {
		err := f.s.each(ctx, query+column+` IN `+tuples(1, len(some))+` LIMIT ?`,
			append(append(slices.Clone(args), anys(some)...), f.limits.few+1-n), func(scan func(...any) error) error {
				var k key
				var matches int
				err := scan(&k.first, &k.series, &k.dir, &k.name, &matches)
				if matches == 1 {
					keys = append(keys, k)
				}
				n++
				return err
			})
		if err != nil || n > f.limits.few {
			return nil, false, err
		}
	}
	return keys, true, nil
}

// early is the part of judging a version v that takes no other rows.
func (f *finder) early() (condition string, args []any) {
	condition, args = `v.first <= ?`, []any{f.to}
	if f.query.Type != "" {
		condition, args = condition+` AND v.type = ?`, append(args, number(f.query.Type))
	}
	if f.from > dawn {
		condition, args = condition+` AND v.until > ?`, append(args, f.from)
	}
	return condition, args
}

// matching returns the names in the scopes that match the pattern, or more than a few of them.
func (f *finder) matching(ctx context.Context, p pattern) (ids []int64, err error) {
	query, args := f.s.d.names(p)
	for some := range slices.Chunk(f.ranges, f.s.d.ranges) {
		within, these := "", slices.Clone(args)
		for i, r := range some {
			if i > 0 {
				within += " OR "
			}
			within += f.s.d.column + " BETWEEN ? AND ?"
			these = append(these, r[0], r[1])
		}
		if f.all {
			within, these = "1 = 1", slices.Clone(args)
		}
		found, err := f.s.numbers(ctx, query+` AND (`+within+`) LIMIT ?`, append(these, f.limits.few+1-len(ids))...)
		if ids = append(ids, found...); err != nil || len(ids) > f.limits.few {
			return ids, err
		}
	}
	return ids, nil
}

// moment is where versions of a series begin.
type moment struct {
	series, at int64
	versions   int64 // at most
}

// scan goes through the moments of the scopes, from the newest on, and yields the keys whose names match.
func (f *finder) scan(ctx context.Context, yield func([]key, error) bool) {
	where, all := "", []int64{}
	if !f.all {
		for id := range f.series {
			all = append(all, id)
		}
		slices.Sort(all)
		where = ` AND series IN ` + list(all)
	}
	if len(f.series) == 0 {
		return
	}
	at, in := f.place.first, f.place.series
	resume := f.place // within its moment
	for {
		moments, err := f.moments(ctx, where, at, in, resume != start)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, m := range moments {
			from := key{first: m.at, series: m.series}
			if resume.first == m.at && resume.series == m.series {
				from = resume
			}
			if !f.scanMoment(ctx, m, from, yield) {
				return
			}
			at, in = m.at, m.series
		}
		if len(moments) < f.limits.moments {
			return
		}
		resume = start
	}
}

// moments returns those behind a place, or from it on.
func (f *finder) moments(ctx context.Context, where string, at, in int64, from bool) (found []moment, err error) {
	last := `series < ?`
	if from {
		last = `series <= ?`
	}
	err = f.s.each(ctx, `SELECT series, moment, versions FROM moments WHERE moment <= ? AND moment <= ? AND (moment < ? OR `+last+`)`+where+
		` ORDER BY moment DESC, series DESC LIMIT ?`, []any{at, f.to, at, in, f.limits.moments}, func(scan func(...any) error) error {
		var m moment
		err := scan(&m.series, &m.at, &m.versions)
		found = append(found, m)
		return err
	})
	return found, err
}

// scanMoment yields the matching keys of a moment behind a place, slice by slice, and reports whether to go on.
func (f *finder) scanMoment(ctx context.Context, m moment, from key, yield func([]key, error) bool) bool {
	f.work -= costOfMoment
	for slice := f.limits.slice; ; slice = min(2*slice, f.limits.maxSlice) {
		if f.work <= 0 {
			f.place = from
			return false
		}
		end, err := f.sliceEnd(ctx, m, from, slice)
		if err != nil {
			return yield(nil, err)
		}
		keys, err := f.scanSlice(ctx, from, end)
		if err != nil {
			return yield(nil, err)
		}
		for some := range slices.Chunk(keys, group) {
			if !yield(some, nil) {
				return false
			}
		}
		f.work -= int(min(m.versions, int64(slice)))
		if end == (key{}) {
			f.place = key{first: m.at, series: m.series, dir: math.MaxInt64, name: math.MaxInt64}
			return true
		}
		from = end
	}
}

// sliceEnd returns the key so many keys behind a place, or none if there are not so many.
func (f *finder) sliceEnd(ctx context.Context, m moment, from key, n int) (end key, err error) {
	if m.versions <= int64(n) {
		return key{}, nil
	}
	err = f.s.each(ctx, `SELECT dir, name FROM versions WHERE series = ? AND first = ? AND (dir, name) > (?, ?)
		ORDER BY dir, name LIMIT 1 OFFSET ?`, []any{m.series, m.at, from.dir, from.name, n - 1}, func(scan func(...any) error) error {
		end = key{first: m.at, series: m.series}
		return scan(&end.dir, &end.name)
	})
	return end, err
}

// scanSlice returns the matching keys of a moment behind a place, up to another one or to the end.
func (f *finder) scanSlice(ctx context.Context, from, end key) (keys []key, err error) {
	condition, early := f.early()
	query := `SELECT v.dir, v.name FROM versions v CROSS JOIN names n WHERE n.id = v.name AND v.series = ? AND v.first = ?
		AND (v.dir, v.name) > (?, ?) AND ` + condition
	args := append([]any{from.series, from.first, from.dir, from.name}, early...)
	if end != (key{}) {
		query += ` AND (v.dir, v.name) <= (?, ?)`
		args = append(args, end.dir, end.name)
	}
	if f.pattern.text != "" {
		condition, more := f.s.d.check(f.pattern)
		query += ` AND ` + condition
		args = append(args, more...)
	}
	err = f.s.each(ctx, query+` ORDER BY v.dir, v.name`, args, func(scan func(...any) error) error {
		k := from
		err := scan(&k.dir, &k.name)
		if (f.dirs == nil || f.dirs[k.dir]) && f.scope.has(k) {
			keys = append(keys, k)
		}
		return err
	})
	return keys, err
}
