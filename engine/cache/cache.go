// Package cache keeps local copies of what of a repository is small and read again and again: snapshots, index files, and packs of trees.
//
// A Dir is the copies of one repository. Files are as they are in the storage, sealed, and under the same names; who reads them
// verifies them, so a copy that is damaged or cut is one that isn't there. Nothing depends on a copy: everything here may be removed at
// any time. Other processes may use the same Dir.
//
// The invariant: a file has its name only when it is whole.
package cache

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// unused is how long the copies of a repository are kept after it was last opened.
const unused = 30 * 24 * time.Hour

const tempPrefix = ".tmp-"

// Dir is the copies of one repository. It is safe for concurrent use.
type Dir struct {
	dir  string
	rand io.Reader
}

// Open returns the copies of the repository called id below a folder that is for copies of repositories and nothing else; it is made
// where it is missing. Copies of other repositories go that nobody has opened for 30 days before now. Rand, for temporary names, is read
// by several goroutines at once.
func Open(folder, id string, now time.Time, rand io.Reader) (*Dir, error) {
	d := &Dir{filepath.Join(folder, id), rand}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	if err := os.Chtimes(d.dir, now, now); err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	if err := sweep(folder, now.Add(-unused)); err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	return d, nil
}

// sweep removes the copies of repositories that were last opened before a time.
func sweep(folder string, before time.Time) error {
	all, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range all {
		info, err := e.Info()
		if _, ours := hex.DecodeString(e.Name()); ours != nil || err != nil || !info.IsDir() || !info.ModTime().Before(before) {
			continue // not one of ours, or just gone
		}
		if err := os.RemoveAll(filepath.Join(folder, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// path returns where the copy of a file is. A folder holds at most some thousands of them.
func (d *Dir) path(name string) string { return filepath.Join(d.dir, filepath.FromSlash(name)) }

// LoadAll returns the copy of a file, or false if there is none that can be read.
func (d *Dir) LoadAll(name string) ([]byte, bool) {
	p, err := os.ReadFile(d.path(name))
	return p, err == nil
}

// Load fills p with the bytes of a copy from offset on, or returns false if there is none that has them.
func (d *Dir) Load(name string, p []byte, offset int64) bool {
	f, err := os.Open(d.path(name))
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // only read from
	n, err := f.ReadAt(p, offset)
	return n == len(p) && (err == nil || err == io.EOF)
}

// Save makes a copy.
func (d *Dir) Save(name string, p []byte) (err error) {
	file := d.path(name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("save in cache: %w", err)
	}
	var random [16]byte
	if _, err := io.ReadFull(d.rand, random[:]); err != nil {
		return fmt.Errorf("read random bytes: %w", err)
	}
	temp := filepath.Join(filepath.Dir(file), tempPrefix+hex.EncodeToString(random[:]))
	if err = os.WriteFile(temp, p, 0o600); err == nil { // not durable: what a power cut leaves is verified as everything is
		err = os.Rename(temp, file)
	}
	if err != nil {
		_ = os.Remove(temp) // it may not be there at all
		return fmt.Errorf("save in cache: %w", err)
	}
	return nil
}

// Remove takes a copy away, if there is one.
func (d *Dir) Remove(name string) error {
	if err := os.Remove(d.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove from cache: %w", err)
	}
	return nil
}

// Retain takes away the copies in a folder, and in those below it, that keep doesn't want, by the last element of their names. It is
// asked of the temporary files of killed processes too.
func (d *Dir) Retain(folder string, keep func(base string) bool) error {
	err := filepath.WalkDir(d.path(folder), func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil || e.IsDir():
			return err
		case keep(e.Name()):
			return nil
		}
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("tidy cache: %w", err)
	}
	return nil
}
