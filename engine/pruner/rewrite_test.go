package pruner_test

import (
	"context"
	"fmt"
	"path"
	"slices"
	"testing"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/storagetest"
)

// union is what all index files name: how often each place of a blob, and in how many files each pack.
type union struct {
	names  []string
	places map[index.Location]int
	packs  map[crypto.ID]int
}

// readIndex reads each index file by itself.
func (w *world) readIndex(t fatal, ctx context.Context) union {
	t.Helper()
	u := union{names: w.names(t, ctx, repo.Index), places: map[index.Location]int{}, packs: map[crypto.ID]int{}}
	slices.Sort(u.names)
	for _, name := range u.names {
		err := index.Decode(w.plain(t, ctx, name), func(id crypto.ID, blobs []pack.Blob) error {
			u.packs[id]++
			for _, b := range blobs {
				u.places[index.Location{Pack: id, Blob: b}]++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return u
}

// plain returns the JSON of an index file.
func (w *world) plain(t fatal, ctx context.Context, name string) []byte {
	t.Helper()
	id, err := crypto.ParseID(path.Base(name))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := w.repo.LoadFile(ctx, repo.Index, id)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// lossless compares the index files with those before a prune: of the packs that are there still they name all they did, once.
func (w *world) lossless(t fatal, ctx context.Context, before union, full int) {
	t.Helper()
	there := map[string]bool{}
	for _, name := range w.names(t, ctx, repo.Packs) {
		there[name] = true
	}
	after := w.readIndex(t, ctx)
	for l := range before.places {
		want := 0
		if there[repo.Packs.Name(l.Pack)] {
			want = 1
		}
		if got := after.places[l]; got != want {
			t.Fatalf("after the prune the index files have %s in data/%s %d times, want %d", l.Handle, l.Pack.Short(), got, want)
		}
	}
	for l, n := range after.places {
		if old := before.packs[l.Pack] > 0; n != 1 || old && before.places[l] == 0 || !there[repo.Packs.Name(l.Pack)] {
			t.Fatalf("after the prune the index files have %s in data/%s %d times, before %d times", l.Handle, l.Pack.Short(), n, before.places[l])
		}
	}
	for id, n := range after.packs {
		if n != 1 {
			t.Fatalf("after the prune data/%s is in %d index files", id.Short(), n)
		}
	}
	if most := 2*len(after.places)/full + 1; !slices.Equal(before.names, after.names) && len(after.names) > most {
		t.Fatalf("after the prune %d blobs are in %d index files, want %d at most", len(after.places), len(after.names), most)
	}
}

// clean wants a check to find nothing that is wrong.
func (w *world) clean(t fatal, ctx context.Context) {
	t.Helper()
	var findings []string
	report, err := checker.Check(ctx, w.repo, checker.Options{Found: func(f checker.Finding) { findings = append(findings, fmt.Sprint(f)) }})
	if err != nil || report.Errors+report.Warnings > 0 {
		t.Fatalf("check after the prune = %v, %q", err, findings)
	}
}

// relist saves an index file anew as others may have written it, and removes the old one or not.
func (w *world) relist(t fatal, ctx context.Context, name, how string) {
	t.Helper()
	var f [2]index.File
	err := index.Decode(w.plain(t, ctx, name), func(id crypto.ID, blobs []pack.Blob) error {
		half := len(blobs) / 2
		switch how {
		case "copied":
			f[0].Add(id, blobs)
		case "copied in part":
			f[0].Add(id, blobs[:half])
		case "split":
			f[0].Add(id, blobs[:half])
			f[1].Add(id, blobs[half:])
		case "repeated":
			f[0].Add(id, blobs)
			f[0].Add(id, blobs)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	old := name[len(repo.Index)+1:]
	for i := range f {
		if f[i].Blobs() > 0 {
			w.saveIndex(t, ctx, append([]byte(`{"supersedes":["`+old+`"],`), f[i].JSON()[1:]...))
		}
	}
	if how == "split" || how == "repeated" {
		if err := w.files.Remove(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) saveIndex(t fatal, ctx context.Context, plain []byte) {
	t.Helper()
	err := w.locked(ctx, repo.Shared, func(ctx context.Context) error {
		_, err := w.repo.SaveFile(ctx, repo.Index, plain)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// row returns n chunks from the given one on.
func row(from, n int) []int {
	chunks := make([]int, n)
	for i := range chunks {
		chunks[i] = from + i
	}
	return chunks
}

// touched returns the index files that were removed, and how many were saved with how many bytes.
func touched(trace []storagetest.Call) (removed []string, saved int, bytes int64) {
	for _, c := range trace {
		if kind(c.Name) != repo.Index {
			continue
		}
		switch c.Op {
		case storagetest.Remove:
			removed = append(removed, c.Name)
		case storagetest.Save:
			saved++
			bytes += c.Size
		}
	}
	slices.Sort(removed)
	return removed, saved, bytes
}

// pruneTraced prunes, looks whether all is well, and returns what was asked of the storage by the prune alone.
func (w *world) pruneTraced(t *testing.T, opt pruner.Options) []storagetest.Call {
	t.Helper()
	faulty := storagetest.NewFaulty(w.files, storagetest.Faults{})
	w.plug(faulty)
	before := w.readIndex(t, t.Context())
	skip := len(faulty.Trace())
	if _, _, err := w.prune(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	trace := faulty.Trace()[skip:]
	w.lossless(t, t.Context(), before, 40)
	w.intact(t, t.Context())
	w.clean(t, t.Context())
	return trace
}

// added returns which names are in one list and not in the other.
func added(before, after []string) (names []string) {
	for _, name := range after {
		if !slices.Contains(before, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestIndexFilesOfWhichNothingGoesAreLeftAlone(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	opt := pruner.Options{MaxUnused: pruner.Bytes(0)}.WithIndexBlobs(40)
	var doomed crypto.ID
	var goes []string
	for n := range 4 { // each saves an index file of 31 blobs, and one of a root
		before := w.names(t, ctx, repo.Index)
		id := w.backup(t, ctx, false, [][]int{row(100*n, 30)})
		if n == 2 {
			doomed, goes = id, added(before, w.names(t, ctx, repo.Index))
		}
	}
	all := w.names(t, ctx, repo.Index)
	w.forget(t, ctx, doomed)
	trace := w.pruneTraced(t, opt)
	removed, saved, _ := touched(trace)
	left := w.names(t, ctx, repo.Index)
	if len(removed) != 5 || len(added(removed, goes)) > 0 || saved != 1 || len(left) != 4 || len(added(all, left)) != 1 {
		t.Errorf("of %d index files %q are removed and %d saved, want the two of the snapshot that went %q and three small ones, and one saved",
			len(all), removed, saved, goes)
	}
	if removed, saved, _ := touched(w.pruneTraced(t, opt)); saved > 0 || len(removed) > 0 {
		t.Errorf("a second prune saves %d index files and removes %q", saved, removed)
	}
}

func TestAnIndexFileOfPacksThatAllGoIsRemovedAndNoneSaved(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.backup(t, ctx, false, [][]int{row(0, 60)})
	w.forget(t, ctx, w.backup(t, ctx, false, [][]int{row(100, 60)}))
	if removed, saved, _ := touched(w.pruneTraced(t, pruner.Options{}.WithIndexBlobs(40))); saved != 0 || len(removed) != 2 {
		t.Errorf("%d index files are saved and %q removed, want none saved and two removed", saved, removed)
	}
}

func TestSmallIndexFilesArePutTogetherWhenOneIsReplaced(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	first := w.backup(t, ctx, false, [][]int{{1000}})
	for n := range 20 {
		w.backup(t, ctx, false, [][]int{row(10*n, 4)})
	}
	opt := pruner.Options{}.WithIndexBlobs(40)
	if removed, saved, _ := touched(w.pruneTraced(t, opt)); saved+len(removed) > 0 {
		t.Errorf("a prune with nothing to do saves %d index files and removes %q", saved, removed)
	}
	w.forget(t, ctx, first)
	w.pruneTraced(t, opt)
	if n := len(w.names(t, ctx, repo.Index)); n != 3 {
		t.Errorf("%d index files of 120 blobs are left of 42, want 3", n)
	}
}

func TestAPackThatIsNotInOneIndexFileAloneIsPutIntoOne(t *testing.T) {
	base, ctx := newWorld(t), t.Context()
	for n := range 3 {
		base.backup(t, ctx, false, [][]int{row(100*n, 30)})
	}
	for _, how := range []string{"copied", "copied in part", "split", "repeated"} {
		t.Run(how, func(t *testing.T) {
			w := base.fork()
			for _, name := range w.names(t, ctx, repo.Index) {
				if len(w.plain(t, ctx, name)) > 1000 { // not that of a root
					w.relist(t, ctx, name, how)
					break
				}
			}
			removed, _, _ := touched(w.pruneTraced(t, pruner.Options{}.WithIndexBlobs(40)))
			if len(removed) == 0 {
				t.Error("no index file is removed")
			}
			if removed, saved, _ := touched(w.pruneTraced(t, pruner.Options{}.WithIndexBlobs(40))); saved+len(removed) > 0 {
				t.Errorf("a second prune saves %d index files and removes %q", saved, removed)
			}
		})
	}
}

// noIndex is a storage whose index files can't be removed, or of which just one can be saved, as for runs that are killed before that.
type noIndex struct {
	storage.Backend
	op    storagetest.Op
	saves int
}

func (b *noIndex) Remove(ctx context.Context, name string) error {
	if kind(name) == repo.Index && b.op == storagetest.Remove {
		return errDead
	}
	return b.Backend.Remove(ctx, name)
}

func (b *noIndex) Save(ctx context.Context, name string, body storage.Body) error {
	if kind(name) == repo.Index && b.op == storagetest.Save {
		if b.saves++; b.saves > 1 {
			return errDead
		}
	}
	return b.Backend.Save(ctx, name, body)
}

func TestHoweverOftenPrunesAreKilledTheNextOneLeavesAFullIndex(t *testing.T) {
	for _, full := range []int{8, 40, 1000} {
		for _, op := range []storagetest.Op{storagetest.Save, storagetest.Remove} {
			w, ctx := scenario(t), t.Context()
			opt := pruner.Options{MaxUnused: pruner.Bytes(0)}.WithIndexBlobs(full)
			for range 4 {
				w.plug(&noIndex{Backend: w.files, op: op})
				if _, _, err := w.prune(ctx, opt); err == nil {
					break
				}
			}
			w.plug(w.files)
			if _, _, err := w.prune(ctx, opt); err != nil {
				t.Fatalf("%s, %d blobs: prune after those that were killed = %v", op, full, err)
			}
			if after := w.readIndex(t, ctx); len(after.names) > 2*len(after.places)/full+1 {
				t.Errorf("%s, %d blobs: %d places are in %d index files", op, full, len(after.places), len(after.names))
			}
			w.recover(t)
		}
	}
}
