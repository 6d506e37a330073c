// Package corrupt makes small repositories and damages them, each in its own way, and knows what a check has to say of it.
//
// A Lab is a repository in memory, with its key: so it can also forge what only the owner of the key could have written, like a
// tree with unsafe names. A Variant is one way to damage it, and the Findings that belong to it; they follow from a
// model of what is in the repository, not from the code under test.
package corrupt

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/chunker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
)

// Password opens every Lab.
const Password = "corrupt"

// Lab is a repository. It has two snapshots, "first" and "second", of
//
//	/docs/a.txt   blob a
//	/docs/b.bin   blobs b1 and b2
//	/docs/c.txt   blob c, in the second only
//	/pics/p.jpg   blob p
//
// with the trees docs1, docs2, pics, root1 and root2. The first run saved the packs data1 and trees1 with an index file, index1, the
// second data2, trees2 and index2.
type Lab struct {
	t     testing.TB
	Store *mem.Backend
	Key   *crypto.Key

	Snapshots map[string]crypto.ID
	Packs     map[string]crypto.ID
	Index     map[string]crypto.ID
	Blobs     map[string]pack.Handle
	Places    map[string][]pack.Blob // what is in each pack
	bodies    map[pack.Handle][]byte

	rand    *counter
	encoder *repo.Encoder
	model   []model
}

// counter is a source of bytes that are the same each time.
type counter struct{ n uint64 }

func (c *counter) Read(p []byte) (int, error) {
	for rest := p; len(rest) > 0; c.n++ {
		block := crypto.Hash(fmt.Append(nil, "corrupt", c.n))
		rest = rest[copy(rest, block[:]):]
	}
	return len(p), nil
}

// New makes a sound repository.
func New(t testing.TB) *Lab {
	t.Helper()
	l := &Lab{t: t, Store: mem.New(), Snapshots: make(map[string]crypto.ID), Packs: make(map[string]crypto.ID), Index: make(map[string]crypto.ID),
		Blobs: make(map[string]pack.Handle), Places: make(map[string][]pack.Blob), bodies: make(map[pack.Handle][]byte), rand: &counter{}, encoder: repo.NewEncoder(repo.Auto)}
	l.must(l.create())
	for name, size := range map[string]int{"b1": 4000, "b2": 5000, "p": 3000} {
		body := make([]byte, size)
		_, err := io.ReadFull(&counter{n: uint64(size) << 20}, body)
		l.must(err)
		l.blob(name, pack.Data, body)
	}
	l.blob("a", pack.Data, []byte(strings.Repeat("the text of a\n", 100)))
	l.blob("c", pack.Data, []byte(strings.Repeat("another text\n", 100)))

	l.Tree("docs1", l.File("a.txt", "a"), l.File("b.bin", "b1", "b2"))
	l.Tree("docs2", l.File("a.txt", "a"), l.File("b.bin", "b1", "b2"), l.File("c.txt", "c"))
	l.Tree("pics", l.File("p.jpg", "p"))
	l.Tree("root1", l.Dir("docs", "docs1"), l.Dir("pics", "pics"))
	l.Tree("root2", l.Dir("docs", "docs2"), l.Dir("pics", "pics"))

	l.Pack("data1", "a", "b1", "b2", "p")
	l.Pack("trees1", "docs1", "pics", "root1")
	l.IndexFile("index1", l.Entry("data1"), l.Entry("trees1"))
	l.Snapshot("first", "root1", 1)
	l.Pack("data2", "c")
	l.Pack("trees2", "docs2", "root2")
	l.IndexFile("index2", l.Entry("data2"), l.Entry("trees2"))
	l.Snapshot("second", "root2", 2)

	l.model = []model{
		{"first", []node{{"/", "root1", nil}, {"/docs", "docs1", nil}, {"/docs/a.txt", "", []string{"a"}}, {"/docs/b.bin", "", []string{"b1", "b2"}},
			{"/pics", "pics", nil}, {"/pics/p.jpg", "", []string{"p"}}}},
		{"second", []node{{"/", "root2", nil}, {"/docs", "docs2", nil}, {"/docs/a.txt", "", []string{"a"}}, {"/docs/b.bin", "", []string{"b1", "b2"}},
			{"/docs/c.txt", "", []string{"c"}}, {"/pics", "pics", nil}, {"/pics/p.jpg", "", []string{"p"}}}},
	}
	return l
}

func (l *Lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// create writes a key, which costs nothing to derive, and the config.
func (l *Lab) create() (err error) {
	if l.Key, err = crypto.NewKey(l.rand); err != nil {
		return err
	}
	l.KeyFile(Password, crypto.KDF{N: 2, R: 1, P: 1})
	config, err := json.Marshal(repo.RepoConfig{Version: 2, ID: crypto.Hash([]byte("corrupt")), Polynomial: chunker.Pol(0x3da3358b4dc173)})
	l.must(err)
	sealed, err := l.Key.Seal(nil, config, l.rand)
	l.must(err)
	l.Put(string(repo.Config), sealed)
	return nil
}

// KeyFile saves a key file for a password. A cheap one opens at once; other programs may refuse it.
func (l *Lab) KeyFile(password string, kdf crypto.KDF) crypto.ID {
	salt := make([]byte, crypto.SaltSize)
	_, err := l.rand.Read(salt)
	l.must(err)
	derived, err := kdf.Derive(password, salt)
	l.must(err)
	master, err := json.Marshal(l.Key)
	l.must(err)
	sealed, err := derived.Seal(nil, master, l.rand)
	l.must(err)
	p, err := json.Marshal(map[string]any{"created": start, "username": "u", "hostname": "h", "kdf": "scrypt", "N": kdf.N, "r": kdf.R, "p": kdf.P, "salt": salt, "data": sealed})
	l.must(err)
	return l.PutHashed(repo.Keys, p)
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Put stores bytes under a name, whatever was there.
func (l *Lab) Put(name string, p []byte) {
	l.must(l.Store.Remove(l.t.Context(), name))
	l.must(l.Store.Save(l.t.Context(), name, storage.Bytes(p)))
}

// PutHashed stores bytes under their hash.
func (l *Lab) PutHashed(t repo.FileType, p []byte) crypto.ID {
	id := crypto.Hash(p)
	l.Put(t.Name(id), p)
	return id
}

// PutSealed stores the plaintext of an unpacked file.
func (l *Lab) PutSealed(t repo.FileType, plain string) crypto.ID {
	sealed, err := l.Key.Seal(nil, []byte(plain), l.rand)
	l.must(err)
	return l.PutHashed(t, sealed)
}

// Get returns the bytes of a file.
func (l *Lab) Get(name string) []byte {
	p, err := storage.LoadAll(l.t.Context(), l.Store, name)
	l.must(err)
	return p
}

// Remove removes a file.
func (l *Lab) Remove(t repo.FileType, id crypto.ID) {
	l.must(l.Store.Remove(l.t.Context(), t.Name(id)))
}

// Change stores what fn makes of the bytes of a file.
func (l *Lab) Change(t repo.FileType, id crypto.ID, fn func(p []byte) []byte) {
	l.Put(t.Name(id), fn(append([]byte(nil), l.Get(t.Name(id))...)))
}

func (l *Lab) blob(name string, t pack.Type, body []byte) pack.Handle {
	h := pack.Handle{ID: crypto.Hash(body), Type: t}
	l.Blobs[name], l.bodies[h] = h, body
	return h
}

// Tree makes a tree, which has yet to be packed.
func (l *Lab) Tree(name string, nodes ...tree.Node) {
	var b tree.Builder
	for i := range nodes {
		l.must(b.Append(&nodes[i]))
	}
	l.TreeJSON(name, string(b.Finish()))
}

// TreeJSON makes a tree of any bytes.
func (l *Lab) TreeJSON(name, text string) pack.Handle { return l.blob(name, pack.Tree, []byte(text)) }

// File returns the node of a file that is made of named blobs.
func (l *Lab) File(name string, blobs ...string) tree.Node {
	n := tree.Node{Meta: entry.Meta{Name: name, Type: entry.File, Mode: 0o644, ModTime: start, AccessTime: start, ChangeTime: start}}
	for _, b := range blobs {
		n.Content = append(n.Content, l.Blobs[b].ID)
		n.Size += uint64(len(l.bodies[l.Blobs[b]]))
	}
	return n
}

// Dir returns the node of a directory with a named tree.
func (l *Lab) Dir(name, tree_ string) tree.Node {
	return tree.Node{Meta: entry.Meta{Name: name, Type: entry.Dir, Mode: 0o755 | 1<<31, ModTime: start, AccessTime: start, ChangeTime: start}, Subtree: l.Blobs[tree_].ID}
}

// Pack saves named blobs as a pack.
func (l *Lab) Pack(name string, blobs ...string) {
	w := pack.NewWriter(l.Key, l.rand, 1<<10)
	for _, b := range blobs {
		h := l.Blobs[b]
		l.must(l.encoder.Encode(h, l.bodies[h], func(e repo.Encoded) error {
			_, err := w.Add(h, e.Packed, e.UncompressedLength)
			return err
		}))
	}
	l.finish(name, w)
}

func (l *Lab) finish(name string, w *pack.Writer) {
	id, p, blobs, err := w.Finish()
	l.must(err)
	l.Put(repo.Packs.Name(id), p)
	l.Packs[name], l.Places[name] = id, blobs
}

// Entry is what an index file says of a pack.
type Entry struct {
	Pack  crypto.ID
	Blobs []pack.Blob
}

// Entry returns what a sound index says of a pack.
func (l *Lab) Entry(name string) Entry {
	return Entry{l.Packs[name], append([]pack.Blob(nil), l.Places[name]...)}
}

// IndexFile saves an index file.
func (l *Lab) IndexFile(name string, entries ...Entry) {
	var f index.File
	for _, e := range entries {
		f.Add(e.Pack, e.Blobs)
	}
	l.Index[name] = l.PutSealed(repo.Index, string(f.JSON()))
}

// Snapshot saves a snapshot with a named tree, of the given day.
func (l *Lab) Snapshot(name, root string, day int) {
	l.Snapshots[name] = l.PutSealed(repo.Snapshots, fmt.Sprintf(`{"time":%q,"tree":%q,"paths":["/data"],"hostname":"h"}`,
		start.AddDate(0, 0, day).Format(time.RFC3339), l.Blobs[root].ID))
}

// Open opens the repository as it is now.
func (l *Lab) Open(t testing.TB) *repo.Repo {
	t.Helper()
	r, err := repo.Open(t.Context(), l.Store, Password, Options())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Options returns the options by which a Lab is opened: time stands still, and all is the same each time.
func Options() repo.Options {
	return repo.Options{Clock: still{}, Hostname: "h", Username: "u"}
}

// Data makes a blob of random bytes, which has yet to be packed.
func (l *Lab) Data(name string, size int) {
	body := make([]byte, size)
	_, err := io.ReadFull(&counter{n: uint64(len(l.bodies)) << 32}, body)
	l.must(err)
	l.blob(name, pack.Data, body)
}
