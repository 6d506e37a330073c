package restorer_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/restorer"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/test/quickrepo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a repository that a test fills. Its files are in memory and can be changed there; another Backend can stand before them.
type site struct {
	storage.Backend
	files *mem.Backend
	t     testing.TB
	repo  *repo.Repo
	ctx   context.Context // with a lock
}

// newSite returns an empty repository.
func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{files: mem.New(), t: t}
	s.Backend = s.files
	s.repo, _ = quickrepo.Init(t, s, 2, quickrepo.Polynomial, repo.Options{PackSize: 4 << 20, Connections: 4})
	ctx, unlock, err := s.repo.Lock(context.Background(), repo.Shared, repo.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.ctx = ctx
	t.Cleanup(func() {
		s.Backend = s.files
		if err := unlock(); err != nil {
			t.Errorf("unlock: %v", err)
		}
	})
	return s
}

// blobs saves blobs, in the order given, in a pack of their own for each type, and returns their IDs.
func (s *site) blobs(kind pack.Type, blobs ...[]byte) (ids []crypto.ID) {
	s.t.Helper()
	w := s.repo.NewWriter()
	defer w.Close()
	for _, p := range blobs {
		h := pack.Handle{ID: crypto.Hash(p), Type: kind}
		if _, err := w.SaveBlob(s.ctx, h, p); err != nil {
			s.t.Fatal(err)
		}
		ids = append(ids, h.ID)
	}
	if err := w.Flush(s.ctx); err != nil {
		s.t.Fatal(err)
	}
	return ids
}

// folder is a directory to be saved: a name with a folder, or with the chunks of a file.
type folder map[string]any

type chunks [][]byte

// lines makes chunks.
func lines(texts ...string) (c chunks) {
	for _, text := range texts {
		c = append(c, []byte(text))
	}
	return c
}

// save saves a folder and returns its tree.
func (s *site) save(f folder) crypto.ID {
	s.t.Helper()
	return s.blobs(pack.Tree, s.encode(f))[0]
}

// encode saves what is in a folder and returns the bytes of its own tree.
func (s *site) encode(f folder) []byte {
	s.t.Helper()
	var b tree.Builder
	for _, name := range slices.Sorted(keys(f)) {
		n := s.node(name, f[name])
		if err := b.Append(&n); err != nil {
			s.t.Fatal(err)
		}
	}
	return bytes.Clone(b.Finish())
}

func keys(f folder) iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range f {
			if !yield(name) {
				return
			}
		}
	}
}

func (s *site) node(name string, what any) tree.Node {
	s.t.Helper()
	at := quickrepo.Still{}.Now()
	n := tree.Node{Meta: entry.Meta{Name: name, ModTime: at, AccessTime: at, ChangeTime: at, Links: 1}}
	switch what := what.(type) {
	case folder:
		n.Type, n.Subtree = entry.Dir, s.save(what)
	case crypto.ID: // of a tree
		n.Type, n.Subtree = entry.Dir, what
	case chunks:
		n.Type, n.Content = entry.File, s.blobs(pack.Data, what...)
		for _, c := range what {
			n.Size += uint64(len(c))
		}
	case []crypto.ID: // of chunks
		n.Type, n.Content = entry.File, what
	case string:
		n.Type, n.LinkTarget = entry.Symlink, what
	}
	return n
}

// list returns what Entries yields, one line each: a path, with a slash for a directory, or behind "!" one that is lost.
func (s *site) list(root crypto.ID, opt restorer.Options) (list []string) {
	s.t.Helper()
	for e, err := range restorer.Entries(s.ctx, s.repo, root, opt) {
		var lost *entry.Error
		switch {
		case errors.As(err, &lost):
			list = append(list, "!"+lost.Path)
		case err != nil:
			list = append(list, "error")
		case e.Type == entry.Dir:
			list = append(list, e.Path+"/")
		default:
			list = append(list, e.Path)
		}
	}
	return list
}

// wanted returns the files of a tree in order.
func (s *site) wanted(root crypto.ID) (files []entry.Entry) {
	s.t.Helper()
	for e, err := range restorer.Entries(s.ctx, s.repo, root, restorer.Options{}) {
		if err != nil {
			s.t.Fatal(err)
		}
		if e.Type == entry.File {
			files = append(files, e)
		}
	}
	return files
}

// packOf returns the name of the pack that a chunk is in.
func (s *site) packOf(id crypto.ID) string {
	s.t.Helper()
	l, ok := s.repo.Index().First(pack.Handle{ID: id, Type: pack.Data})
	if !ok {
		s.t.Fatalf("no index names chunk %s", id.Short())
	}
	return repo.Packs.Name(l.Pack)
}

// damage flips a bit in the stored bytes of a chunk.
func (s *site) damage(id crypto.ID) {
	s.t.Helper()
	l, _ := s.repo.Index().First(pack.Handle{ID: id, Type: pack.Data})
	name := s.packOf(id)
	content, err := storage.LoadAll(s.t.Context(), s.files, name)
	if err == nil {
		err = s.files.Remove(s.t.Context(), name)
	}
	if err == nil {
		content[l.Offset+20] ^= 1
		err = s.files.Save(s.t.Context(), name, storage.Bytes(content))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// sink takes the bytes of files and keeps to what a Sink is promised.
type sink struct {
	want  func(i int) []entry.Range
	write func(i int) error // before each WriteAt

	mu    sync.Mutex
	files map[int][]byte
	done  map[int]error
	asked map[int]int
	wrong []string // promises that were broken
}

func newSink() *sink {
	return &sink{files: make(map[int][]byte), done: make(map[int]error), asked: make(map[int]int)}
}

func (s *sink) Want(i int) []entry.Range {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[i]++
	if s.want == nil {
		return nil
	}
	return s.want(i)
}

func (s *sink) WriteAt(i int, p []byte, offset int64) error {
	if s.write != nil {
		if err := s.write(i); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, done := s.done[i]; done || s.asked[i] == 0 {
		s.wrong = append(s.wrong, fmt.Sprintf("WriteAt(%d) before Want or after Done", i))
	}
	end := int(offset) + len(p)
	if len(s.files[i]) < end {
		s.files[i] = append(s.files[i], make([]byte, end-len(s.files[i]))...)
	}
	copy(s.files[i][offset:], p)
	return nil
}

func (s *sink) Done(i int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, done := s.done[i]; done {
		s.wrong = append(s.wrong, fmt.Sprintf("Done(%d) twice", i))
	}
	s.done[i] = err
}

// fetch fetches into a new sink, or the one given, which has to be treated well.
func (s *site) fetch(wanted []entry.Entry, into *sink) *sink {
	s.t.Helper()
	into = cmp.Or(into, newSink())
	if err := restorer.NewContents(s.repo, 3).Fetch(s.ctx, wanted, into); err != nil {
		s.t.Fatalf("Fetch = %v", err)
	}
	for i := range wanted {
		if _, done := into.done[i]; !done || into.asked[i] != 1 {
			s.t.Errorf("file %d: Want was called %d times, Done: %t", i, into.asked[i], done)
		}
	}
	if len(into.wrong) > 0 {
		s.t.Errorf("Fetch broke its promises: %q", into.wrong)
	}
	return into
}
