package rclone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rclone/rclone/fs"
	drive3 "google.golang.org/api/drive/v3"
)

// driveFs is rclone's backend, but that of two files, or two folders, of one name it never takes just any. Drive lets a folder hold
// several of a name; two programs that begin a repository at the same moment may each make "data", and each would see its own half.
type driveFs struct {
	fs.Fs
	root, top string // the folder of the repository; the id of the folder that it begins at
	now       func() time.Time

	looking sync.Mutex // held while rclone looks something up: then it writes to a field that nothing guards

	mu      sync.Mutex
	folders map[string]driveFolder // guarded by mu: those that were found to be the only ones of their path
}

type driveFolder struct {
	id    string
	until time.Time // when to look again
}

func newDriveFs(f fs.Fs, root, top string, now func() time.Time) *driveFs {
	return &driveFs{Fs: f, root: root, top: cmp.Or(top, "root"), now: now, folders: make(map[string]driveFolder)}
}

// Features are rclone's, but for Move.
func (f *driveFs) Features() *fs.Features {
	features := *f.Fs.Features()
	features.Move = f.move
	return &features
}

// NewObject returns the file, if it is the only one of its name, in a folder that is the only one of its.
func (f *driveFs) NewObject(ctx context.Context, name string) (fs.Object, error) {
	o, err := f.look(ctx, name)
	switch {
	case errors.Is(err, fs.ErrorObjectNotFound):
		if _, twice := f.folder(ctx, path.Dir(path.Join(f.root, name)), false); twice != nil {
			return nil, twice // it may be in the other one
		}
	case err == nil:
		if err := f.single(ctx, name); err != nil {
			return nil, err
		}
	}
	return o, err
}

func (f *driveFs) look(ctx context.Context, name string) (fs.Object, error) {
	f.looking.Lock()
	defer f.looking.Unlock()
	return f.Fs.NewObject(ctx, name)
}

// Put makes a file, of which the caller knows that it isn't there.
func (f *driveFs) Put(ctx context.Context, in io.Reader, src fs.ObjectInfo, options ...fs.OpenOption) (fs.Object, error) {
	if err := f.Mkdir(ctx, strings.TrimPrefix(path.Dir(src.Remote()), ".")); err != nil {
		return nil, err // from now on rclone knows the folder, and looks no more
	}
	made, err := f.Fs.Features().PutUnchecked(ctx, in, src, options...)
	return made, again(err, driveReply)
}

// Mkdir makes a folder and those above it. Where another program makes one at the same moment, the younger gives way.
func (f *driveFs) Mkdir(ctx context.Context, dir string) error {
	if dir == "" {
		return f.make(ctx, "")
	}
	for i := range len(dir) + 1 {
		if i < len(dir) && dir[i] != '/' {
			continue
		}
		if err := f.makeSingle(ctx, dir[:i]); err != nil {
			return err
		}
	}
	return nil
}

func (f *driveFs) make(ctx context.Context, dir string) error {
	f.looking.Lock()
	defer f.looking.Unlock()
	return f.Fs.Mkdir(ctx, dir) // asks nobody if rclone knows the folder
}

// makeSingle makes a folder, or takes that which another program made.
func (f *driveFs) makeSingle(ctx context.Context, dir string) error {
	for try := 1; ; try++ {
		if err := f.make(ctx, dir); err != nil {
			return err
		}
		_, err := f.folder(ctx, path.Join(f.root, dir), false)
		if !errors.Is(err, errSeveral) || try == 3 {
			return err
		}
		if older, lookErr := f.giveWay(ctx, dir); !older || lookErr != nil {
			return errors.Join(err, lookErr)
		}
	}
}

// giveWay removes the folder that rclone made, if there is an older one of its name and it is empty. It isn't used by anybody then: who
// looks for the name is told that there are several.
func (f *driveFs) giveWay(ctx context.Context, dir string) (older bool, err error) {
	f.looking.Lock()
	defer f.looking.Unlock()
	ours, err := f.Fs.Features().MkdirMetadata(ctx, dir, nil)
	if err != nil {
		return false, err
	}
	full := path.Join(f.root, dir)
	parent, err := f.folder(ctx, path.Dir(full), false)
	if err != nil {
		return false, err
	}
	found, err := f.query(ctx, parent, path.Base(full), true)
	if err != nil || len(found) < 2 {
		return true, err // the other one gave way
	}
	oldest := slices.MinFunc(found, func(a, b *drive3.File) int {
		return cmp.Or(strings.Compare(a.CreatedTime, b.CreatedTime), strings.Compare(a.Id, b.Id))
	})
	if oldest.Id == ours.ID() {
		return false, nil
	}
	return true, f.Fs.Rmdir(ctx, dir)
}

// List returns what a folder holds, if nothing on the way to it or in it is there twice.
func (f *driveFs) List(ctx context.Context, dir string) (fs.DirEntries, error) {
	if _, err := f.folder(ctx, path.Join(f.root, dir), true); err != nil {
		return nil, err
	}
	f.looking.Lock()
	entries, err := f.Fs.List(ctx, dir)
	f.looking.Unlock()
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(entries))
	for _, e := range entries {
		if seen[e.Remote()] {
			return nil, several(e.Remote())
		}
		seen[e.Remote()] = true
	}
	return entries, nil
}

// move renames. Drive doesn't mind that the name is taken; where it is, by another program at the same moment, this file is taken back.
// Of two that look after they have renamed one sees the other; if both do, both try again.
func (f *driveFs) move(ctx context.Context, src fs.Object, name string) (fs.Object, error) {
	moved, err := f.Fs.Features().Move(ctx, src, name)
	if err != nil {
		return nil, err
	}
	if err := f.single(ctx, name); err != nil {
		return nil, errors.Join(err, moved.Remove(ctx)) // by its id
	}
	return moved, nil
}

// single returns an error if a file, or a folder that it is in, is there more than once.
func (f *driveFs) single(ctx context.Context, name string) error {
	full := path.Join(f.root, name)
	parent, err := f.folder(ctx, path.Dir(full), false)
	if err != nil || parent == "" {
		return err
	}
	found, err := f.query(ctx, parent, path.Base(full), false)
	if err == nil && len(found) > 1 {
		return several(name)
	}
	return err
}

// A folder that is older than settled stays the only one of its name: whoever wants one sees it by then. Others are looked at again after
// a moment, and by each listing.
const (
	settled = time.Hour
	moment  = time.Minute
)

// folder returns the id of the only folder of a path, or "" if there is none.
func (f *driveFs) folder(ctx context.Context, dir string, listing bool) (id string, err error) {
	if dir == "." || dir == "" {
		return f.top, nil
	}
	f.mu.Lock()
	known := f.folders[dir]
	f.mu.Unlock()
	if left := known.until.Sub(f.now()); left > moment || left > 0 && !listing {
		return known.id, nil
	}
	parent, err := f.folder(ctx, path.Dir(dir), listing)
	if err != nil || parent == "" {
		return "", err
	}
	found, err := f.query(ctx, parent, path.Base(dir), true)
	if err != nil || len(found) == 0 {
		return "", err
	}
	if len(found) > 1 {
		return "", several(dir)
	}
	known = driveFolder{found[0].Id, f.now().Add(moment)}
	if made, err := time.Parse(time.RFC3339, found[0].CreatedTime); err == nil && f.now().Sub(made) > settled {
		known.until = f.now().AddDate(1, 0, 0)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.folders[dir] = known
	return known.id, nil
}

// query returns the files, or the folders, of a name in a folder.
func (f *driveFs) query(ctx context.Context, parent, name string, folders bool) ([]*drive3.File, error) {
	is := map[bool]string{true: "=", false: "!="}[folders]
	q := fmt.Sprintf("'%s' in parents and name='%s' and mimeType%s'application/vnd.google-apps.folder' and trashed=false", parent,
		strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(name), is)
	answer, err := f.Fs.Features().Command(ctx, "query", []string{q}, nil)
	if err != nil {
		return nil, err
	}
	found, ok := answer.([]*drive3.File)
	if !ok {
		return nil, fmt.Errorf("rclone answers a query with %T", answer)
	}
	return slices.DeleteFunc(found, func(other *drive3.File) bool { return other.Name != name }), nil
}

var errSeveral = errors.New("which is right can't be told (rclone dedupe puts folders together; of files all but one must go)")

func several(name string) error {
	return fmt.Errorf("the drive has several files or folders %q in one folder: %w", name, errSeveral)
}
