//go:build linux && (amd64 || arm64)

package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// call is a call of the program with its point.
type call struct {
	name       string
	from, path string // from is of a rename or a link only
}

// plant makes the program one with a bug.
type plant interface {
	// around does the call by calling do, with whatever makes the bug before and after it. What do returns is returned at once if
	// it is an error: the program may be dead then.
	around(c *call, do func() error) error
}

// plants are the bugs, by their names.
var plants = map[string]plant{
	"snapshot-before-index": &late{first: "index.rename", then: "snapshot.rename"},
	"index-before-packs":    &late{first: "pack.rename", then: "index.rename"},
	"packs-before-index":    &late{first: "index.rename", then: "pack.remove"},
	"old-index-first":       &late{first: "index.rename", then: "index.remove"},
	"old-key-first":         &late{first: "key.rename", then: "key.remove"},
	"old-snapshot-first":    &late{first: "snapshot.rename", then: "snapshot.remove"},
	"lock-before-local":     &late{first: "state-lock.create", then: "lock.rename"},
	"old-config-first":      &late{first: "next-config.rename", then: "config.remove"},
	"half-an-index":         half{"index.rename"},
	"half-a-snapshot":       half{"snapshot.rename"},
	"half-a-config":         half{"config.rename"},
	"half-a-restored-file":  half{"target.rename"},
}

// late is the bug that what should come first comes after the rest: each time when the rest is done, what came first is not there.
type late struct {
	first, then string
	made        []call
}

func (l *late) around(c *call, do func() error) error {
	if c.name == l.then {
		return l.without(do)
	}
	err := do()
	if c.name == l.first && (err == nil || err == errKernel) {
		made := *c
		if made.from == "" {
			made.from = "late-" + filepath.Base(c.path) // below the current folder, where nobody looks
		}
		l.made = append(l.made, made)
	}
	return err
}

// without does something while what came first is not there, as far as it was not removed since.
func (l *late) without(do func() error) error {
	l.made = slices.DeleteFunc(l.made, func(c call) bool {
		_, err := os.Lstat(c.path)
		return errors.Is(err, fs.ErrNotExist)
	})
	for _, c := range slices.Backward(l.made) {
		if err := os.Rename(c.path, c.from); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	for _, c := range l.made {
		if err := os.Rename(c.from, c.path); err != nil {
			return err
		}
	}
	return nil
}

// half is the bug that a file gets its name before the second half of its content is written.
type half struct{ name string }

func (h half) around(c *call, do func() error) error {
	if info, err := os.Lstat(c.from); c.name != h.name || err != nil || !info.Mode().IsRegular() {
		return do()
	}
	content, err := os.ReadFile(c.from)
	if err != nil {
		return err
	}
	size := int64(len(content) / 2)
	if err := errors.Join(os.Chmod(c.from, 0o600), os.Truncate(c.from, size)); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	f, err := os.OpenFile(c.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content[size:], size)
	return errors.Join(err, f.Close())
}
