//go:build linux && (amd64 || arm64)

package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// errKilled says that the program is no more.
var errKilled = errors.New("killed")

// trap counts the points that a program reaches, and kills it at one.
type trap struct {
	below  string // the folder in which points are
	at     string // where to kill it; "": nowhere
	nth    int
	plant  plant // nil: none
	kill   func() error
	killed bool
	seen   map[string]int
}

// watch answers the calls of the program until it ends.
func (t *trap) watch(listener int) error {
	for {
		n, more, err := next(listener)
		if err != nil || !more {
			return err
		}
		err = t.handle(n)
		if err == errKilled {
			return nil
		}
		if err := answer(listener, n, err); err != nil {
			return err
		}
	}
}

// handle reaches the points of a call and does it, or returns errKernel.
func (t *trap) handle(n *notification) error {
	k, known := calls[n.call]
	if !known {
		k = openat
	}
	path, err := n.path(k.dir, k.name)
	if err != nil {
		return fmt.Errorf("%s: %w", k.verb, err)
	}
	what := t.what(path)
	if what == "" {
		return errKernel
	}
	if k.verb == "sync" && isDir(path) {
		k.verb, k.done = "sync-folder", "synced-folder"
	}
	c := &call{name: what + "." + k.verb, path: path}
	if k.verb == "rename" || k.verb == "link" {
		if c.from, err = n.path(k.from, k.from+1); err != nil {
			return fmt.Errorf("%s: %w", k.verb, err)
		}
	}
	if err := t.reach(c.name); err != nil {
		return err
	}
	if k.verb == "write" {
		if err := t.reachHalf(n, c); err != nil {
			return err
		}
	}
	do := func() error { return t.do(k, n, c, what) }
	if t.plant == nil {
		return do()
	}
	return t.plant.around(c, do)
}

// do does the call, after which another point is reached.
func (t *trap) do(k kind, n *notification, c *call, what string) error {
	if k.do == nil {
		return errKernel
	}
	if err := k.do(n, c.from, c.path); err != nil {
		return err
	}
	return t.reach(what + "." + k.done)
}

// reach counts, and kills the program if it is time.
func (t *trap) reach(name string) error {
	t.seen[name]++
	if name != t.at || t.seen[name] != t.nth {
		return nil
	}
	if err := t.kill(); err != nil {
		return fmt.Errorf("kill the program: %w", err)
	}
	t.killed = true
	return errKilled
}

// reachHalf is reach for the middle of a write. Only a write that is to be cut short is.
func (t *trap) reachHalf(n *notification, c *call) error {
	name := c.name + ".half"
	if name == t.at && t.seen[name]+1 == t.nth {
		if err := n.writeHalf(c.path); err != nil {
			return fmt.Errorf("write half: %w", err)
		}
	}
	return t.reach(name)
}

// report writes how often each point was reached.
func (t *trap) report() error {
	path := os.Getenv("BACKSTAY_POINTS")
	if path == "" {
		return nil
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(t.seen)) {
		fmt.Fprintln(&text, name, t.seen[name])
	}
	return os.WriteFile(path, []byte(text.String()), 0o600)
}

// what says what a file is; "" for one that is of no interest.
func (t *trap) what(path string) string {
	rel, err := filepath.Rel(t.below, path)
	if err != nil || !filepath.IsLocal(rel) {
		return ""
	}
	parts := append(strings.Split(rel, "/"), "", "")
	switch parts[0] {
	case "repository":
		return ofRepository(parts[1])
	case "other":
		return "source-" + ofRepository(parts[1])
	case "restored":
		return "target"
	case "state":
		return "state-" + ofState(parts[2])
	}
	return ""
}

func ofRepository(name string) string {
	switch name {
	case "keys", "locks", "snapshots":
		return strings.TrimSuffix(name, "s")
	case "index":
		return name
	case "data":
		return "pack"
	case "": // the folder itself
		return "repository"
	case "config-next":
		return "next-config"
	}
	return "config" // or its temporary file
}

// ofState says what a folder of this machine's own files holds.
func ofState(name string) string {
	if name == "locks" {
		return "lock"
	}
	return "folder"
}

func isDir(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}
