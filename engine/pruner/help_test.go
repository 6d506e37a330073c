package pruner_test

import (
	"context"
	"maps"
	"strings"
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
	"github.com/backstay/backstay/test/quickrepo"
)

// socket is a backend that can be exchanged below an open repository.
type socket struct{ storage.Backend }

func (s *socket) Unwrap() storage.Backend { return s.Backend }

// world is a repository and what it should hold.
type world struct {
	socket *socket
	files  *mem.Backend
	master *crypto.Key
	repo   *repo.Repo
	kept   map[crypto.ID]quickrepo.Content // snapshots
	copies bool                            // blobs may lie in several packs
}

// fatal is what testing.TB and rapid.T have in common.
type fatal interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	files := mem.New()
	w := &world{socket: &socket{files}, files: files, kept: map[crypto.ID]quickrepo.Content{}}
	w.repo, w.master = quickrepo.Init(t, w.socket, 2, quickrepo.Polynomial, repo.Options{PackSize: 4 << 20})
	return w
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
	return quickrepo.Locked(ctx, w.repo, mode, fn)
}

// backup makes a snapshot of directories of files; each file is a list of chunks. A second program that doesn't know what the
// first one saved saves all anew if again is true.
func (w *world) backup(t fatal, ctx context.Context, again bool, dirs ...[][]int) crypto.ID {
	t.Helper()
	w.copies = w.copies || again
	s := &snapshot.Snapshot{Time: quickrepo.Still{}.Now().Add(time.Duration(len(w.kept)) * time.Hour), Hostname: "host", Paths: []string{"/"}}
	var files quickrepo.Content
	err := w.locked(ctx, repo.Shared, func(ctx context.Context) (err error) {
		if err := w.repo.LoadIndex(ctx); err != nil {
			return err
		}
		writer := w.repo.NewWriter()
		defer writer.Close()
		if s.Tree, files, err = w.saver(ctx, writer, again).Tree(dirs...); err != nil {
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

// saver saves with the writer, which closes its packs after every other directory.
func (w *world) saver(ctx context.Context, writer *repo.Writer, again bool) quickrepo.Save {
	trees := 0
	return func(h pack.Handle, p []byte) error {
		var err error
		if again {
			err = w.repo.Encoder().Encode(h, p, func(e repo.Encoded) error {
				_, err := writer.Save(ctx, e)
				return err
			})
		} else {
			_, err = writer.SaveBlob(ctx, h, p)
		}
		if h.Type == pack.Tree {
			trees++
		}
		if err == nil && h.Type == pack.Tree && trees%2 == 1 {
			err = writer.Flush(ctx)
		}
		return err
	}
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
	f, result, err := w.prune(ctx, opt)
	if err != nil || result.Left.Files > 0 {
		t.Fatalf("prune = %v, and %d packs could not be removed", err, result.Left.Files)
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
		files := quickrepo.Content{}
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
func (w *world) names(t fatal, ctx context.Context, kind repo.FileType) []string {
	t.Helper()
	names, err := quickrepo.Names(ctx, w.files, string(kind))
	if err != nil {
		t.Fatal(err)
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
