//go:build linux

// Package treegen makes file trees on disk for tests of the whole system, changes them as a day of work would, and
// compares two of them exactly.
//
// A Spec says what a tree holds; its seed decides every name, byte and time, so a failing test is repeated by its seed.
// Traits are the awkward things: names that are no UTF-8, hard links, holes, times that no int64 of nanoseconds holds.
// Compare walks with lstat by itself and uses nothing of the product, so that a mistake there can't hide itself here.
package treegen

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// Traits are the awkward things that a tree holds besides plain files and folders.
type Traits uint

// Each trait adds at least one entry, or changes some of those that are there. Owners, Devices and SystemAttributes
// need root.
const (
	Names            Traits = 1 << iota // names of any bytes: see AwkwardNames
	HardLinks                           // regular files with several names, in several folders
	Symlinks                            // to files, folders, nothing, themselves; absolute; with targets of any bytes
	Attributes                          // user.* extended attributes on files and folders
	Sparse                              // files with holes, and files of written zeros
	Sizes                               // files of 0 and 1 byte, about 512 KiB, and over 8 MiB
	Times                               // before 1970 and after 2262, with nanoseconds
	Modes                               // setuid, setgid, sticky, and few or all permissions
	Fifos                               // named pipes
	Sockets                             // socket files that nobody listens on
	Owners                              // users and groups with and without names, up to 32 bits
	Devices                             // character and block devices with small and large numbers
	SystemAttributes                    // POSIX ACLs and file capabilities
)

// Everything returns all traits that this process may make: without root those that need it are left out.
func Everything() Traits {
	all := SystemAttributes<<1 - 1
	if os.Geteuid() != 0 {
		all &^= Owners | Devices | SystemAttributes
	}
	return all
}

// Spec says what a tree holds. The zero value is a tree of one empty folder.
type Spec struct {
	Seed   uint64
	Dirs   int // folders, each in a random one of those before it
	Files  int // regular files of up to 32 KiB in random folders
	Wide   int // small files in one folder named "wide"
	Deep   int // folders nested in each other, each with a name of one byte; up to about 1000
	Traits Traits
}

// Random returns the spec of a tree of modest size (some 100 entries, 20 MB) with all traits that this process may
// make. Different seeds give trees of different shape.
func Random(seed uint64) Spec {
	r := rand.New(rand.NewPCG(seed, 0))
	return Spec{Seed: seed, Dirs: 3 + r.IntN(20), Files: 10 + r.IntN(80), Wide: r.IntN(40), Deep: r.IntN(12), Traits: Everything()}
}

// Generate makes the tree of the spec in root, which is made if it isn't there and should be empty. The file system
// has to know what the traits ask for; times that it doesn't hold are clamped by the kernel.
func Generate(root string, spec Spec) error {
	g := newGenerator(root, spec.Seed, spec.Traits)
	if err := os.MkdirAll(root, 0o755); err != nil {
		return fmt.Errorf("generate tree: %w", err)
	}
	g.made(root, dir)
	for _, step := range []func() error{
		func() error { return g.folders(spec.Dirs) },
		func() error { return g.files(spec.Files) },
		func() error { return g.wide(spec.Wide) },
		func() error { return g.deep(spec.Deep) },
		g.traits,
		g.dress,
	} {
		if err := step(); err != nil {
			return fmt.Errorf("generate tree %q with seed %d: %w", root, spec.Seed, err)
		}
	}
	return nil
}

// kind is as much of an entry's type as the generator has to know of what it made.
type kind int

const (
	dir kind = iota
	file
	symlink
	other
)

type made struct {
	path string
	kind kind
}

// generator makes one tree.
type generator struct {
	root    string
	with    Traits
	rng     *rand.Rand
	bulk    *rand.ChaCha8 // file content
	dirs    []string
	regular []string
	all     []made // in the order they were made: a folder before what it holds
}

func newGenerator(root string, seed uint64, with Traits) *generator {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return &generator{root: root, with: with, rng: rand.New(rand.NewPCG(seed, 1)), bulk: rand.NewChaCha8(key)}
}

func (g *generator) has(t Traits) bool { return g.with&t != 0 }

func (g *generator) made(path string, k kind) {
	g.all = append(g.all, made{path, k})
	switch k {
	case dir:
		g.dirs = append(g.dirs, path)
	case file:
		g.regular = append(g.regular, path)
	}
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// free returns a path in a random folder at which nothing is yet.
func (g *generator) free() (string, error) {
	for {
		path := filepath.Join(pick(g.rng, g.dirs), g.name())
		_, err := os.Lstat(path)
		if os.IsNotExist(err) {
			return path, nil
		}
		if err != nil {
			return "", err
		}
	}
}

func (g *generator) name() string {
	if g.has(Names) {
		return awkwardName(g.rng)
	}
	return fmt.Sprintf("n%06d", g.rng.IntN(1e6))
}

func (g *generator) folder(path string) error {
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	g.made(path, dir)
	return nil
}

func (g *generator) folders(n int) error {
	for range n {
		path, err := g.free()
		if err != nil {
			return err
		}
		if len(path) > 3000 {
			path = filepath.Join(g.root, filepath.Base(path)) // longer paths than the kernel takes in one call
		}
		if err := g.folder(path); err != nil {
			return err
		}
	}
	return nil
}

func (g *generator) files(n int) error {
	for range n {
		path, err := g.free()
		if err != nil {
			return err
		}
		if err := g.write(path, g.content(g.rng.IntN(32<<10))); err != nil {
			return err
		}
	}
	return nil
}

func (g *generator) wide(n int) error {
	if n == 0 {
		return nil
	}
	folder := filepath.Join(g.root, "wide")
	if err := g.folder(folder); err != nil {
		return err
	}
	for i := range n {
		if err := g.write(filepath.Join(folder, fmt.Sprintf("%06d", i)), g.content(g.rng.IntN(64))); err != nil {
			return err
		}
	}
	return nil
}

// deep leaves the nested folders out of g.dirs, so that nothing with a long name is made at their far end.
func (g *generator) deep(n int) error {
	if n == 0 {
		return nil
	}
	path := filepath.Join(g.root, "deep")
	for i := range n {
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		g.all = append(g.all, made{path, dir})
		if i < n-1 {
			path = filepath.Join(path, string(rune('a'+i%26)))
		}
	}
	return g.write(filepath.Join(path, "bottom"), g.content(100))
}

func (g *generator) write(path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return err
	}
	g.made(path, file)
	return nil
}

// content is random bytes, text or zeros, as real files are.
func (g *generator) content(n int) []byte {
	switch g.rng.IntN(4) {
	case 0:
		return make([]byte, n)
	case 1:
		return bytes.Repeat(fmt.Appendf(nil, "line %09d\n", g.rng.IntN(1e9)), n/15+1)[:n]
	default:
		return g.random(n)
	}
}

func (g *generator) random(n int) []byte {
	b := make([]byte, n)
	g.bulk.Read(b) // its error is always nil
	return b
}
