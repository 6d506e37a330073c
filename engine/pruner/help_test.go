package pruner_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
)

// still is a clock that stands still, at which locks neither wait nor grow old.
type still struct{}

func (still) Now() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func (still) Sleep(ctx context.Context, d time.Duration) error {
	if d == time.Second { // the pulse of those who keep a lock fresh
		<-ctx.Done()
	}
	return context.Cause(ctx)
}

// recorder hands out random bytes and remembers the first ones, which the key is made of.
type recorder struct {
	mu    sync.Mutex
	first []byte
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := rand.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.first) < 1<<10 {
		r.first = append(r.first, p[:n]...)
	}
	return n, err
}

// socket is a backend that can be exchanged below an open repository, since opening one takes the time of a password.
type socket struct{ storage.Backend }

// world is a repository and what it should hold.
type world struct {
	socket *socket
	files  *mem.Backend
	random *recorder
	repo   *repo.Repo
	kept   map[crypto.ID]content // snapshots
	copies bool                  // blobs may lie in several packs
}

// content is the files of a snapshot by their paths, each with its chunks.
type content map[string][]crypto.ID

// fatal is what testing.TB and rapid.T have in common.
type fatal interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	files := mem.New()
	s := &socket{files}
	init := repo.InitOptions{KDF: crypto.KDF{N: 1 << 15, R: 8, P: 1}, Polynomial: 0x3da3358b4dc173}
	random := new(recorder)
	r, err := repo.Init(t.Context(), s, "password", repo.Options{Clock: still{}, PackSize: 4 << 20, Rand: random}, init)
	if err != nil {
		t.Fatal(err)
	}
	return &world{socket: s, files: files, random: random, repo: r, kept: map[crypto.ID]content{}}
}

// plug puts a backend below the repository, which knows nothing of its index then.
func (w *world) plug(b storage.Backend) {
	w.socket.Backend = b
	w.repo.ForgetIndex()
}

// fork returns a world of its own with the same content. Only one of them can be used at a time.
func (w *world) fork() *world {
	f := *w
	f.files, f.kept = w.files.Clone(), maps.Clone(w.kept)
	f.plug(f.files)
	return &f
}

// locked calls fn under a lock.
func (w *world) locked(ctx context.Context, mode repo.LockMode, fn func(ctx context.Context) error) error {
	locked, unlock, err := w.repo.Lock(ctx, mode, repo.LockOptions{})
	if err != nil {
		return err
	}
	return errors.Join(fn(locked), unlock())
}

// chunk returns one of the contents that files are made of.
func chunk(n int) []byte {
	p := make([]byte, 200+n*37%900)
	for i := range p {
		p[i] = byte(n * (i + 1) >> (i % 7))
	}
	return append(p, fmt.Sprint(n)...)
}

// backup makes a snapshot of directories of files; each file is a list of chunks. A second program that doesn't know what the
// first one saved saves all anew if again is true.
func (w *world) backup(t fatal, ctx context.Context, again bool, dirs ...[][]int) crypto.ID {
	t.Helper()
	w.copies = w.copies || again
	s := &snapshot.Snapshot{Time: still{}.Now().Add(time.Duration(len(w.kept)) * time.Hour), Hostname: "host", Paths: []string{"/"}}
	files := content{}
	err := w.locked(ctx, repo.Shared, func(ctx context.Context) error {
		if err := w.repo.LoadIndex(ctx); err != nil {
			return err
		}
		writer := w.repo.NewWriter()
		defer writer.Close()
		save := func(h pack.Handle, p []byte) error {
			if !again {
				_, err := writer.SaveBlob(ctx, h, p)
				return err
			}
			return w.repo.Encoder().Encode(h, p, func(e repo.Encoded) error {
				_, err := writer.Save(ctx, e)
				return err
			})
		}
		var root tree.Builder
		for i, dir := range dirs {
			name := fmt.Sprintf("dir%03d", i)
			id, err := saveDir(save, name, dir, files)
			if err != nil {
				return err
			}
			if err := root.Append(&tree.Node{Meta: entry.Meta{Name: name, Type: entry.Dir}, Subtree: id}); err != nil {
				return err
			}
			if i%2 == 0 { // several packs
				if err := writer.Flush(ctx); err != nil {
					return err
				}
			}
		}
		p := root.Finish()
		s.Tree = crypto.Hash(p)
		if err := save(pack.Handle{ID: s.Tree, Type: pack.Tree}, p); err != nil {
			return err
		}
		if err := writer.Flush(ctx); err != nil {
			return err
		}
		return snapshot.Save(ctx, w.repo, s)
	})
	if err != nil {
		t.Fatal(err)
	}
	w.kept[s.ID] = files
	return s.ID
}

func saveDir(save func(pack.Handle, []byte) error, name string, dir [][]int, files content) (crypto.ID, error) {
	var b tree.Builder
	for i, numbers := range dir {
		n := tree.Node{Meta: entry.Meta{Name: fmt.Sprintf("file%03d", i), Type: entry.File}, Content: []crypto.ID{}}
		for _, number := range numbers {
			h := pack.Handle{ID: crypto.Hash(chunk(number)), Type: pack.Data}
			if err := save(h, chunk(number)); err != nil {
				return crypto.ID{}, err
			}
			n.Content = append(n.Content, h.ID)
			n.Size += uint64(len(chunk(number)))
		}
		files[name+"/"+n.Name] = n.Content
		if err := b.Append(&n); err != nil {
			return crypto.ID{}, err
		}
	}
	p := b.Finish()
	id := crypto.Hash(p)
	return id, save(pack.Handle{ID: id, Type: pack.Tree}, p)
}

// forget removes a snapshot.
func (w *world) forget(t fatal, ctx context.Context, id crypto.ID) {
	t.Helper()
	err := w.locked(ctx, repo.Exclusive, func(ctx context.Context) error { return w.repo.RemoveFile(ctx, repo.Snapshots, id) })
	if err != nil {
		t.Fatal(err)
	}
	delete(w.kept, id)
}

// prune plans and applies.
func (w *world) prune(ctx context.Context, opt pruner.Options) (f pruner.Figures, result pruner.Result, err error) {
	err = w.locked(ctx, repo.Exclusive, func(ctx context.Context) error {
		p, err := pruner.Prepare(ctx, w.repo, opt)
		if err != nil {
			return err
		}
		f = p.Figures
		result, err = p.Apply(ctx)
		return err
	})
	return f, result, err
}

// mustPrune prunes and then looks whether all is there.
func (w *world) mustPrune(t fatal, ctx context.Context, opt pruner.Options) pruner.Figures {
	t.Helper()
	f, _, err := w.prune(ctx, opt)
	if err != nil {
		t.Fatalf("prune: %v", err)
	}
	w.intact(t, ctx)
	return f
}

// intact reads all that the kept snapshots should hold.
func (w *world) intact(t fatal, ctx context.Context) {
	t.Helper()
	seen := map[crypto.ID]bool{}
	got := map[crypto.ID]*snapshot.Snapshot{}
	for s, err := range snapshot.List(ctx, w.repo, snapshot.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		got[s.ID] = s
	}
	if err := w.repo.LoadIndex(ctx); err != nil {
		t.Fatal(err)
	}
	for id, want := range w.kept {
		s := got[id]
		if s == nil {
			t.Fatalf("snapshot %s is gone", id.Short())
		}
		files := content{}
		for item, err := range tree.Walk(ctx, w.repo, s.Tree, nil) {
			if err != nil {
				t.Fatalf("walk snapshot %s: %q: %v", id.Short(), item.Path, err)
			}
			if item.Node.Type == entry.File {
				files[item.Path] = item.Node.Content
			}
		}
		if diff := cmp.Diff(want, files); diff != "" {
			t.Fatalf("files of snapshot %s:\n%s", id.Short(), diff)
		}
		for _, chunks := range files {
			for _, chunk := range chunks {
				if seen[chunk] {
					continue
				}
				seen[chunk] = true
				if _, err := w.repo.LoadBlob(ctx, pack.Handle{ID: chunk, Type: pack.Data}, nil); err != nil {
					t.Fatalf("snapshot %s: %v", id.Short(), err)
				}
			}
		}
	}
}

// names returns the files of a folder that are there.
func (w *world) names(t fatal, ctx context.Context, kind repo.FileType) (names []string) {
	t.Helper()
	for info, err := range w.files.List(ctx, string(kind)) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, info.Name)
	}
	return names
}

// packBytes is the size of all packs.
func (w *world) packBytes(t fatal, ctx context.Context) (bytes int64) {
	t.Helper()
	for info, err := range w.files.List(ctx, string(repo.Packs)) {
		if err != nil {
			t.Fatal(err)
		}
		bytes += info.Size
	}
	return bytes
}

// kind is the folder that a file is in.
func kind(name string) repo.FileType {
	folder, _, _ := strings.Cut(name, "/")
	return repo.FileType(folder)
}

// removals returns the names of the files, locks left out, that were to be removed.
func removals(trace []storagetest.Call) (names []string) {
	for _, c := range trace {
		if c.Op == storagetest.Remove && kind(c.Name) != repo.Locks {
			names = append(names, c.Name)
		}
	}
	return names
}

// rounds makes n snapshots of which each shares some chunks with the one before.
func (w *world) rounds(t fatal, ctx context.Context, n int) (ids []crypto.ID) {
	t.Helper()
	for i := range n {
		var dirs [][][]int
		for d := range 3 {
			at := 10*i + 7*d
			dirs = append(dirs, [][]int{{at, at + 1, at + 2}, {at + 3}, {at + 4, at + 5}})
		}
		ids = append(ids, w.backup(t, ctx, false, dirs...))
	}
	return ids
}
