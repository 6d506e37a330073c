package mount

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// unmount ends the file system on dir, if need be by taking it away from those who use it. After an error it may be
// served still.
func unmount(server *fuse.Server, dir string) error {
	err := server.Unmount()
	if err == nil {
		return nil
	}
	forced := unix.Unmount(dir, unix.MNT_FORCE|unix.MNT_DETACH)
	if errors.Is(forced, unix.EPERM) {
		forced = detach(dir)
	}
	if forced != nil {
		return fmt.Errorf("unmount %q: %w", dir, errors.Join(err, forced))
	}
	return nil
}

// detach is the way for who is not root: it ends the connection behind the file system, whose name is the minor number of
// its device, and has a helper program take it out of sight.
func detach(dir string) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return err
	}
	abort := fmt.Sprintf("/sys/fs/fuse/connections/%d/abort", unix.Minor(st.Dev))
	if err := os.WriteFile(abort, []byte("1"), 0); err != nil {
		return fmt.Errorf("it is in use: %w", err)
	}
	out, err := exec.Command("fusermount3", "-u", "-z", dir).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		out, err = exec.Command("fusermount", "-u", "-z", dir).CombinedOutput()
	}
	if err != nil {
		return fmt.Errorf("%q: %w", bytes.TrimSpace(out), err)
	}
	return nil
}
