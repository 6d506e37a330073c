package catalog

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// narrow is what scopes allow that are parts of sources, as far as the database can tell: a path is in one of the
// directories, or it is one of the prefixes itself.
type narrow struct {
	dirs map[int64]bool
	tops map[[2]int64]bool // directory and name
}

func (n *narrow) has(k key) bool {
	return n == nil || n.dirs[k.dir] || n.tops[[2]int64{k.dir, k.name}]
}

// byScope returns the versions that the scopes allow, if all are parts of sources and hold a few. A scan will look out for the
// directories if the versions are too many.
func (f *finder) byScope(ctx context.Context) (keys []key, complete bool, err error) {
	scope := &narrow{dirs: make(map[int64]bool), tops: make(map[[2]int64]bool)}
	for source, prefixes := range f.scopes {
		if prefixes == nil {
			return nil, false, nil
		}
		for _, prefix := range prefixes {
			if enough, err := f.addPrefix(ctx, scope, source, strings.Trim(prefix, "/")); err != nil || !enough {
				return nil, false, err
			}
		}
	}
	f.scope = scope
	keys, complete, err = f.versions(ctx, "dir", slices.Collect(maps.Keys(scope.dirs)))
	if err != nil || !complete {
		return nil, false, err
	}
	for top := range scope.tops {
		if scope.dirs[top[0]] {
			continue
		}
		err := f.s.each(ctx, `SELECT first, series FROM versions WHERE dir = ? AND name = ?`, []any{top[0], top[1]}, func(scan func(...any) error) error {
			k := key{dir: top[0], name: top[1]}
			err := scan(&k.first, &k.series)
			keys = append(keys, k)
			return err
		})
		if err != nil {
			return nil, false, err
		}
	}
	return keys, true, nil
}

// addPrefix adds what a prefix allows, and reports false if that are too many directories.
func (f *finder) addPrefix(ctx context.Context, scope *narrow, source int64, prefix string) (bool, error) {
	if prefix == "" || len(prefix) > 400 { // the index has 500 bytes of each path
		return false, nil
	}
	n := numbers{t: f.s, source: source}
	parent, name := split(prefix)
	if err := n.findDirs(ctx, map[string]bool{prefix: true, parent: true}); err != nil {
		return false, err
	}
	if err := n.findNames(ctx, map[string]bool{name: true}); err != nil {
		return false, err
	}
	if id, ok := n.dirs[prefix]; ok {
		scope.dirs[id] = true
	}
	dirID, inDirs := n.dirs[parent]
	if nameID, inNames := n.names[name]; inDirs && inNames {
		scope.tops[[2]int64{dirID, nameID}] = true
	}
	ids, err := f.s.numbers(ctx, `SELECT id FROM dirs WHERE source = ? AND substr(path, 1, 500) >= ? AND substr(path, 1, 500) < ? LIMIT ?`,
		source, []byte(prefix+"/"), []byte(prefix+"0"), f.limits.few+1)
	for _, id := range ids {
		scope.dirs[id] = true
	}
	return len(scope.dirs) <= f.limits.few, err
}
