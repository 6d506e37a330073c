//go:build !linux

package local

import (
	"errors"
	"os"
	"runtime"
)

// renameNew answers that there is no such call, so that Rename goes by way of a hard link.
func renameNew(string, string) error { return errors.ErrUnsupported }

func syncDir(d *os.File) error {
	if runtime.GOOS == "windows" { // folders can't be flushed there; NTFS keeps their order in its journal
		return errors.ErrUnsupported
	}
	return d.Sync()
}
