package files

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/source"
	"github.com/backstay/backstay/source/files/filesystem"
)

// Overwrite says what becomes of a thing at the target that differs from the entry of the same path.
type Overwrite string

// The policies. What is equal already is left alone by each of them.
const (
	// Always overwrites. Files of equal size are compared by their bytes. It is the default.
	Always Overwrite = "always"
	// IfChanged overwrites too, but takes the bytes of a file as equal when size and modification time are.
	IfChanged Overwrite = "if-changed"
	// IfNewer overwrites what was modified before the entry was.
	IfNewer Overwrite = "if-newer"
	// Never leaves what is there.
	Never Overwrite = "never"
	// Ask compares as IfChanged does and plans a Conflict for what differs or would be deleted.
	Ask Overwrite = "ask"
)

// TargetOptions says how files are restored; the zero value is a faithful copy over whatever is there.
type TargetOptions struct {
	// Overwrite is the policy for what is there already; "" is Always.
	Overwrite Overwrite
	// Delete is asked for each path that is in a restored directory of the target and not among the entries, whether it
	// is to be deleted. It must say no to what was not selected for the restore. A directory is deleted if all in it is.
	// Nothing is deleted below a mount point or below a directory whose entries could not all be read. nil keeps all.
	Delete func(path string) bool
	// NoSparse writes runs of zeros instead of leaving holes.
	NoSparse bool
	// NoOwner leaves files to the user who restores. Without it owners and groups are set; for a user other than root
	// it is no loss where the system forbids that.
	NoOwner bool
	// AccessTime sets access times, too.
	AccessTime bool
}

func (o TargetOptions) withDefaults() TargetOptions {
	if o.Overwrite == "" {
		o.Overwrite = Always // the snapshot is what was asked for
	}
	return o
}

// Target is a directory of this machine that files are restored to.
//
// Only the target directory itself is found by its path, with symbolic links followed. Below it everything is reached
// name by name from directory handles, and no link is followed: nothing outside is read, changed or removed, whatever
// names the snapshot has and whatever another process moves about meanwhile.
//
// A file is written under a temporary name (".backstay-" and 20 hex digits) beside its place, and gets its name when
// its bytes and metadata are complete. A restore that ends early removes these files, except those of more than 64 MiB: the
// next restore of the same file goes on with what they hold. A killed process leaves them all; they too are taken up
// or replaced by the next restore of the same file, and never count as something to delete in a restored directory.
//
// What the file system of a directory can't hold (see package filesystem) is planned as it will be: a loss of metadata is
// in Change.Without, and neither set nor compared; what can't be there at all is Failed, and so is the second of two names
// that are one there. Where only trying tells, Apply tells.
type Target struct {
	dir string
	opt TargetOptions
	uid int // of this process
	gid int

	systemOf func(fd int) *filesystem.System // filesystem.Of, but in tests of what can't be mounted
}

var _ source.Restorer = (*Target)(nil)

// NewTarget returns the target that restores into dir; "/" restores to where the files came from. The directory is
// made, with its parents, when something is applied.
func NewTarget(dir string, opt TargetOptions) *Target {
	return &Target{dir: dir, opt: opt.withDefaults(), uid: os.Geteuid(), gid: os.Getegid(), systemOf: filesystem.Of}
}

func (t *Target) check() error {
	switch t.opt.Overwrite {
	case Always, IfChanged, IfNewer, Never, Ask:
		return nil
	}
	return fmt.Errorf("restore to %q: unknown overwrite policy %q", t.dir, t.opt.Overwrite)
}

// Unsure names the file system of the target and what only a restore tells whether it holds: a plan can't. That of a
// directory mounted below the target may be another.
func (t *Target) Unsure() (system string, things []string, err error) {
	s := t.systems()
	fd, err := t.open()
	if err == nil {
		of := s.find(fd)
		return of.Name, of.Unsure(), unix.Close(fd)
	}
	if !errors.Is(err, unix.ENOENT) {
		return "", nil, err
	}
	of, err := s.above(t.dir)
	if err != nil {
		return "", nil, err
	}
	return of.Name, of.Unsure(), nil
}

// open returns the descriptor of the target directory; its error is ENOENT if there is none.
func (t *Target) open() (int, error) {
	fd, err := unix.Open(t.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open target %q: %w", t.dir, err)
	}
	return fd, nil
}

// lock opens the target, made where it is missing, and keeps a second restore out: both would use the same temporary names.
func (t *Target) lock() (int, error) {
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return -1, fmt.Errorf("make target: %w", err)
	}
	fd, err := t.open()
	if err != nil {
		return -1, err
	}
	// Some network file systems have no locks; there the user has to know.
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err == unix.EWOULDBLOCK {
		return -1, errors.Join(fmt.Errorf("another restore is writing to %q", t.dir), unix.Close(fd))
	}
	return fd, nil
}
