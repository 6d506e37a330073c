package still

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/backstay/backstay/source/files/filesystem"
)

// zfs takes pictures of ZFS file systems. They are read through the hidden directory .zfs.
type zfs struct{ run runner }

func (z zfs) find(_ context.Context, m *filesystem.Mount, _ string) (volume, error) {
	if m.Root != "/" {
		return volume{}, errors.New("a part of a ZFS file system is mounted there, and not the whole")
	}
	if m.Source == "" || strings.HasPrefix(m.Source, "-") || strings.Contains(m.Source, "@") {
		return volume{}, fmt.Errorf("%q is no name of a ZFS file system", m.Source)
	}
	return volume{id: "zfs " + m.Source, root: m.Point}, nil
}

func (z zfs) take(ctx context.Context, v *volume, name string) (string, error) {
	if _, err := z.run(ctx, "zfs", "snapshot", "--", v.mount.Source+"@"+name); err != nil {
		return "", err
	}
	dir := filepath.Join(v.mount.Point, ".zfs/snapshot", name)
	if _, err := os.ReadDir(dir); err != nil { // which mounts it
		return "", fmt.Errorf("look into the snapshot: %w", err)
	}
	return dir, nil
}

func (z zfs) names(ctx context.Context, v *volume) (names []string, err error) {
	list, err := z.run(ctx, "zfs", "list", "-H", "-o", "name", "-t", "snapshot", "-d", "1", "--", v.mount.Source)
	for line := range strings.Lines(list) {
		if _, name, _ := strings.Cut(strings.TrimSpace(line), "@"); ours(name) == nil {
			names = append(names, name)
		}
	}
	return names, err
}

func (z zfs) check(context.Context, *volume, string) error { return nil }

func (z zfs) remove(ctx context.Context, v *volume, name string) error {
	if err := ours(name); err != nil {
		return err
	}
	_, err := z.run(ctx, "zfs", "destroy", "--", v.mount.Source+"@"+name)
	return err
}
