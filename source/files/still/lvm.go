package still

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/backstay/backstay/source/files/filesystem"
)

// lvm takes pictures of logical volumes, and mounts them below the folder for temporary files. A volume in a thin pool
// gives its picture room as it needs it. Another one sets aside a tenth of its size: if more than that is overwritten while
// the picture is there, the picture is lost, and check says so.
type lvm struct{ run runner }

const lvmRoom = "10%ORIGIN"

// lvmMount has how a picture of each file system is mounted. While it is taken the kernel holds the file system still, so
// that no journal needs to be replayed.
var lvmMount = map[string]string{
	"ext2": "ro", "ext3": "ro,noload", "ext4": "ro,noload",
	"xfs": "ro,nouuid", // XFS refuses two of the same identity
}

func (l lvm) find(ctx context.Context, m *filesystem.Mount, _ string) (volume, error) {
	if !strings.HasPrefix(m.Source, "/dev/") {
		return volume{}, fmt.Errorf("%s on %q is no LVM volume", m.Type, m.Source)
	}
	out, err := l.run(ctx, "lvs", "--noheadings", "--options", "vg_name,lv_name", "--separator", "/", "--", m.Source)
	if err != nil {
		return volume{}, fmt.Errorf("%s on %q is no LVM volume: %w", m.Type, m.Source, err)
	}
	name := strings.TrimSpace(out)
	if group, _, found := strings.Cut(name, "/"); !found || group == "" || strings.Contains(name, "\n") {
		return volume{}, fmt.Errorf("%s on %q is no LVM volume", m.Type, m.Source)
	}
	return volume{id: name, root: m.Point, top: m.Root}, nil
}

// group is the volume group of v, whose id is group/volume.
func (v *volume) group() string {
	group, _, _ := strings.Cut(v.id, "/")
	return group
}

// device is where the picture stands as a device.
func (l lvm) device(v *volume, name string) string {
	double := strings.NewReplacer("-", "--")
	return "/dev/mapper/" + double.Replace(v.group()) + "-" + double.Replace(name)
}

func (l lvm) take(ctx context.Context, v *volume, name string) (string, error) {
	pool, err := l.run(ctx, "lvs", "--noheadings", "--options", "pool_lv", "--", v.id)
	if err != nil {
		return "", err
	}
	create := []string{"lvcreate", "--snapshot", "--setactivationskip", "n", "--name", name}
	if strings.TrimSpace(pool) == "" {
		create = []string{"lvcreate", "--snapshot", "--extents", lvmRoom, "--name", name}
	}
	if _, err := l.run(ctx, append(create, "--", v.id)...); err != nil {
		return "", err
	}
	dir := lvmDir(name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	_, err = l.run(ctx, "mount", "-t", v.mount.Type, "-o", lvmMount[v.mount.Type], "--", l.device(v, name), dir)
	return dir, err
}

// lvmDir is where a picture is mounted.
func lvmDir(name string) string { return filepath.Join(os.TempDir(), name) }

func (l lvm) names(ctx context.Context, v *volume) (names []string, err error) {
	list, err := l.run(ctx, "lvs", "--noheadings", "--options", "lv_name", "--", v.group())
	for line := range strings.Lines(list) {
		if name := strings.TrimSpace(line); ours(name) == nil {
			names = append(names, name)
		}
	}
	return names, err
}

func (l lvm) check(ctx context.Context, v *volume, name string) error {
	invalid, err := l.run(ctx, "lvs", "--noheadings", "--options", "lv_snapshot_invalid", "--", v.group()+"/"+name)
	if err == nil && strings.Contains(invalid, "invalid") {
		err = fmt.Errorf("it ran full: more than %s of the volume was overwritten", strings.TrimSuffix(lvmRoom, "ORIGIN"))
	}
	return err
}

func (l lvm) remove(ctx context.Context, v *volume, name string) error {
	if err := ours(name); err != nil {
		return err
	}
	mounts, err := filesystem.Mounts()
	if err != nil {
		return err
	}
	dirs := []string{lvmDir(name)}
	for _, m := range mounts { // the watcher of LVM unmounts what ran full; a killed process may have had its files elsewhere
		if m.Source != l.device(v, name) {
			continue
		}
		if _, err := l.run(ctx, "umount", "--", m.Point); err != nil {
			return err
		}
		dirs = append(dirs, m.Point)
	}
	for _, dir := range dirs {
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	_, err = l.run(ctx, "lvremove", "--yes", "--force", "--", v.group()+"/"+name)
	return err
}
