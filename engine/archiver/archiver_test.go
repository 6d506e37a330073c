package archiver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backstay/backstay/engine/archiver"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/progress"
)

func TestAnUnchangedTreeKeepsItsIDsAndNothingIsRead(t *testing.T) {
	b := newBench(t, "a/b/c=1", "a/b/d=2", "a/e=3", "f/", "g=")
	b.link("a/l", "b/c")
	first := b.archive(crypto.ID{})
	b.opened()
	b.asked = 0
	second := b.archive(first.Tree)
	if opened := b.opened(); len(opened) > 0 || b.asked > 0 {
		t.Errorf("opened %q and asked for the attributes of %d entries", opened, b.asked)
	}
	want := archiver.Counts{FilesUnmodified: 5, DirsUnmodified: 3, Files: 5, Bytes: 3}
	if diff := cmp.Diff(want, second.Counts); diff != "" || second.Tree != first.Tree {
		t.Errorf("tree %s after %s, counts (-want +got)\n%s", second.Tree.Short(), first.Tree.Short(), diff)
	}
}

func TestCountsTellWhatIsNew(t *testing.T) {
	b := newBench(t, "a/b=12345", "c=123", "d=123")
	got := b.archive(crypto.ID{}).Counts
	if got.Added == 0 || got.AddedPacked == 0 {
		t.Errorf("%d bytes were added, %d as stored", got.Added, got.AddedPacked)
	}
	got.Added, got.AddedPacked = 0, 0
	if diff := cmp.Diff(archiver.Counts{FilesNew: 3, DirsNew: 1, Files: 3, Bytes: 11, DataBlobs: 2, TreeBlobs: 2}, got); diff != "" {
		t.Errorf("counts (-want +got)\n%s", diff)
	}
}

func TestOneChangedFileInADeepTreeIsAllThatIsRead(t *testing.T) {
	deep := strings.Repeat("d/", 50) + "f"
	b := newBench(t, deep+"=1", "d/side/g=2", "h=3")
	first := b.archive(crypto.ID{})
	b.opened()
	b.file(deep, []byte("changed"))
	second := b.archive(first.Tree)
	if diff := cmp.Diff([]string{deep}, b.opened()); diff != "" {
		t.Errorf("opened (-want +got)\n%s", diff)
	}
	c := second.Counts
	if c.FilesChanged != 1 || c.FilesUnmodified != 2 || c.DirsChanged != 50 || c.DirsUnmodified != 1 || c.TreeBlobs != 51 {
		t.Errorf("counts %+v", c)
	}
}

func TestWhateverHappensToAnEntryTheTreeIsThatOfAFullBackup(t *testing.T) {
	b := newBench(t)
	for name, change := range map[string]func(f *forest){
		"a file is deleted":              func(f *forest) { f.remove("m/b") },
		"the last file is deleted":       func(f *forest) { f.remove("m/z") },
		"a directory is deleted":         func(f *forest) { f.remove("m/d") },
		"all is deleted":                 func(f *forest) { clear(f.things) },
		"a file is renamed":              func(f *forest) { f.rename("m/b", "m/bb") },
		"a file becomes a directory":     func(f *forest) { f.remove("m/b"); f.file("m/b/x", []byte("1")) },
		"a directory becomes a file":     func(f *forest) { f.remove("m/d"); f.file("m/d", []byte("1")) },
		"a file becomes a link":          func(f *forest) { f.remove("m/b"); f.link("m/b", "d") },
		"only the owner changes":         func(f *forest) { f.things["m/b"].UID = 5 },
		"only the mode of a dir changes": func(f *forest) { f.things["m/d"].Mode |= 0o20 },
		"only an attribute changes": func(f *forest) {
			f.things["m/b"].attributes = []entry.Attribute{{Name: "user.a", Value: []byte("1")}}
			f.things["m/b"].touch()
		},
		"a file has a new link":           func(f *forest) { f.alias("m/second", "m/b") },
		"new ones come before and behind": func(f *forest) { f.file("A", nil); f.file("zz/y", []byte("1")) },
		"two directories change places": func(f *forest) {
			d, e := f.things["m/d/x"], f.things["m/e/x"]
			f.things["m/d/x"], f.things["m/e/x"] = e, d
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := *b
			b.forest = plant("m/a=0", "m/b=1", "m/d/x=2", "m/e/x=3", "m/z=4")
			first := b.archive(crypto.ID{})
			change(b.forest)
			if second := b.archive(first.Tree); second.Tree == first.Tree {
				t.Error("the tree is that of before")
			}
		})
	}
}

func TestAnyTreeIsThatOfTheNaiveWay(t *testing.T) {
	b := newBench(t)
	rapid.Check(t, func(r *rapid.T) {
		b.forest = plant()
		b.parallel = rapid.IntRange(1, 4).Draw(r, "parallel")
		b.opt.Readers = rapid.IntRange(0, 3).Draw(r, "readers")
		mutate(r, b.forest)
		var parent crypto.ID
		for range rapid.IntRange(1, 3).Draw(r, "runs") {
			parent = b.archive(parent).Tree
			mutate(r, b.forest)
		}
	})
}

// mutate changes a forest at random.
func mutate(r *rapid.T, f *forest) {
	name := rapid.StringMatching(`[a-c.-]?[a-c](/[ab]){0,3}`)
	for range rapid.IntRange(0, 12).Draw(r, "changes") {
		name := name.Draw(r, "name")
		parts := strings.Split(name, "/")
		for i := range parts[1:] {
			if above := f.things[strings.Join(parts[:i+1], "/")]; above != nil && above.Type != entry.Dir {
				f.remove(strings.Join(parts[:i+1], "/"))
			}
		}
		what := rapid.IntRange(0, 5).Draw(r, "what")
		old := f.things[name]
		if what < 5 && old != nil && (old.Type == entry.Dir || what > 1) {
			f.remove(name)
		}
		switch what {
		case 0, 1:
			f.file(name, []byte(rapid.StringN(0, 5, 5).Draw(r, "content")))
		case 2:
			f.dir(name)
		case 3:
			f.link(name, "x")
		case 4:
			if names := f.paths(); len(names) > 0 {
				if of := rapid.SampledFrom(names).Draw(r, "of"); f.things[of].Type == entry.File {
					f.alias(name, of)
				}
			}
		case 5:
			if old != nil {
				old.UID++
			}
		}
	}
}

func TestContentThatNoIndexNamesIsReadAgain(t *testing.T) {
	b := newBench(t, "a/kept=1", "a/other=2", "b/c=3")
	first := b.archive(crypto.ID{})
	b.opened()
	elsewhere := newBench(t) // a repository of the same polynomial that has the trees only
	elsewhere.forest = b.forest
	w := elsewhere.repo.NewWriter()
	defer w.Close()
	copyTrees(t, b, elsewhere, w.SaveBlob, first.Tree)
	if err := w.Flush(elsewhere.ctx); err != nil {
		t.Fatal(err)
	}
	second := elsewhere.archive(first.Tree)
	if opened := b.opened(); len(opened) != 3 || second.Tree != first.Tree || second.Counts.DataBlobs != 3 {
		t.Errorf("opened %q, counts %+v", opened, second.Counts)
	}
}

func copyTrees(t *testing.T, from, to *bench, save func(context.Context, pack.Handle, []byte) (int, error), id crypto.ID) {
	t.Helper()
	h := pack.Handle{ID: id, Type: pack.Tree}
	plain, err := from.repo.LoadBlob(t.Context(), h, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := save(to.ctx, h, plain); err != nil {
		t.Fatal(err)
	}
	for n := range tree.Decode(plain) {
		if n.Type == entry.Dir {
			copyTrees(t, from, to, save, n.Subtree)
		}
	}
}

func TestAParentThatCannotBeReadCostsOnlyTime(t *testing.T) {
	b := newBench(t, "a/b=1", "c=2")
	var notices []string
	b.opt.Progress = func(e progress.Event) {
		if e.Kind == progress.Notice {
			notices = append(notices, e.Text)
		}
	}
	r := b.archive(crypto.Hash([]byte("no such tree")))
	if r.Counts.FilesNew != 2 || len(notices) != 1 || !strings.Contains(notices[0], "read again") {
		t.Errorf("counts %+v, notices %q", r.Counts, notices)
	}
}

func TestATreeOfTheParentWithAnUnsafeNodeIsNotKept(t *testing.T) {
	b := newBench(t, "good=1")
	first := b.archive(crypto.ID{})
	plain, err := b.repo.LoadBlob(t.Context(), pack.Handle{ID: first.Tree, Type: pack.Tree}, nil)
	if err != nil {
		t.Fatal(err)
	}
	node := plain[len(`{"nodes":[`) : len(plain)-len("]}\n")]
	evil := fmt.Appendf(nil, `{"nodes":[%s,%s]}`, bytes.Replace(node, []byte(`"good"`), []byte(`"../evil"`), 1), node)
	h := pack.Handle{ID: crypto.Hash(evil), Type: pack.Tree}
	w := b.repo.NewWriter()
	defer w.Close()
	if _, err := w.SaveBlob(b.ctx, h, evil); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(b.ctx); err != nil {
		t.Fatal(err)
	}
	if second := b.archive(h.ID); second.Tree != first.Tree || second.Counts.FilesUnmodified != 1 {
		t.Errorf("tree %s, counts %+v", second.Tree.Short(), second.Counts)
	}
}

func TestLostEntriesAreLeftOutAndCounted(t *testing.T) {
	b := newBench(t, "a/b=1", "a/c=2", "a/d/e=3", "f=4", "g=5")
	refused := errors.New("permission denied")
	b.things["a/d"].lost = refused
	delete(b.things, "a/d/e")
	var lost []string
	b.opt.Progress = func(e progress.Event) {
		if e.Kind == progress.Failed && errors.Is(e.Err, refused) {
			lost = append(lost, e.Item)
		}
	}
	b.parallel = 1
	b.things["f"].open = func() (entry.FileReader, error) { return nil, refused }
	b.things["g"].open = func() (entry.FileReader, error) { return failing{err: refused}, nil }
	results, err := archiver.Archive(b.ctx, []archiver.Target{{Repo: b.repo}}, b.forest, b.opt)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lost)
	if diff := cmp.Diff([]string{"a/d", "f", "g"}, lost); diff != "" || results[0].Counts.Lost != 3 {
		t.Errorf("lost %d (-want +got)\n%s", results[0].Counts.Lost, diff)
	}
	delete(b.things, "f")
	delete(b.things, "g")
	if want := b.naive(t, pol); results[0].Tree != want {
		t.Errorf("the tree is %s, want %s", results[0].Tree.Short(), want.Short())
	}
}

// failing is a file that can't be read, or closed.
type failing struct{ err, closing error }

func (f failing) Read([]byte) (int, error)          { return 0, f.err }
func (f failing) Close() error                      { return f.closing }
func (f failing) NextData(off int64) (int64, error) { return off, nil }
func (f failing) SkipTo(int64)                      {}
func (f failing) Changed() (bool, error)            { return false, nil }

func TestAttributesThatCouldNotBeReadAreReadTheNextTime(t *testing.T) {
	b := newBench(t, "d/f=1", "x/e/")
	b.link("l", "d")
	for _, name := range []string{"d", "d/f", "x/e", "l"} {
		b.things[name].attributes = []entry.Attribute{{Name: "user.a", Value: []byte("1")}}
	}
	for _, name := range []string{"d/f", "x/e"} {
		b.things[name].flaw = errors.New("permission denied")
	}
	results, err := archiver.Archive(b.ctx, []archiver.Target{{Repo: b.repo}}, b.forest, b.opt)
	if err != nil || results[0].Counts.Lost != 2 || results[0].Counts.Files != 2 {
		t.Fatalf("Archive = %+v, %v, want 2 lost and both files kept", results, err)
	}
	for _, thing := range b.things {
		thing.flaw = nil
	}
	if second := b.archive(results[0].Tree); second.Counts.Lost != 0 || second.Tree == results[0].Tree {
		t.Errorf("counts %+v", second.Counts)
	}
}

func TestAFileWithSeveralNamesIsReadOnce(t *testing.T) {
	b := newBench(t, "a/f=content", "b/x=1")
	b.alias("b/g", "a/f")
	b.alias("h", "a/f")
	b.things["b/g"].Meta, b.things["h"].Meta = b.things["a/f"].Meta, b.things["a/f"].Meta
	b.things["b/g"].Name, b.things["h"].Name = "g", "h"
	b.archive(crypto.ID{})
	if diff := cmp.Diff([]string{"a/f", "b/x"}, b.opened()); diff != "" {
		t.Errorf("opened (-want +got)\n%s", diff)
	}
}

func TestANameOfAFileThatChangedMeanwhileIsReadByItself(t *testing.T) {
	b := newBench(t, "a=old")
	b.alias("b", "a")
	b.file("b", []byte("new"))
	first := b.archive(crypto.ID{})
	b.archive(first.Tree)
}

func TestALostFileIsLostUnderAllItsNames(t *testing.T) {
	b := newBench(t, "a=1")
	b.alias("b", "a")
	b.things["a"].Meta = b.things["b"].Meta
	b.things["a"].Name = "a"
	b.things["a"].open = func() (entry.FileReader, error) { return nil, errors.New("gone") }
	results, err := archiver.Archive(b.ctx, []archiver.Target{{Repo: b.repo}}, b.forest, b.opt)
	if err != nil || results[0].Counts.Lost != 2 || results[0].Counts.Files != 0 {
		t.Errorf("Archive = %+v, %v", results, err)
	}
}

func TestAViewOutOfOrderIsAnError(t *testing.T) {
	b := newBench(t)
	for name, spoil := range map[string]func([]string){
		"names descending":             slices.Reverse[[]string],
		"a name twice":                 func(p []string) { p[1] = p[0] },
		"a directory left comes again": func(p []string) { p[2], p[3] = p[3], p[2] },
		"a directory never announced":  func(p []string) { p[0] = p[1] },
	} {
		for _, again := range []bool{false, true} {
			b.forest = plant("a/x=1", "a/y=2", "b=3", "c=4")
			parent := crypto.ID{}
			if again {
				parent = b.archive(parent).Tree
			}
			b.order = spoil
			results, err := archiver.Archive(b.ctx, []archiver.Target{{Repo: b.repo, Parent: parent}}, b.forest, b.opt)
			if err == nil || !results[0].Tree.IsNull() {
				t.Errorf("%s, with a parent %t: Archive = %v, %v", name, again, results[0].Tree, err)
			}
			b.order = nil
			b.archive(parent) // nothing of the failed one is left behind
		}
	}
}

func TestAnUnsafeNameIsRefused(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"..", ".", "a\x00"} {
		b.forest = plant("f=1")
		b.put("d", entry.File, 0).Name = name
		b.things[name] = b.things["d"]
		delete(b.things, "d")
		if _, err := archiver.Archive(b.ctx, []archiver.Target{{Repo: b.repo}}, b.forest, b.opt); err == nil {
			t.Errorf("name %q: Archive = nil error", name)
		}
	}
}

func TestAViewThatBreaksOffMakesNoTree(t *testing.T) {
	b := newBench(t, "a=1", "b=2")
	b.end = errors.New("the dump failed")
	results, err := archiver.Archive(b.ctx, []archiver.Target{{Repo: b.repo}}, b.forest, b.opt)
	if !errors.Is(err, b.end) || !results[0].Tree.IsNull() {
		t.Errorf("Archive = %+v, %v", results, err)
	}
}

func TestADryRunWritesNothingAndTellsTheSame(t *testing.T) {
	b := newBench(t, "a/b=1", "c=2", "d=2")
	b.opt.DryRun = true
	before := len(files(t, b.backend, "data", "index", "snapshots"))
	dry := b.archive(crypto.ID{})
	if after := len(files(t, b.backend, "data", "index", "snapshots")); after != before {
		t.Errorf("%d files were written", after-before)
	}
	b.opt.DryRun = false
	if diff := cmp.Diff(dry.Counts, b.archive(crypto.ID{}).Counts); diff != "" {
		t.Errorf("counts of the dry run and of the real one\n%s", diff)
	}
}

func TestEveryEntryButDirectoriesIsReportedOnce(t *testing.T) {
	b := newBench(t, "a/b=1", "a/c=2", "d/")
	got := make(chan progress.Event, 100)
	b.opt.Progress = func(e progress.Event) { got <- e }
	parent := b.archive(crypto.ID{}).Tree
	b.file("a/b", []byte("12"))
	b.archive(parent)
	close(got)
	var lines []string
	for e := range got {
		lines = append(lines, fmt.Sprint(e.Kind == progress.Finished, " ", e.Item, " ", e.State, " ", e.Bytes))
	}
	slices.Sort(lines)
	want := []string{"true a/b changed 2", "true a/b new 1", "true a/c new 1", "true a/c unmodified 1"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("events (-want +got)\n%s", diff)
	}
}

func TestManyReadersAndSmallFilesAtOnce(t *testing.T) {
	b := newBench(t)
	b.parallel, b.opt.Readers = 16, 16
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 2000 {
		b.file(fmt.Sprintf("%d/%d/%d", i%7, i%31, i), fmt.Appendf(nil, "%d", random.IntN(500)))
	}
	first := b.archive(crypto.ID{})
	for i := range 200 {
		b.file(fmt.Sprintf("%d/%d/%d", i%7, i%31, i), []byte("changed"))
	}
	if second := b.archive(first.Tree); second.Counts.FilesChanged != 200 || second.Counts.DataBlobs != 1 {
		t.Errorf("counts %+v", second.Counts)
	}
}

func TestACancelAtAnyMomentLeavesOnlyGarbage(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	why := errors.New("interrupted")
	b := newBench(t)
	for i := range 60 {
		b.file(fmt.Sprintf("%d/%d", i%5, i), bytes.Repeat([]byte{byte(i)}, 100+i))
	}
	b.file("3/large", randomBytes(9, 12<<20))
	for range 30 {
		ctx, cancel := context.WithCancelCause(b.ctx)
		at := random.IntN(70)
		b.yielded = func(n int) {
			if n == at {
				cancel(why)
			}
		}
		if at >= 60 {
			late := time.AfterFunc(time.Duration(random.IntN(20))*time.Millisecond, func() { cancel(why) })
			defer late.Stop()
		}
		b.opt.Progress = func(e progress.Event) {
			if e.Kind == progress.Failed {
				t.Errorf("%q is told to be lost: %v", e.Item, e.Err)
			}
		}
		results, err := archiver.Archive(ctx, []archiver.Target{{Repo: b.repo}}, b.forest, b.opt)
		if err != nil && (!errors.Is(err, why) || !results[0].Tree.IsNull()) || err == nil && results[0].Tree != b.naive(t, pol) {
			t.Errorf("Archive = %+v, %v", results, err)
		}
		cancel(nil)
	}
	b.yielded = nil
	b.archive(crypto.ID{})
}

func TestWhatWasUploadedBeforeACancelServesTheNextRun(t *testing.T) {
	b := newBench(t)
	b.parallel = 1
	for i := range 8 {
		b.file(fmt.Sprint(i), randomBytes(uint64(i), 2<<20))
	}
	ctx, cancel := context.WithCancel(b.ctx)
	b.opt.Progress = func(e progress.Event) {
		if e.Item == "6" {
			waitFor(t, func() bool { return len(packs(t, b.backend)) > 0 }) // of 12 MiB two open packs hold 8 at most
			cancel()
		}
	}
	if _, err := archiver.Archive(ctx, []archiver.Target{{Repo: b.repo}}, b.forest, b.opt); !errors.Is(err, context.Canceled) {
		t.Fatalf("Archive = %v", err)
	}
	b.opt.Progress = nil
	known := int64(b.repo.Index().Count(pack.Data))
	if again := b.archive(crypto.ID{}); known == 0 || again.Stored.DataBlobs+known != int64(b.repo.Index().Count(pack.Data)) {
		t.Errorf("%d chunks are known after the cancel, then %d are added", known, again.Stored.DataBlobs)
	}
}
