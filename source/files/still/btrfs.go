package still

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/source/files/filesystem"
)

// btrfs takes pictures of subvolumes. They stand in the root of the subvolume that they are of, under a hidden name.
type btrfs struct{ run runner }

// rootInode is the number of the root directory of each subvolume (BTRFS_FIRST_FREE_OBJECTID), and of nothing else.
const rootInode = 256

func isSubvolume(dir string) (bool, error) {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return false, fmt.Errorf("stat %q: %w", dir, err)
	}
	return st.Ino == rootInode, nil
}

func (b btrfs) find(_ context.Context, m *filesystem.Mount, dir string) (volume, error) {
	for {
		is, err := isSubvolume(dir)
		if err != nil {
			return volume{}, err
		}
		if is {
			break
		}
		if dir == m.Point {
			return volume{}, errors.New("a part of a subvolume is mounted there, and not the whole")
		}
		dir = filepath.Dir(dir)
	}
	device, err := deviceOf(dir) // each subvolume has one
	return volume{id: fmt.Sprintf("btrfs %d", device), root: dir}, err
}

func (b btrfs) dir(v *volume, name string) string { return filepath.Join(v.root, "."+name) }

func (b btrfs) take(ctx context.Context, v *volume, name string) (string, error) {
	_, err := b.run(ctx, "btrfs", "subvolume", "snapshot", "-r", "--", v.root, b.dir(v, name))
	return b.dir(v, name), err
}

func (b btrfs) names(_ context.Context, v *volume) (names []string, err error) {
	entries, err := os.ReadDir(v.root)
	for _, e := range entries {
		if IsPicture(e.Name()) {
			names = append(names, e.Name()[1:])
		}
	}
	return names, err
}

func (b btrfs) check(context.Context, *volume, string) error { return nil }

func (b btrfs) remove(ctx context.Context, v *volume, name string) error {
	if err := ours(name); err != nil {
		return err
	}
	_, err := b.run(ctx, "btrfs", "subvolume", "delete", "--", b.dir(v, name))
	return err
}

// nested returns the roots of the subvolumes in v. In a picture they are empty directories.
func (b btrfs) nested(ctx context.Context, v *volume) (roots []string, err error) {
	list, err := b.run(ctx, "btrfs", "subvolume", "list", "-o", "--", v.root)
	if err != nil {
		return nil, err
	}
	below, err := filepath.Rel(v.mount.Point, v.root)
	if err != nil {
		return nil, err
	}
	self := strings.TrimPrefix(filepath.Join(v.mount.Root, below), "/") // from the top of the file system
	if self != "" {
		self += "/"
	}
	for line := range strings.Lines(list) {
		// ID 257 gen 9 top level 256 path home/user/nested
		_, path, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " path ")
		name, found := strings.CutPrefix(path, self)
		if found && !IsPicture(name) {
			roots = append(roots, filepath.Join(v.root, name))
		}
	}
	return roots, nil
}
