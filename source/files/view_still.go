package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/source/files/still"
)

// hold takes still pictures of what the paths are on, if that is asked for, and tells where it was not possible.
func (v *view) hold(ctx context.Context, paths []string) (err error) {
	switch v.opt.Still {
	case StillNever:
		return nil
	case StillPossible, StillAlways:
	default:
		return fmt.Errorf("snapshots of file systems: %q is no choice", v.opt.Still)
	}
	v.picture, err = still.Take(ctx, paths, still.Options{Clock: v.opt.Clock, Nested: !v.opt.OneFileSystem})
	if err != nil {
		return err
	}
	var nested []string
	for _, l := range v.picture.Live {
		if l.Nested && !v.opt.OneFileSystem {
			nested = append(nested, fmt.Sprintf("%q (%v)", l.Path, l.Err))
		}
		if l.Nested {
			continue
		}
		if v.opt.Still == StillAlways {
			err = errors.Join(err, fmt.Errorf("no snapshot of what %q is on: %w", l.Path, l.Err))
			continue
		}
		v.opt.Notice(fmt.Sprintf("%q is read as it is, and not from a snapshot: %v", l.Path, l.Err))
	}
	if len(nested) > 0 && err == nil {
		v.opt.Notice("read as it is, and not from a snapshot: " + strings.Join(nested, ", "))
	}
	return err
}

// addBelow puts what below path is read from elsewhere into the tree as paths of their own, unless it is left out: what
// is mounted there is not in the picture of what is around it.
func (l *viewLayout) addBelow(path string) {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() || l.view.opt.OneFileSystem {
		return
	}
	for _, name := range l.view.picture.Below(path) {
		if !l.leftOut(path, name) {
			l.add(filepath.Join(path, name), path)
		}
	}
}

// leftOut says whether the filter leaves out name, which is below path, or a directory on the way to it.
func (l *viewLayout) leftOut(path, name string) bool {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	f := l.view.filter
	names := f.absolute(absolute)
	for element := range strings.SplitSeq(name, "/") {
		if f.excludes(names, element) || besideTag(l.tagged(path), element) {
			return true
		}
		names, path = f.enter(names, element), filepath.Join(path, element)
	}
	return false
}

func (l *viewLayout) tagged(path string) (tags []string) {
	fd, err := unix.Open(l.view.picture.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = unix.Close(fd) }() // only read
	return l.view.filter.tagged(fd)
}

// withoutPictures leaves out the names of pictures, which are no part of what is backed up.
func withoutPictures(names []string) []string { return slices.DeleteFunc(names, still.IsPicture) }
