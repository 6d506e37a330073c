// Package files backs up folders of mounted file systems, and restores them.
//
// A Source is a list of paths. Its View walks what is below them, ahead of its reader, and yields what lstat tells of
// each name; content, link targets and extended attributes are read when they are asked for. A Target is a directory
// that entries are restored into. NewReader and NewCommand are sources of one file that is no file yet: a stream, or what
// a command prints.
//
// A path becomes the tree that its words say: /home/u/src is src in u in home, and src/sub is sub in src; words that
// lead upwards are left out, and the contents of "." or "/" stand at the root. Directories on the way to a path are
// entries with their metadata but only what leads on in them. Where two paths of different origin claim one name at the
// root, the later one gets a number (tmp, tmp-1).
//
// Below a path no symbolic link is followed: each directory is reached from the one above it, by handle. This also
// makes paths longer than the system's limit work. Sockets are left out, since nothing could be restored of them. A
// name that is gone before its metadata was read is left out too: it was deleted before its moment came. One that is gone
// when its content is opened is lost, and Open says so.
package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/source"
)

// Options say what of the paths is backed up, and how. The zero value is everything.
type Options struct {
	Exclude            []string // patterns (see ReadPatterns) of what is left out
	InsensitiveExclude []string // the same without regard to case
	ExcludeCaches      bool     // leave out what is in a directory with a valid CACHEDIR.TAG, but the tag
	ExcludeIfPresent   []string // NAME or NAME:HEADER: leave out what is beside a file NAME that begins with HEADER
	ExcludeLargerThan  int64    // bytes; leave out larger files; 0: none
	OneFileSystem      bool     // don't go into other file systems than that of the path; their mount points stay
	AccessTime         bool     // tell access times; else they are said to be the modification times
	Parallel           int      // contents open at once; 0: 8, enough to keep a disk or a server busy with small files

	// Still is whether snapshots of Btrfs, ZFS and LVM are read instead of the folders, which others may change meanwhile.
	Still Still
	// Notice is told what is read as it is although Still was asked for, and other things that a person should know. nil: nobody.
	Notice func(text string)
	Clock  clock.Clock // nil: clock.System
}

// Still says whether a view is a still picture.
type Still string

// The choices.
const (
	StillNever    Still = ""        // the folders are read as they are
	StillPossible Still = "try"     // where a snapshot can't be taken they are read as they are, and Notice tells
	StillAlways   Still = "require" // Open fails if one of the paths can't be read from a snapshot
)

func (o Options) withDefaults() Options {
	if o.Parallel == 0 {
		o.Parallel = 8
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	return o
}

// Source is a list of paths. Its methods may be called from any goroutine.
type Source struct {
	paths    []string
	absolute []string
	opt      Options
	err      error // of making the paths absolute
}

// New makes a source of paths, which are relative to the working directory unless they begin with a slash. What is wrong
// with them or with the options is told by Open.
func New(paths []string, opt Options) *Source {
	s := &Source{paths: slices.Clone(paths), opt: opt.withDefaults()}
	for _, p := range paths {
		absolute, err := filepath.Abs(p)
		if err != nil {
			s.err = fmt.Errorf("find the absolute form of %q: %w", p, err)
			absolute = p
		}
		s.absolute = append(s.absolute, absolute)
	}
	return s
}

// Paths returns the absolute forms of the paths in the order given: what a snapshot of them calls its paths.
func (s *Source) Paths() []string { return slices.Clone(s.absolute) }

// Open begins a view. It fails if an option makes no sense or none of the paths is there; a single path that is not
// there is an entry that the view loses.
//
// The readers that contents of the view open are each an entry.FileReader: a file has changed for them if it has another
// size or modification time than its entry.
func (s *Source) Open(ctx context.Context) (source.View, error) {
	if s.err != nil {
		return nil, s.err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	f, err := newFilter(s.opt)
	if err != nil {
		return nil, err
	}
	v := newView(s.opt, f)
	if err := v.hold(ctx, s.absolute); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	if v.targets, err = newLayout(v).targets(s.paths); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// check refuses paths that can't be backed up at all.
func (s *Source) check() error {
	if len(s.paths) == 0 {
		return errors.New("no paths to back up")
	}
	if slices.Contains(s.paths, "") {
		return errors.New("a path to back up is empty")
	}
	var missing error
	for _, p := range s.paths {
		if _, err := os.Lstat(p); !errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		missing = fmt.Errorf("%q: %w", p, fs.ErrNotExist)
	}
	return fmt.Errorf("none of the paths to back up is there: %w", missing)
}
