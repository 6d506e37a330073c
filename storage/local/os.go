package local

import (
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
)

// OS is the file system of this machine.
type OS struct{}

var _ FS = OS{}

// Create implements FS.
func (OS) Create(path string) (File, error) {
	return file(os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600))
}

// Open implements FS.
func (OS) Open(path string) (File, error) { return file(os.Open(path)) }

// file keeps a nil *os.File from becoming a File that isn't nil.
func file(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Stat implements FS.
func (OS) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

// Rename implements FS.
func (OS) Rename(from, to string) error {
	err := renameNew(from, to)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return renameByLink(from, to)
}

// renameByLink renames without replacing where the file system knows hard links, else after a look at the new name.
func renameByLink(from, to string) error {
	err := os.Link(from, to)
	if err == nil {
		if err = os.Remove(from); err != nil {
			return errors.Join(err, os.Remove(to))
		}
		return nil
	}
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	_, err = os.Lstat(to)
	if errors.Is(err, fs.ErrNotExist) {
		return os.Rename(from, to)
	}
	if err == nil {
		err = fs.ErrExist
	}
	return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
}

// Chmod implements FS.
func (OS) Chmod(path string, mode fs.FileMode) error { return os.Chmod(path, mode) }

// Remove implements FS.
func (OS) Remove(path string) error { return os.Remove(path) }

// Mkdir implements FS.
func (OS) Mkdir(path string) error { return os.Mkdir(path, 0o700) }

// ReadDir implements FS.
func (OS) ReadDir(path string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		d, err := os.Open(path)
		if err != nil {
			yield("", err)
			return
		}
		defer func() { _ = d.Close() }() // only read from: its answer changes nothing
		for {
			names, err := d.Readdirnames(1024)
			for _, name := range names {
				if !yield(name, nil) {
					return
				}
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				yield("", err)
				return
			}
		}
	}
}

// SyncDir implements FS.
func (OS) SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(syncDir(d), d.Close())
}
