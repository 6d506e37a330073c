// Package still takes still pictures of what folders are on: snapshots of Btrfs, ZFS and LVM.
//
// A volume is what a picture can be taken of: a Btrfs subvolume, a ZFS file system, an LVM volume with ext4 or XFS on it. A
// Picture is all that was taken for one backup. It tells where to read a path from; the path keeps its name. What no
// picture can be taken of is read as it is (live).
//
// Everything that is taken has a name that says which process took it. Close removes it. What a killed process left is
// removed by the next Take that comes by the same volume.
package still

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/source/files/filesystem"
)

// Options say of what pictures are taken. Clock is needed.
type Options struct {
	Clock  clock.Clock
	Nested bool // of what is mounted below the paths, too

	run func(ctx context.Context, argv ...string) (output string, err error) // nil: run the command
}

// Live is something that is read as it is.
type Live struct {
	Path   string
	Nested bool // below a path that was asked for
	Err    error
}

// Picture is what was taken. Its methods but Close may be called from any goroutine.
type Picture struct {
	Live    []Live
	places  []place
	taken   []taken
	devices map[uint64]uint64 // of volumes, by those of their pictures
}

// place is the root of a volume, or of something else that is mounted or stands for itself below one.
type place struct {
	root string // as a real path
	dir  string // where it is read from; "": live
}

// taken is one picture of a volume.
type taken struct {
	volume volume
	name   string
}

// volume is something that a picture is taken of.
type volume struct {
	maker maker
	id    string // the same for the same volume, wherever it is mounted
	root  string // the directory that belongs to top
	top   string // place of root in a picture; "" is the whole
	mount filesystem.Mount
}

// maker takes the pictures of one kind of volume. Its names are those that newName gives.
type maker interface {
	// find returns the volume that dir, a directory on the mount, is in.
	find(ctx context.Context, m *filesystem.Mount, dir string) (volume, error)
	// take takes a picture and returns the directory that it can be read from.
	take(ctx context.Context, v *volume, name string) (dir string, err error)
	// names lists the pictures of the volume that are there, also those of other processes.
	names(ctx context.Context, v *volume) ([]string, error)
	// check says whether the picture has stayed whole until now.
	check(ctx context.Context, v *volume, name string) error
	// remove takes a picture away.
	remove(ctx context.Context, v *volume, name string) error
}

// patience is how long removing may take: the work that it belongs to may be cancelled already.
const patience = 2 * time.Minute

// Take takes pictures of what the paths, which are absolute, are on. That this is not possible somewhere is no error: see
// Live. After an error nothing is left.
func Take(ctx context.Context, paths []string, opt Options) (*Picture, error) {
	t, err := newTaking(opt)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		t.path(ctx, path)
	}
	t.tidy()
	if err := context.Cause(ctx); err != nil {
		_, closeErr := t.picture.Close()
		return nil, errors.Join(err, closeErr)
	}
	return t.picture, nil
}

// Close removes the pictures. broken says that one of them was not whole until now, and so what was read of it; err what could
// not be removed.
func (p *Picture) Close() (broken, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, t := range p.taken {
		if cause := t.volume.maker.check(ctx, &t.volume, t.name); cause != nil {
			broken = errors.Join(broken, fmt.Errorf("snapshot of %q: %w", t.volume.root, cause))
		}
		if cause := t.volume.maker.remove(ctx, &t.volume, t.name); cause != nil {
			err = errors.Join(err, fmt.Errorf("remove snapshot of %q: %w", t.volume.root, cause))
		}
	}
	p.taken = nil
	return broken, err
}

// Dir returns where the directory at path is to be read: path itself, or its place in a picture. Links on the way are
// followed.
func (p *Picture) Dir(path string) string {
	if p == nil {
		return path
	}
	real, err := realPath(path)
	if err != nil {
		return path
	}
	in := p.placeOf(real)
	if in == nil || in.dir == "" {
		return path
	}
	return filepath.Join(in.dir, strings.TrimPrefix(real, in.root))
}

// Moved says whether path itself is read from elsewhere than the directory that it is in.
func (p *Picture) Moved(path string) bool {
	if p == nil {
		return false
	}
	parent, err := realPath(filepath.Dir(path))
	if err != nil {
		return false
	}
	here := filepath.Join(parent, filepath.Base(path))
	in := p.placeOf(here)
	if in == nil || in.root != here || here == parent {
		return false
	}
	above := p.placeOf(parent)
	return in.dir != "" || above != nil && above.dir != ""
}

// Below returns what in the directory at path is to be read from elsewhere than what is around it, as it is called from path.
func (p *Picture) Below(path string) (names []string) {
	if p == nil {
		return nil
	}
	real, err := realPath(path)
	if err != nil {
		return nil
	}
	for _, in := range p.places {
		name, err := filepath.Rel(real, in.root)
		if err != nil || name == "." || !filepath.IsLocal(name) {
			continue
		}
		above := p.placeOf(filepath.Dir(in.root))
		if in.dir != "" || above != nil && above.dir != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Device returns the device that what is on device belongs to: pictures have devices of their own.
func (p *Picture) Device(device uint64) uint64 {
	if p == nil {
		return device
	}
	if of, ok := p.devices[device]; ok {
		return of
	}
	return device
}

// placeOf returns the innermost place that the real path is in, nil for none.
func (p *Picture) placeOf(path string) (in *place) {
	for i := range p.places {
		if l := &p.places[i]; within(path, l.root) && (in == nil || len(l.root) > len(in.root)) {
			in = l
		}
	}
	return in
}

// within says whether the clean path is dir or below it.
func within(path, dir string) bool {
	return dir == "/" || path == dir || strings.HasPrefix(path, dir) && path[len(dir)] == '/'
}

func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// dirOf returns the real path of path if it is a directory, else of the one that it is in.
func dirOf(path string) (string, error) {
	info, err := os.Lstat(path)
	if err == nil && !info.IsDir() {
		path = filepath.Dir(path)
	}
	if err != nil {
		return "", err
	}
	return realPath(path)
}

func deviceOf(dir string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return 0, fmt.Errorf("stat %q: %w", dir, err)
	}
	return uint64(st.Dev), nil
}
