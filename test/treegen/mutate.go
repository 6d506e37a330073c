//go:build linux

package treegen

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Mutate changes the tree in root as a day of work would: about one file in eight, at least one in each way, is edited,
// appended to, cut, touched, given another mode, renamed, replaced by a folder or removed; one is edited with its size
// and modification time kept; one folder goes with all it holds; files and a symlink are new. The same seed makes the
// same changes of the same tree.
func Mutate(root string, seed uint64) error {
	m := &mutator{generator: newGenerator(root, seed, Names)}
	for _, step := range []func() error{m.removeFolder, m.list, m.changeFiles, m.add, m.settle} {
		if err := step(); err != nil {
			return fmt.Errorf("mutate tree %q with seed %d: %w", root, seed, err)
		}
	}
	return nil
}

// mutator is a generator of a tree that is there already: dirs and regular are found, not made.
type mutator struct {
	*generator
}

// list finds the folders and regular files that are there, in byte order.
func (m *mutator) list() error {
	m.dirs, m.regular = nil, nil
	return filepath.WalkDir(m.root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && len(path) < 3000: // nothing is added where the kernel would not take the path
			m.dirs = append(m.dirs, path)
		case d.Type().IsRegular():
			m.regular = append(m.regular, path)
		}
		return nil
	})
}

// removeFolder removes one of the folders in root, if there are several.
func (m *mutator) removeFolder() error {
	entries, err := os.ReadDir(m.root)
	if err != nil {
		return err
	}
	var folders []string
	for _, e := range entries {
		if e.IsDir() {
			folders = append(folders, e.Name())
		}
	}
	if len(folders) < 2 {
		return nil
	}
	return os.RemoveAll(filepath.Join(m.root, pick(m.rng, folders)))
}

// changeFiles deals the ways of changing out to random files, each at most once.
func (m *mutator) changeFiles() error {
	ways := []func(path string) error{m.edit, m.editQuietly, m.extend, m.cut, m.touch, m.rights, m.rename, m.becomeFolder, os.Remove}
	files := append([]string(nil), m.regular...)
	m.rng.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	for i, path := range files[:min(len(files), max(len(ways), len(files)/8))] {
		if err := ways[i%len(ways)](path); err != nil {
			return err
		}
	}
	return nil
}

func (m *mutator) edit(path string) error {
	st, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if err := writeAt(path, m.random(1+m.rng.IntN(100)), m.rng.Int64N(st.Size()+1)); err != nil {
		return err
	}
	return setTime(path, m.now())
}

// editQuietly changes bytes and leaves size and modification time: only the change time tells.
func (m *mutator) editQuietly(path string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return err
	}
	if st.Size == 0 {
		return nil
	}
	if err := writeAt(path, m.random(int(min(st.Size, 16))), 0); err != nil {
		return err
	}
	return setTime(path, st.Mtim)
}

func (m *mutator) extend(path string) error {
	st, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if err := writeAt(path, m.random(1000), st.Size()); err != nil {
		return err
	}
	return setTime(path, m.now())
}

func (m *mutator) cut(path string) error {
	st, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if err := os.Truncate(path, st.Size()/2); err != nil {
		return err
	}
	return setTime(path, m.now())
}

func (m *mutator) touch(path string) error { return setTime(path, m.now()) }

func (m *mutator) rights(path string) error { return unix.Chmod(path, 0o640) }

func (m *mutator) rename(path string) error {
	to, err := m.free()
	if err != nil {
		return err
	}
	return os.Rename(path, to)
}

func (m *mutator) becomeFolder(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	if err := m.folder(path); err != nil {
		return err
	}
	return m.write(filepath.Join(path, "was a file"), m.content(50))
}

func (m *mutator) add() error {
	for range 1 + len(m.regular)/20 {
		path, err := m.free()
		if err != nil {
			return err
		}
		if err := m.write(path, m.content(m.rng.IntN(32<<10))); err != nil {
			return err
		}
	}
	path, err := m.free()
	if err != nil {
		return err
	}
	return m.symlink("new/target", path)
}

// settle gives what was made, and all folders, a time of the seed's instead of the clock's.
func (m *mutator) settle() error {
	for _, made := range m.all {
		if err := setTime(made.path, m.now()); err != nil {
			return err
		}
	}
	for _, d := range m.dirs {
		if err := setTime(d, m.now()); err != nil {
			return err
		}
	}
	return nil
}

// now is a time of the day after those that Generate sets.
func (m *mutator) now() unix.Timespec { return recent(1<<29+m.rng.Int64N(86_400), m.rng.Int64N(1e9)) }
