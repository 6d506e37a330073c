package local

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// renameNew renames without replacing. Its error wraps errors.ErrUnsupported where kernel or file system can't.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if err == nil {
		return nil
	}
	if err == unix.EINVAL { // the answer of a file system that doesn't know the flag, such as NFS
		err = errors.ErrUnsupported
	}
	return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
}

func syncDir(d *os.File) error { return d.Sync() }
