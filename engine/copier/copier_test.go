package copier_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/backstay/backstay/engine/copier"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/quickrepo"
)

func TestCopiesAreTheSnapshotsOfTheSource(t *testing.T) {
	from, to := newPlace(t, 2, repo.Options{}), newPlace(t, 2, repo.Options{})
	first := from.backup(t, 1, []int{1, 2, 3}, []int{4})
	second := from.backup(t, 2, []int{1, 2, 3}, []int{4, 5}, nil)
	from.mustCopyTo(t, to, first, second)
	got := to.list(t)
	for i, want := range []*snapshot.Snapshot{first, second} {
		copied := *want
		copied.Original, copied.Parent, copied.ID = want.ID, crypto.ID{}, got[i].ID
		if diff := cmp.Diff(&copied, got[i]); diff != "" {
			t.Errorf("copy %d:\n%s", i, diff)
		}
	}
	if n := to.repo.Index().Count(pack.Data); n != 5 {
		t.Errorf("the destination has %d chunks, want 5", n)
	}
}

func TestWhatIsThereIsNotCopiedAgain(t *testing.T) {
	from, to := newPlace(t, 2, repo.Options{}), newPlace(t, 2, repo.Options{})
	first := from.backup(t, 1, []int{1, 2, 3})
	from.mustCopyTo(t, to, first)
	second := from.backup(t, 2, []int{1, 2, 3, 4})
	result := from.mustCopyTo(t, to, first, second, second)
	if !result.Outcomes[0].Skipped || result.Outcomes[1].Skipped || !result.Outcomes[2].Skipped {
		t.Errorf("of one that is there, a new one and the new one again: %+v", result.Outcomes)
	}
	if result.Stored.DataBlobs != 1 || result.Stored.TreeBlobs != 2 {
		t.Errorf("stored %+v, want one chunk and two trees", result.Stored)
	}
	back := to.mustCopyTo(t, from, to.list(t)...)
	for i, o := range back.Outcomes {
		if !o.Skipped {
			t.Errorf("copied back %d: %+v, want it skipped", i, o)
		}
	}
}

func TestBlobsStayCompressedAsTheyAre(t *testing.T) {
	for _, tt := range []struct {
		name     string
		from, to uint // versions
		level    repo.Compression
		want     func(source, copy pack.Blob) bool
	}{
		{"best to the default", 2, 2, repo.Max, func(s, c pack.Blob) bool {
			return c.Length == s.Length && c.UncompressedLength == s.UncompressedLength
		}},
		{"uncompressed to the default", 2, 2, repo.Off, func(s, c pack.Blob) bool { return c.UncompressedLength == s.UncompressedLength }},
		{"to version 1", 2, 1, repo.Auto, func(_, c pack.Blob) bool { return c.UncompressedLength == 0 }},
		{"from version 1", 1, 2, repo.Auto, func(s, c pack.Blob) bool {
			return c.Length <= s.Length && (c.UncompressedLength > 0 || c.Type == pack.Data)
		}},
	} {
		from, to := newPlace(t, tt.from, repo.Options{Compression: tt.level}), newPlace(t, tt.to, repo.Options{})
		from.mustCopyTo(t, to, from.backup(t, 1, []int{1, 2, 3}, []int{4, 5, 6}))
		for _, kind := range []pack.Type{pack.Data, pack.Tree} {
			for l := range from.repo.Index().Blobs(kind) {
				copied, ok := to.repo.Index().First(l.Handle)
				if !ok || !tt.want(l.Blob, copied.Blob) {
					t.Errorf("%s: %+v becomes %+v", tt.name, l.Blob, copied.Blob)
				}
			}
		}
	}
}

func TestEachBlobIsReadOnce(t *testing.T) {
	from, to := newPlace(t, 2, repo.Options{}), newPlace(t, 2, repo.Options{})
	a, b := from.backup(t, 1, []int{1, 2, 3}), from.backup(t, 2, []int{1, 2, 3, 4, 5})
	if err := from.repo.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	stored := int64(0)
	for l := range from.repo.Index().Blobs(pack.Data) {
		stored += int64(l.Length)
	}
	faulty := storagetest.NewFaulty(from.files, storagetest.Faults{})
	from.plug(faulty)
	from.mustCopyTo(t, to, a, b)
	read := int64(0)
	for _, c := range faulty.Trace() {
		if c.Op == storagetest.Load && dataPack(t, from, c.Name) {
			read += c.Size
		}
	}
	if read != stored {
		t.Errorf("%d bytes of chunks are read, %d are stored", read, stored)
	}
}

func TestABlobThatTheSourceHasTwiceIsCopiedOnce(t *testing.T) {
	from, to := newPlace(t, 2, repo.Options{}), newPlace(t, 2, repo.Options{})
	s := from.backup(t, 1, []int{1, 2, 3})
	err := from.locked(t.Context(), func(ctx context.Context) error {
		w := from.repo.NewWriter()
		defer w.Close()
		err := from.repo.Encoder().Encode(pack.Handle{ID: crypto.Hash(quickrepo.Chunk(2)), Type: pack.Data}, quickrepo.Chunk(2), func(e repo.Encoded) error {
			_, err := w.Save(ctx, e) // not claimed, so it is saved once more
			return err
		})
		if err != nil {
			return err
		}
		return w.Flush(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	if result := from.mustCopyTo(t, to, s); result.Stored.DataBlobs != 3 {
		t.Errorf("stored %+v, want 3 chunks", result.Stored)
	}
}

// dataPack tells whether a file is a pack of chunks.
func dataPack(t *testing.T, p *place, name string) bool {
	t.Helper()
	for id, blobs := range p.repo.Index().EachPack() {
		if repo.Packs.Name(id) == name {
			return blobs[0].Type == pack.Data
		}
	}
	return false
}

func TestWhatIsLostCostsOnlyTheSnapshotsThatNeedIt(t *testing.T) {
	data := func(n int) pack.Handle { return pack.Handle{ID: crypto.Hash(quickrepo.Chunk(n)), Type: pack.Data} }
	for what, spoil := range map[string]func(p *place, s *snapshot.Snapshot){
		"a chunk":     func(p *place, _ *snapshot.Snapshot) { p.spoil(t, data(4)) },
		"a root tree": func(p *place, s *snapshot.Snapshot) { p.spoil(t, pack.Handle{ID: s.Tree, Type: pack.Tree}) },
	} {
		for _, every := range []int64{0, 1} { // all in one round, and each in its own
			from, to := newPlace(t, 2, repo.Options{}), newPlace(t, 2, repo.Options{})
			first, second, third := from.backup(t, 1, []int{1, 2, 3}), from.backup(t, 2, []int{1, 2, 4}), from.backup(t, 3, []int{1, 5})
			spoil(from, second)
			from.repo.ForgetIndex()
			result, err := from.copyTo(t.Context(), to, copier.Options{SaveEvery: every}, first, second, third)
			if err != nil {
				t.Fatalf("with %s lost: %v", what, err)
			}
			for i, o := range result.Outcomes {
				if bad := i == 1; (o.Err != nil) != bad || bad && !errors.Is(o.Err, repo.ErrDamaged) {
					t.Errorf("with %s lost, snapshot %d: %+v", what, i, o)
				}
			}
			to.intact(t)
			if n := len(to.list(t)); n != 2 {
				t.Errorf("with %s lost, %d snapshots are copied, want 2", what, n)
			}
		}
	}
}

func TestATreeThatCannotAllBeReadCostsItsSnapshot(t *testing.T) {
	from, to := newPlace(t, 2, repo.Options{}), newPlace(t, 2, repo.Options{})
	text := []byte(`{"nodes":[{"name":"a","type":"file","content":[17]}]}` + "\n")
	bad := &snapshot.Snapshot{Time: quickrepo.Still{}.Now(), Tree: crypto.Hash(text), Paths: []string{"/"}}
	err := from.locked(t.Context(), func(ctx context.Context) error {
		w := from.repo.NewWriter()
		defer w.Close()
		if _, err := w.SaveBlob(ctx, pack.Handle{ID: bad.Tree, Type: pack.Tree}, text); err != nil {
			return err
		}
		if err := w.Flush(ctx); err != nil {
			return err
		}
		return snapshot.Save(ctx, from.repo, bad)
	})
	if err != nil {
		t.Fatal(err)
	}
	result, err := from.copyTo(t.Context(), to, copier.Options{}, bad, from.backup(t, 1, []int{1}))
	var problem *tree.ProblemError
	if err != nil || !errors.As(result.Outcomes[0].Err, &problem) || result.Outcomes[1].Err != nil {
		t.Errorf("copy = %+v, %v, want the first snapshot left out for its tree", result.Outcomes, err)
	}
	to.intact(t)
}

func TestAPackThatNoIndexNamesCostsItsSnapshot(t *testing.T) {
	from, to := newPlace(t, 2, repo.Options{}), newPlace(t, 2, repo.Options{})
	first := from.backup(t, 1, []int{1, 2, 3})
	before := names(t, from, repo.Index)
	second := from.backup(t, 2, []int{1, 4})
	for _, name := range names(t, from, repo.Index) {
		if !slices.Contains(before, name) {
			if err := from.files.Remove(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
	}
	from.repo.ForgetIndex()
	result, err := from.copyTo(t.Context(), to, copier.Options{}, first, second)
	if err != nil || result.Outcomes[0].Err != nil || !errors.Is(result.Outcomes[1].Err, repo.ErrUnknownBlob) {
		t.Errorf("copy = %+v, %v, want the second snapshot left out with ErrUnknownBlob", result.Outcomes, err)
	}
	to.intact(t)
}

func names(t *testing.T, p *place, kind repo.FileType) (names []string) {
	t.Helper()
	for info, err := range p.files.List(t.Context(), string(kind)) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, info.Name)
	}
	return names
}

func TestWhateverCallFailsACopyIsCompleteOrNotThere(t *testing.T) {
	from, empty := newPlace(t, 2, repo.Options{}), newPlace(t, 2, repo.Options{})
	sources := []*snapshot.Snapshot{from.backup(t, 1, []int{1, 2, 3}, []int{4}), from.backup(t, 2, []int{1, 2, 3}, []int{4, 5}), from.backup(t, 3, []int{6})}
	start := empty.files
	count := func(side *place) int {
		faulty := storagetest.NewFaulty(side.files, storagetest.Faults{})
		side.plug(faulty)
		from.repo.ForgetIndex()
		if _, err := from.copyTo(t.Context(), empty, copier.Options{SaveEvery: 1}, sources...); err != nil {
			t.Fatal(err)
		}
		side.plug(side.files)
		return len(faulty.Trace())
	}
	for _, side := range []*place{from, empty} {
		empty.files = start.Clone()
		empty.plug(empty.files)
		for n := range count(side) {
			empty.files = start.Clone()
			empty.plug(empty.files)
			side.plug(storagetest.NewFaulty(side.files, storagetest.Faults{At: []storagetest.At{{N: n + 1, Fault: storagetest.Refuse}}}))
			from.repo.ForgetIndex()
			result, err := from.copyTo(t.Context(), empty, copier.Options{SaveEvery: 1}, sources...)
			side.plug(side.files)
			for i, o := range result.Outcomes {
				if (o.Err == nil) != (o.Copy != nil) || err == nil && o.Err != nil {
					t.Fatalf("with call %d failed, snapshot %d: %+v, %v", n+1, i, o, err)
				}
			}
			empty.intact(t)
			for _, name := range names(t, empty, repo.Locks) {
				if err := empty.files.Remove(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
			from.mustCopyTo(t, empty, sources...)
			if n := len(empty.list(t)); n != len(sources) {
				t.Fatalf("after call %d failed and another copy, there are %d snapshots, want %d", n+1, n, len(sources))
			}
		}
	}
}

func TestAnInterruptedCopyDoesNotStoreTwiceWhatItFlushed(t *testing.T) {
	from, to := newPlace(t, 2, repo.Options{}), newPlace(t, 2, repo.Options{})
	s := from.backup(t, 1, []int{1, 2, 3}, []int{4})
	from.mustCopyTo(t, to, s)
	for _, name := range names(t, to, repo.Snapshots) { // all but the last step was done
		if err := to.files.Remove(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if result := from.mustCopyTo(t, to, s); result.Outcomes[0].Skipped || result.Stored != (repo.Stored{}) {
		t.Errorf("a copy of what is there but for the snapshot: %+v", result)
	}
}

func TestADestinationThatLostAPackGetsNoSnapshot(t *testing.T) {
	from, to := newPlace(t, 2, repo.Options{}), newPlace(t, 2, repo.Options{})
	from.mustCopyTo(t, to, from.backup(t, 1, []int{1, 2, 3}))
	if err := to.files.Remove(t.Context(), names(t, to, repo.Packs)[0]); err != nil {
		t.Fatal(err)
	}
	_, err := from.copyTo(t.Context(), to, copier.Options{}, from.backup(t, 2, []int{1, 2, 3}, []int{1}))
	if n := len(names(t, to, repo.Snapshots)); !errors.Is(err, repo.ErrDamaged) || n != 1 {
		t.Errorf("copy = %v with %d snapshots, want ErrDamaged and no new one", err, n)
	}
}

func TestDifferentPolynomialsAreANotice(t *testing.T) {
	from, to := newPlace(t, 2, repo.Options{}), newPlace(t, 2, repo.Options{})
	for _, tt := range []struct {
		to   *place
		want int
	}{{to, 0}, {newPlaceOf(t, 2, 0x203d21f351140f, repo.Options{}), 1}} {
		notices := 0
		opt := copier.Options{Progress: func(e progress.Event) {
			if e.Kind == progress.Notice {
				notices++
			}
		}}
		if _, err := from.copyTo(t.Context(), tt.to, opt, from.backup(t, 1, []int{1})); err != nil || notices != tt.want {
			t.Errorf("copy = %v with %d notices, want %d", err, notices, tt.want)
		}
		tt.to.intact(t)
	}
}

func TestWithoutALockNothingIsCopied(t *testing.T) {
	from, to := newPlace(t, 2, repo.Options{}), newPlace(t, 2, repo.Options{})
	result, err := copier.Copy(t.Context(), from.repo, to.repo, []*snapshot.Snapshot{from.backup(t, 1, []int{1})}, copier.Options{})
	if !errors.Is(err, repo.ErrNotLocked) || result.Outcomes[0].Err == nil || len(names(t, to, repo.Packs)) > 0 {
		t.Errorf("copy without a lock = %+v, %v", result, err)
	}
	goleak.VerifyNone(t)
}

func TestACopyOfACopyNamesTheFirstSnapshot(t *testing.T) {
	first, second, third := newPlace(t, 2, repo.Options{}), newPlace(t, 2, repo.Options{}), newPlace(t, 2, repo.Options{})
	s := first.backup(t, 1, []int{1})
	first.mustCopyTo(t, second, s)
	second.mustCopyTo(t, third, second.list(t)...)
	if got := third.list(t); len(got) != 1 || got[0].Original != s.ID {
		t.Errorf("the copy of the copy is %+v, want one of %s", got, s.ID.Short())
	}
}

func TestACancelledCopyIsTakenUpWhereItWas(t *testing.T) {
	const count = 96 // of a quarter of a MiB: packs enough for some to be there in the middle
	from, to := newPlace(t, 2, repo.Options{}), newPlace(t, 2, repo.Options{})
	s := from.backupRandom(t, count)
	why := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	opt := copier.Options{Progress: func(e progress.Event) {
		if e.Kind == progress.Advanced && len(names(t, to, repo.Packs)) > 0 {
			cancel(why)
		}
	}}
	if _, err := from.copyTo(ctx, to, opt, s); !errors.Is(err, why) {
		t.Fatalf("copy = %v, want %v", err, why)
	}
	to.plug(to.files) // as another process sees it
	if err := to.repo.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	known := int64(to.repo.Index().Count(pack.Data))
	if again := from.mustCopyTo(t, to, s); known == 0 || again.Stored.DataBlobs != count-known {
		t.Errorf("%d of %d chunks are there after the cancel, then %d are copied", known, count, again.Stored.DataBlobs)
	}
}

// backupRandom makes a snapshot of one file with so many chunks that don't compress.
func (p *place) backupRandom(t testing.TB, count int) *snapshot.Snapshot {
	t.Helper()
	file := tree.Node{Meta: entry.Meta{Name: "file", Type: entry.File}}
	s := &snapshot.Snapshot{Time: time.Unix(1, 0).UTC(), Hostname: "host", Paths: []string{"/"}}
	err := p.locked(t.Context(), func(ctx context.Context) error {
		w := p.repo.NewWriter()
		defer w.Close()
		save := func(kind pack.Type, plain []byte) (crypto.ID, error) {
			h := pack.Handle{ID: crypto.Hash(plain), Type: kind}
			_, err := w.SaveBlob(ctx, h, plain)
			return h.ID, err
		}
		random, chunk := rand.NewChaCha8([32]byte{}), make([]byte, 1<<18)
		for range count {
			_, _ = random.Read(chunk) // never fails
			id, err := save(pack.Data, chunk)
			if err != nil {
				return err
			}
			file.Content = append(file.Content, id)
		}
		var b tree.Builder
		if err := b.Append(&file); err != nil {
			return err
		}
		var err error
		if s.Tree, err = save(pack.Tree, b.Finish()); err != nil {
			return err
		}
		if err := w.Flush(ctx); err != nil {
			return err
		}
		return snapshot.Save(ctx, p.repo, s)
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
