package catalog

import (
	"context"
	"slices"
	"strings"
)

// split returns the directory, "" for the root, and the name of a path.
func split(path string) (dir, name string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}

func base(path string) string {
	_, name := split(path)
	return name
}

// batch is how many rows one statement reads or writes.
const batch = 250

// numbers gives names and directories of one source their numbers, in one transaction.
type numbers struct {
	t      session
	source int64
	names  map[string]int64
	dirs   map[string]int64
}

// resolve finds the numbers of all that is given, and gives new ones to what is new.
func (n *numbers) resolve(ctx context.Context, dirs, names map[string]bool) error {
	if err := n.findDirs(ctx, dirs); err != nil {
		return err
	}
	var fresh []string
	for dir := range dirs {
		if _, known := n.dirs[dir]; !known {
			fresh = append(fresh, dir)
			if dir != "" {
				names[base(dir)] = true
			}
		}
	}
	slices.Sort(fresh) // so that neighbours in the tree are neighbours in the database
	if err := n.findNames(ctx, names); err != nil {
		return err
	}
	if err := n.addNames(ctx, names); err != nil {
		return err
	}
	return n.addDirs(ctx, fresh)
}

func (n *numbers) findNames(ctx context.Context, wanted map[string]bool) error {
	n.names = make(map[string]int64, len(wanted))
	return n.lookUp(ctx, `SELECT id, folded, name FROM names WHERE hash IN `, wanted, func(scan func(...any) error) error {
		var id int64
		var folded string
		var name []byte
		if err := scan(&id, &folded, &name); err != nil {
			return err
		}
		n.names[exact(folded, name)] = id // perhaps another of the same hash, which nobody asks for
		return nil
	})
}

// exact returns the bytes of a name, which are in the database only where they differ from the folded text.
func exact(folded string, name []byte) string {
	if name == nil {
		return folded
	}
	return string(name)
}

func (n *numbers) findDirs(ctx context.Context, wanted map[string]bool) error {
	n.dirs = make(map[string]int64, len(wanted))
	return n.lookUp(ctx, `SELECT id, path FROM dirs WHERE hash IN `, wanted, func(scan func(...any) error) error {
		var id int64
		var dir []byte
		if err := scan(&id, &dir); err != nil {
			return err
		}
		n.dirs[string(dir)] = id
		return nil
	})
}

// lookUp runs a query for the hashes of texts.
func (n *numbers) lookUp(ctx context.Context, query string, texts map[string]bool, fn func(scan func(...any) error) error) error {
	hashes := make([]int64, 0, len(texts))
	for text := range texts {
		hashes = append(hashes, hash(n.source, text))
	}
	slices.Sort(hashes)
	for some := range slices.Chunk(hashes, batch) {
		if err := n.t.each(ctx, query+tuples(1, len(some)), anys(some), fn); err != nil {
			return err
		}
	}
	return nil
}

// addNames numbers those that are new.
func (n *numbers) addNames(ctx context.Context, wanted map[string]bool) error {
	var fresh []string
	for name := range wanted {
		if _, known := n.names[name]; !known {
			fresh = append(fresh, name)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	slices.Sort(fresh)
	var last int64
	if err := n.t.row(ctx, `UPDATE sources SET names = names + ? WHERE id = ? RETURNING names`, []any{len(fresh), n.source}, &last); err != nil {
		return err
	}
	first, _ := span(n.source)
	next := first + last - int64(len(fresh))
	for some := range slices.Chunk(fresh, batch) {
		if err := n.insertNames(ctx, next, some); err != nil {
			return err
		}
		next += int64(len(some))
	}
	if !n.t.d.indexNames {
		return nil
	}
	// One statement for all: SQLite writes a part of the index for each, and merges the parts later.
	return n.t.exec(ctx, `INSERT INTO grams (rowid, folded) SELECT id, ? || folded FROM names WHERE id >= ? AND id < ?`, before, next-int64(len(fresh)), next)
}

func (n *numbers) insertNames(ctx context.Context, id int64, names []string) error {
	var rows []any
	for _, name := range names {
		n.names[name] = id
		folded := fold(name)
		var bytes []byte
		if folded != name {
			bytes = []byte(name)
		}
		rows = append(rows, id, hash(n.source, name), folded, bytes)
		id++
	}
	return n.t.exec(ctx, `INSERT INTO names (id, hash, folded, name) VALUES `+tuples(len(names), 4), rows...)
}

// addDirs numbers directories whose names have numbers.
func (n *numbers) addDirs(ctx context.Context, dirs []string) error {
	if len(dirs) == 0 {
		return nil
	}
	var last int64
	if err := n.t.row(ctx, `UPDATE format SET dirs = dirs + ? RETURNING dirs`, []any{len(dirs)}, &last); err != nil {
		return err
	}
	id := last - int64(len(dirs))
	for some := range slices.Chunk(dirs, batch) {
		var rows []any
		for _, dir := range some {
			id++
			n.dirs[dir] = id
			var name any
			if dir != "" {
				name = n.names[base(dir)]
			}
			rows = append(rows, id, n.source, hash(n.source, dir), name, []byte(dir))
		}
		if err := n.t.exec(ctx, `INSERT INTO dirs (id, source, hash, name, path) VALUES `+tuples(len(some), 5), rows...); err != nil {
			return err
		}
	}
	return nil
}
