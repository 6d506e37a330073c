package archiver_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/backstay/backstay/engine/archiver"
	"github.com/backstay/backstay/engine/chunker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/test/quickrepo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const pol, otherPol = quickrepo.Polynomial, chunker.Pol(0x203d21f351140f)

// thing is what stands at a path of a forest.
type thing struct {
	entry.Meta
	data       []byte
	target     string
	attributes []entry.Attribute

	lost error                            // it can't be read at all
	flaw error                            // its attributes can't
	open func() (entry.FileReader, error) // instead of data
	f    *forest
}

// forest is a file system in memory, and the source.View of it. Every change takes a second.
type forest struct {
	things   map[string]*thing
	now      time.Time
	inodes   uint64
	parallel int
	order    func(paths []string) // may spoil it
	yielded  func(n int)          // is told before each entry
	end      error                // of the view

	mu    sync.Mutex
	opens map[string]int // by path
	asked int            // calls of Attributes
}

func plant(names ...string) *forest {
	f := &forest{things: make(map[string]*thing), now: time.Unix(1_700_000_000, 5).UTC(), parallel: 4, opens: make(map[string]int)}
	for _, name := range names {
		name, content, _ := strings.Cut(name, "=")
		if dir, ok := strings.CutSuffix(name, "/"); ok {
			f.dir(dir)
		} else {
			f.file(name, []byte(content))
		}
	}
	return f
}

func (f *forest) tick() time.Time {
	f.now = f.now.Add(time.Second)
	return f.now
}

// put places something new at name, in directories that are made where they are missing.
func (f *forest) put(name string, kind entry.Type, mode fs.FileMode) *thing {
	if parent := path.Dir(name); parent != "." && f.things[parent] == nil {
		f.dir(parent)
	}
	f.inodes++
	t := &thing{f: f, Meta: entry.Meta{Name: path.Base(name), Type: kind, Mode: mode, Inode: f.inodes, DeviceID: 7, Links: 1, User: "anna"}}
	if kind == entry.Dir {
		t.Links = 0
	}
	t.touch()
	f.things[name] = t
	if d := f.things[path.Dir(name)]; d != nil {
		d.touch()
	}
	return t
}

func (f *forest) dir(name string) *thing { return f.put(name, entry.Dir, fs.ModeDir|0o755) }

// file makes or changes a file.
func (f *forest) file(name string, content []byte) *thing {
	t := f.things[name]
	if t == nil || t.Type != entry.File {
		t = f.put(name, entry.File, 0o644)
	}
	t.data, t.Size = content, uint64(len(content))
	t.touch()
	return t
}

func (f *forest) link(name, target string) *thing {
	t := f.put(name, entry.Symlink, fs.ModeSymlink|0o777)
	t.target = target
	return t
}

// alias gives a file another name.
func (f *forest) alias(name, of string) {
	original := f.things[of]
	original.Links++
	original.touch()
	t := *original
	t.Name = path.Base(name)
	f.put(name, entry.File, 0)
	f.things[name] = &t
}

func (f *forest) remove(name string) {
	maps.DeleteFunc(f.things, func(p string, _ *thing) bool { return p == name || strings.HasPrefix(p, name+"/") })
	if d := f.things[path.Dir(name)]; d != nil {
		d.touch()
	}
}

func (t *thing) touch() {
	t.ModTime = t.f.tick()
	t.AccessTime, t.ChangeTime = t.ModTime, t.ModTime
}

// paths returns all paths in tree order.
func (f *forest) paths() []string {
	paths := slices.SortedFunc(maps.Keys(f.things), func(a, b string) int {
		return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
	})
	return paths
}

func (f *forest) Parallel() int { return f.parallel }
func (f *forest) Close() error  { return nil }

func (f *forest) Entries(ctx context.Context) iter.Seq2[entry.Entry, error] {
	return func(yield func(entry.Entry, error) bool) {
		paths := f.paths()
		if f.order != nil {
			f.order(paths)
		}
		for i, name := range paths {
			t := f.things[name]
			if f.yielded != nil {
				f.yielded(i)
			}
			e, err := entry.Entry{Path: name, Meta: t.Meta, Content: &content{t, name}}, error(nil)
			if t.lost != nil {
				e, err = entry.Entry{}, &entry.Error{Path: name, Err: t.lost}
			}
			if ctx.Err() != nil {
				e, err = entry.Entry{}, context.Cause(ctx)
			}
			if !yield(e, err) || ctx.Err() != nil {
				return
			}
		}
		if f.end != nil {
			yield(entry.Entry{}, f.end)
		}
	}
}

type content struct {
	*thing
	path string
}

func (c *content) Open(context.Context) (io.ReadCloser, error) {
	c.f.mu.Lock()
	c.f.opens[c.path]++
	c.f.mu.Unlock()
	if c.open != nil {
		return c.open()
	}
	return io.NopCloser(bytes.NewReader(c.data)), nil
}

func (c *content) LinkTarget() (string, error) { return c.target, c.flaw }

func (c *content) Attributes() ([]entry.Attribute, error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.f.asked++
	return c.attributes, c.flaw
}

// opened returns the paths that were opened since the last call.
func (f *forest) opened() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	paths := slices.Sorted(maps.Keys(f.opens))
	clear(f.opens)
	return paths
}

// naive is the root tree of the forest, made in the plainest way.
func (f *forest) naive(t testing.TB, p chunker.Pol) crypto.ID {
	t.Helper()
	c, err := chunker.New(p)
	if err != nil {
		t.Fatal(err)
	}
	children := make(map[string][]string)
	for _, name := range f.paths() {
		children[path.Dir(name)] = append(children[path.Dir(name)], name)
	}
	var dir func(name string) crypto.ID
	dir = func(name string) crypto.ID {
		var b tree.Builder
		for _, child := range children[name] {
			thing := f.things[child]
			if thing.lost != nil {
				continue
			}
			n := tree.Node{Meta: thing.Meta}
			n.Attributes, n.LinkTarget = thing.attributes, thing.target
			switch thing.Type {
			case entry.Dir:
				n.Subtree = dir(child)
			case entry.File:
				n.Content = cut(c, thing.data)
			}
			if err := b.Append(&n); err != nil {
				t.Fatal(err)
			}
		}
		return crypto.Hash(b.Finish())
	}
	return dir(".")
}

func cut(c *chunker.Chunker, p []byte) []crypto.ID {
	ids := []crypto.ID{}
	for len(p) > 0 {
		n := cmp.Or(c.Cut(p, 0), len(p))
		ids = append(ids, crypto.Hash(p[:n]))
		p = p[n:]
	}
	return ids
}

// newRepo returns a new repository in b.
func newRepo(t testing.TB, b storage.Backend, p chunker.Pol) *repo.Repo {
	t.Helper()
	r, _ := quickrepo.Init(t, b, 2, p, repo.Options{PackSize: 4 << 20})
	return r
}

// locked returns a context with locks that end with the test.
func locked(t testing.TB, ctx context.Context, rs ...*repo.Repo) context.Context {
	t.Helper()
	ctx, unlock, errs := repo.LockAll(ctx, rs, repo.Shared, repo.LockOptions{})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unlock(); err != nil {
			t.Errorf("unlock: %v", err)
		}
	})
	return ctx
}

// bench is a repository with a forest to archive into it.
type bench struct {
	*forest
	t       testing.TB
	ctx     context.Context
	repo    *repo.Repo
	backend *mem.Backend
	opt     archiver.Options
}

func newBench(t testing.TB, names ...string) *bench {
	t.Helper()
	b := &bench{forest: plant(names...), t: t, backend: mem.New()}
	b.repo = newRepo(t, b.backend, pol)
	b.ctx = locked(t, t.Context(), b.repo)
	return b
}

// archive returns the result, which must be a good one: the tree that the naive way gives, with all that it needs.
func (b *bench) archive(parent crypto.ID) archiver.Result {
	b.t.Helper()
	results, err := archiver.Archive(b.ctx, []archiver.Target{{Repo: b.repo, Parent: parent}}, b.forest, b.opt)
	if err != nil || results[0].Err != nil {
		b.t.Fatalf("Archive = %v, %v", results, err)
	}
	if want := b.naive(b.t, pol); results[0].Tree != want {
		b.t.Errorf("the tree is %s, want %s", results[0].Tree.Short(), want.Short())
	}
	if !b.opt.DryRun {
		complete(b.t, b.repo, results[0].Tree)
	}
	return results[0]
}

// complete fails the test if something that the tree needs can't be loaded.
func complete(t testing.TB, r *repo.Repo, root crypto.ID) {
	t.Helper()
	seen := make(map[crypto.ID]bool)
	var dir func(id crypto.ID)
	dir = func(id crypto.ID) {
		if seen[id] {
			return
		}
		seen[id] = true
		nodes, err := tree.Load(t.Context(), r, id)
		if err != nil {
			t.Fatalf("the tree is not whole: %v", err)
		}
		for _, n := range nodes {
			for _, id := range n.Content {
				if seen[id] {
					continue
				}
				seen[id] = true
				if _, err := r.LoadBlob(t.Context(), pack.Handle{ID: id, Type: pack.Data}, nil); err != nil {
					t.Fatalf("the content of %q is not whole: %v", n.Name, err)
				}
			}
			if n.Type == entry.Dir {
				dir(n.Subtree)
			}
		}
	}
	dir(root)
}

func files(t testing.TB, b storage.Backend, dirs ...string) []string {
	t.Helper()
	names, err := quickrepo.Names(t.Context(), b, dirs...)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func packs(t testing.TB, b storage.Backend) []string { return files(t, b, "data") }

// rename gives what is at a path another one in the same directory.
func (f *forest) rename(from, to string) {
	t := f.things[from]
	f.remove(from)
	t.Name = path.Base(to)
	t.touch()
	f.things[to] = t
}

func waitFor(t testing.TB, done func() bool) {
	t.Helper()
	for range 1000 {
		if done() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("it did not happen in 5 s")
}

func randomBytes(seed uint64, n int) []byte {
	p := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(p) // never fails
	return p
}
