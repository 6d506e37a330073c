package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/source"
)

// Files is a source in memory: contents by slash-separated path. Folders are made as the paths need them.
type Files map[string]string

// Grow returns a copy with some files added, changed and removed.
func (f Files) Grow(rng *rand.Rand) Files {
	next := make(Files, len(f)+2)
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if rng.IntN(4) > 0 {
			next[name] = f[name]
		}
	}
	for range 3 {
		next[fmt.Sprintf("%c/%c/%d", 'a'+rng.IntN(3), 'x'+rng.IntN(2), rng.IntN(10))] = noise(rng, 1+rng.IntN(3000))
	}
	return next
}

func noise(rng *rand.Rand, n int) string {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
	return string(p)
}

// Open implements source.Source.
func (f Files) Open(context.Context) (source.View, error) { return view{f}, nil }

// view is a source.View of Files. Its methods are called by the archiver.
type view struct{ files Files }

func (view) Parallel() int { return 4 }
func (view) Close() error  { return nil }

func (v view) Entries(context.Context) iter.Seq2[entry.Entry, error] {
	return func(yield func(entry.Entry, error) bool) {
		all := make(map[string]bool) // whether it is a folder
		for name := range v.files {
			all[name] = false
			for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
				all[dir] = true
			}
		}
		inOrder := func(a, b string) int { return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/")) }
		for _, name := range slices.SortedFunc(maps.Keys(all), inOrder) {
			if !yield(v.entry(name, all[name]), nil) {
				return
			}
		}
	}
}

// entry makes an entry whose inode and times depend on path and content alone.
func (v view) entry(name string, dir bool) entry.Entry {
	content := v.files[name]
	id := crypto.Hash([]byte(name + "\x00" + content))
	when := time.Unix(int64(id[0]), 0)
	e := entry.Entry{Path: name, Content: file(content), Meta: entry.Meta{Name: path.Base(name), Type: entry.File, Mode: 0o644,
		Size: uint64(len(content)), ModTime: when, AccessTime: when, ChangeTime: when, Inode: uint64(id[1])<<8 | uint64(id[2]), Links: 1}}
	if dir {
		e.Type, e.Mode, e.Links = entry.Dir, fs.ModeDir|0o755, 0
	}
	return e
}

// file is the entry.Content of a file.
type file string

var errNoLink = errors.New("not a link")

func (f file) Open(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(string(f))), nil
}

func (f file) LinkTarget() (string, error)            { return "", errNoLink }
func (f file) Attributes() ([]entry.Attribute, error) { return nil, nil }
