package files

import (
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// ChangedSince reports whether what is at a path of the target was changed after a moment: its content, its metadata, or its name. It goes by
// the change time, which only the system sets, but of a file with several names by its modification time. What is gone has not changed.
func (t *Target) ChangedSince(name string, at time.Time) (bool, error) {
	var st unix.Stat_t
	err := unix.Lstat(filepath.Join(t.dir, name), &st)
	if err == unix.ENOENT || err == unix.ENOTDIR {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at %q in the target: %w", name, err)
	}
	last := st.Ctim
	if st.Nlink > 1 { // a restore of one of its names sets the change time for all of them
		last = st.Mtim
	}
	return time.Unix(last.Unix()).After(at), nil
}
