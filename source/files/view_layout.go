package files

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// viewTarget is a path that is backed up, or a directory on the way to such paths.
type viewTarget struct {
	name string   // in the tree
	base string   // in its directory
	dir  *viewDir // that it is in
	self *viewDir // a directory on the way: itself; links on the way are followed
	kids []*viewTarget
	lost error // why its contents are not known
}

// viewLayout finds the places of the paths in the tree.
type viewLayout struct {
	view *view
	root viewPlace
	tops map[string]*viewDir // the directories that paths begin in
}

// viewPlace is a place in the tree while the layout is made.
type viewPlace struct {
	top   string // the directory that the first element is in: "/", "." or "../.."
	path  string // in the file system
	whole bool   // all that is in it is backed up
	home  string // whole: the path on whose file system it stays
	kids  map[string]*viewPlace
}

func newLayout(v *view) *viewLayout {
	return &viewLayout{view: v, tops: map[string]*viewDir{}}
}

// targets returns the paths as they stand in the root of the tree, in order.
func (l *viewLayout) targets(paths []string) ([]*viewTarget, error) {
	for _, path := range paths {
		if err := l.addPath(path); err != nil {
			return nil, err
		}
	}
	var targets []*viewTarget
	for _, name := range slices.Sorted(maps.Keys(l.root.kids)) {
		p := l.root.kids[name]
		dir, err := l.top(p.top)
		if err != nil {
			return nil, err
		}
		t, err := l.target(p, name, name, dir)
		if err != nil {
			return nil, err
		}
		targets = append(targets, t)
	}
	return targets, nil
}

// addPath puts one path, or if it has no elements of its own what is in it, into the tree.
func (l *viewLayout) addPath(path string) error {
	path = filepath.Clean(path)
	if strings.Trim(filepath.Join("/", path), "/") != "" {
		l.add(path, path)
		l.addBelow(path)
		return nil
	}
	names, err := l.names(path)
	if err != nil {
		return fmt.Errorf("read directory %q: %w", path, err)
	}
	for _, name := range names {
		l.add(filepath.Join(path, name), path)
	}
	l.addBelow(path)
	return nil
}

func (l *viewLayout) add(path, home string) {
	elements := strings.Split(strings.Trim(filepath.Join("/", path), "/"), "/")
	top := viewTop(path)
	name := elements[0]
	for i := 1; ; i++ {
		if other := l.root.kids[name]; other == nil || other.top == top {
			break
		}
		name = elements[0] + "-" + strconv.Itoa(i)
	}
	p := l.root.kid(name, filepath.Join(top, elements[0]))
	p.top = top
	for _, e := range elements[1:] {
		p = p.kid(e, filepath.Join(p.path, e))
	}
	if !p.whole || p.home != p.path { // a path that was named wins over one that was found
		p.whole, p.home = true, home
	}
}

// viewTop returns the directory that the first element of path is in.
func viewTop(path string) string {
	if filepath.IsAbs(path) {
		return "/"
	}
	top := "."
	for e := range strings.SplitSeq(path, "/") {
		if e != ".." {
			break
		}
		top = filepath.Join(top, e)
	}
	return top
}

func (p *viewPlace) kid(name, path string) *viewPlace {
	if p.kids == nil {
		p.kids = map[string]*viewPlace{}
	}
	k := p.kids[name]
	if k == nil {
		k = &viewPlace{path: path}
		p.kids[name] = k
	}
	return k
}

// unroll replaces a directory that is backed up with a path in it named too, which may lead through a link, by its
// contents.
func (l *viewLayout) unroll(p *viewPlace) error {
	names, err := l.names(p.path)
	if err != nil {
		return err
	}
	for _, name := range names {
		k := p.kid(name, filepath.Join(p.path, name))
		if !k.whole {
			k.whole, k.home = true, p.home
		}
	}
	p.whole = false
	return nil
}

func (l *viewLayout) target(p *viewPlace, name, tree string, dir *viewDir) (*viewTarget, error) {
	t := &viewTarget{name: name, base: filepath.Base(p.path), dir: dir}
	if l.view.opt.OneFileSystem && p.whole {
		t.dir = dir.on(l.view.picture.Dir(p.home))
	}
	if moved := l.moved(p, dir); moved && isFile(p.path) {
		t.dir = newViewDir(l.view, filepath.Dir(p.path), dir.tree, dir.names)
		return t, nil
	} else if !moved && len(p.kids) == 0 {
		return t, nil
	}
	if p.whole {
		if t.lost = l.unroll(p); t.lost != nil {
			return t, nil
		}
	}
	t.self = newViewDir(l.view, l.view.picture.Dir(p.path), tree, l.view.filter.enter(dir.names, t.base))
	t.self.findDevice()
	for _, kid := range slices.Sorted(maps.Keys(p.kids)) {
		k, err := l.target(p.kids[kid], kid, tree+"/"+kid, t.self)
		if err != nil {
			return nil, err
		}
		t.kids = append(t.kids, k)
	}
	return t, nil
}

// top returns the directory at path, which stands for the root of the tree.
func (l *viewLayout) top(path string) (*viewDir, error) {
	if d := l.tops[path]; d != nil {
		return d, nil
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the absolute form of %q: %w", path, err)
	}
	d := newViewDir(l.view, l.view.picture.Dir(path), "", l.view.filter.absolute(absolute))
	d.findDevice()
	l.tops[path] = d
	return d, nil
}

// findDevice sets the device. Where it can't be told, because d is not there or no directory, nothing in d can be
// read either, and that is told then.
func (d *viewDir) findDevice() {
	var st unix.Stat_t
	if unix.Stat(d.path, &st) == nil {
		d.device = st.Dev
	}
}

// on returns d as a directory whose contents stay on the file system of home.
func (d *viewDir) on(home string) *viewDir {
	c := *d
	var st unix.Stat_t
	if unix.Lstat(home, &st) == nil {
		c.system = st.Dev
	}
	return &c
}

// moved says whether p, which is backed up, is read from elsewhere than the directory that it is in. Then it is taken for one
// on the way to what is in it, which has a place of its own to be read from.
func (l *viewLayout) moved(p *viewPlace, dir *viewDir) bool {
	return l.view.picture.Moved(p.path) && !l.view.filter.excludes(dir.names, filepath.Base(p.path))
}

func isFile(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && !info.IsDir()
}

// names returns the sorted names in the directory at path.
func (l *viewLayout) names(path string) (names []string, err error) {
	fd, err := unix.Open(l.view.picture.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	names, err = atNames(fd)
	return withoutPictures(names), errors.Join(err, unix.Close(fd))
}

// runTargets reads the metadata of the paths of the part.
func (p *viewPart) runTargets(ctx context.Context, v *view) {
	p.items = make([]viewItem, 0, len(p.targets))
	for _, t := range p.targets {
		if ctx.Err() != nil {
			return
		}
		p.target(v, t)
	}
	p.targets = nil
}

// target adds the item of one path, unless it is left out. A directory on the way is never left out.
func (p *viewPart) target(v *view, t *viewTarget) {
	var st unix.Stat_t
	if t.self != nil {
		err := t.self.use(func(fd int) error { return unix.Fstatat(fd, "", &st, unix.AT_EMPTY_PATH) })
		p.addWay(t, &st, err)
		return
	}
	out := false
	err := t.dir.use(func(fd int) error {
		out = besideTag(v.filter.tagged(fd), t.base) || v.filter.excludes(t.dir.names, t.base)
		return unix.Fstatat(fd, t.base, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	if !out {
		p.add(t.dir, t.base, t.name, &st, errors.Join(t.lost, err))
	}
}

// addWay adds the item of a directory on the way.
func (p *viewPart) addWay(t *viewTarget, st *unix.Stat_t, err error) {
	p.items = append(p.items, viewItem{dir: t.self, name: "."})
	it := &p.items[len(p.items)-1]
	if err != nil {
		it.lose(t.self.tree, fmt.Errorf("read metadata: %w", err))
	} else if it.stat(st, t.self.tree, t.name) {
		it.part = &viewPart{targets: t.kids}
	}
}
