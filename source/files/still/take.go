package still

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/backstay/backstay/source/files/filesystem"
)

// taking is a Take at work.
type taking struct {
	opt     Options
	self    process
	mounts  []filesystem.Mount
	makers  map[string]maker // by type of file system
	picture *Picture
	asked   []string          // directories
	dirs    map[string]string // of the volumes that were taken, by id
}

func newTaking(opt Options) (*taking, error) {
	self, err := thisProcess()
	if err != nil {
		return nil, err
	}
	mounts, err := filesystem.Mounts()
	if err != nil {
		return nil, err
	}
	run := opt.run
	if run == nil {
		run = runCommand
	}
	t := &taking{opt: opt, self: self, mounts: mounts, picture: &Picture{devices: map[uint64]uint64{}}, dirs: map[string]string{}}
	t.makers = map[string]maker{"btrfs": btrfs{run}, "zfs": zfs{run}}
	for kind := range lvmMount {
		t.makers[kind] = lvm{run}
	}
	return t, nil
}

// path takes what one path is on, and what is mounted below it.
func (t *taking) path(ctx context.Context, path string) {
	dir, err := dirOf(path)
	if err != nil {
		return // the view tells of it
	}
	t.asked = append(t.asked, dir)
	m := t.mountOf(dir)
	if m == nil {
		t.live(dir, path, false, errors.New("it is not known what is mounted there"))
		return
	}
	t.add(ctx, m, dir, path, false)
	if !t.opt.Nested {
		return
	}
	for i := range t.mounts {
		if m := &t.mounts[i]; m.Point != dir && within(m.Point, dir) && t.mountOf(m.Point) == m { // else another one hides it
			t.below(ctx, m)
		}
	}
}

// below takes what is mounted below a path.
func (t *taking) below(ctx context.Context, m *filesystem.Mount) {
	info, err := os.Lstat(m.Point)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		t.live(m.Point, m.Point, true, err)
	case !info.IsDir():
		t.live(m.Point, m.Point, true, errors.New("a single file is mounted there"))
	default:
		t.add(ctx, m, m.Point, m.Point, true)
	}
}

// mountOf returns the mount that the real path is on: of those that are nearest the last one.
func (t *taking) mountOf(path string) (of *filesystem.Mount) {
	for i := range t.mounts {
		if m := &t.mounts[i]; within(path, m.Point) && (of == nil || len(m.Point) >= len(of.Point)) {
			of = m
		}
	}
	return of
}

// add takes the volume that dir on the mount is in, unless that was done.
func (t *taking) add(ctx context.Context, m *filesystem.Mount, dir, path string, nested bool) {
	if context.Cause(ctx) != nil {
		return
	}
	maker := t.makers[m.Type]
	if maker == nil {
		t.live(m.Point, path, nested, fmt.Errorf("%s has no snapshots", m.Type))
		return
	}
	v, err := maker.find(ctx, m, dir)
	if err != nil {
		t.live(m.Point, path, nested, err)
		return
	}
	v.maker, v.mount = maker, *m
	if in := t.picture.placeOf(dir); in != nil && in.root == v.root && in.dir != "" {
		return
	}
	if err := t.take(ctx, &v); err != nil {
		t.live(v.root, path, nested, err)
	}
}

// take takes a picture of v, if there is none yet, and notes that v is to be read from there.
func (t *taking) take(ctx context.Context, v *volume) error {
	dir := t.dirs[v.id]
	if dir == "" {
		t.sweep(ctx, v)
		name := newName(t.opt.Clock.Now(), t.self, len(t.picture.taken))
		var err error
		if dir, err = v.maker.take(ctx, v, name); err != nil {
			undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
			defer cancel()
			_ = v.maker.remove(undo, v, name) // it may be there or not
			return err
		}
		t.dirs[v.id] = dir
		t.picture.taken = append(t.picture.taken, taken{volume: *v, name: name})
	}
	if b, ok := v.maker.(btrfs); ok {
		if err := t.nested(ctx, b, v); err != nil { // they would look empty
			return err
		}
	}
	of, err := deviceOf(v.root)
	if err != nil {
		return err
	}
	in := filepath.Join(dir, v.top)
	device, err := deviceOf(in)
	if err != nil {
		return err
	}
	t.picture.devices[device] = of
	t.picture.put(place{root: v.root, dir: in})
	return nil
}

// nested notes the subvolumes in a subvolume, which its picture does not have.
func (t *taking) nested(ctx context.Context, b btrfs, v *volume) error {
	roots, err := b.nested(ctx, v)
	if err != nil {
		return err
	}
	for _, root := range roots {
		t.live(root, root, true, errors.New("it is a subvolume of its own"))
	}
	return nil
}

// live notes that what begins at root is read as it is.
func (t *taking) live(root, path string, nested bool, err error) {
	p := t.picture
	if !nested || !slices.ContainsFunc(p.places, func(l place) bool { return l.root == root }) {
		p.Live = append(p.Live, Live{Path: path, Nested: nested, Err: err})
	}
	if !slices.ContainsFunc(p.places, func(l place) bool { return l.root == root }) {
		p.places = append(p.places, place{root: root})
	}
}

// tidy forgets what is read live but was not asked for: subvolumes elsewhere in a volume.
func (t *taking) tidy() {
	t.picture.Live = slices.DeleteFunc(t.picture.Live, func(l Live) bool {
		return l.Nested && !slices.ContainsFunc(t.asked, func(dir string) bool { return within(l.Path, dir) })
	})
}

// put adds a place with a picture. Until now it may have been one that is read live.
func (p *Picture) put(in place) {
	p.places = slices.DeleteFunc(p.places, func(l place) bool { return l.root == in.root })
	p.Live = slices.DeleteFunc(p.Live, func(l Live) bool { return l.Nested && l.Path == in.root })
	p.places = append(p.places, in)
}

// sweep removes what killed processes have left. What can't be removed is tried again by the next one.
func (t *taking) sweep(ctx context.Context, v *volume) {
	names, err := v.maker.names(ctx, v)
	if err != nil {
		return
	}
	for _, name := range names {
		if t.self.left(name, t.opt.Clock.Now()) {
			_ = v.maker.remove(ctx, v, name)
		}
	}
}
