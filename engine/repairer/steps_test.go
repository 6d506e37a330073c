package repairer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repairer"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/corrupt"
	"github.com/backstay/backstay/test/resticbin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens what is in b.
func open(t *testing.T, b storage.Backend) *repo.Repo {
	t.Helper()
	r, err := repo.Open(t.Context(), b, corrupt.Password, corrupt.Options())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// damaged returns a Lab with much that is wrong: an index that is gone, a damaged blob and a file that needs what isn't there.
func damaged(t *testing.T) *corrupt.Lab {
	t.Helper()
	l := corrupt.New(t)
	l.Remove(repo.Index, l.Index["index2"])
	l.Change(repo.Packs, l.Packs["data1"], func(p []byte) []byte { p[l.Places["data1"][0].Offset+20] ^= 1; return p })
	l.TreeJSON("root3", fmt.Sprintf(`{"nodes":[{"name":"b","type":"file","size":4000,"content":[%q]},{"name":"a","type":"file","size":9,"content":[%q]}]}`,
		l.Blobs["b1"].ID, crypto.Hash([]byte("gone"))))
	l.Pack("trees3", "root3")
	l.IndexFile("index3", l.Entry("trees3"))
	l.Snapshot("third", "root3", 3)
	return l
}

// mend does all three repairs.
func mend(ctx context.Context, r *repo.Repo, packs ...crypto.ID) error {
	if _, err := repairer.Index(ctx, r, repairer.IndexOptions{}); err != nil {
		return err
	}
	if _, err := repairer.Packs(ctx, r, packs, repairer.PackOptions{}); err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	_, err := repairer.Snapshots(ctx, r, repairer.SnapshotOptions{Forget: true})
	return err
}

// under is a backend whose place another can take.
type under struct{ storage.Backend }

// lockUnder opens and locks what is in b. The other backend takes its place afterwards.
func lockUnder(t *testing.T, b, other storage.Backend) (context.Context, *repo.Repo, *under) {
	t.Helper()
	u := &under{b}
	r := open(t, u)
	ctx := lock(t, r)
	t.Cleanup(func() { u.Backend = b })
	u.Backend = other
	return ctx, r, u
}

func TestARepairThatIsCutShortLosesNothingAndCanBeRunAgain(t *testing.T) {
	l := damaged(t)
	before := ideal(t, l)
	cuts := 0
	for _, fault := range []storagetest.Fault{storagetest.Refuse, storagetest.LostAnswer} {
		for _, op := range []storagetest.Op{storagetest.Save, storagetest.Remove} {
			for n := 1; ; n++ {
				below := l.Store.Clone()
				faulty := storagetest.NewFaulty(below, storagetest.Faults{At: []storagetest.At{{N: n, Op: op, Fault: fault}}})
				ctx, r, u := lockUnder(t, below, faulty)
				err := mend(ctx, r, l.Packs["data1"])
				if err == nil {
					break
				}
				cuts++
				if !errors.Is(err, storagetest.ErrInjected) {
					t.Errorf("%s at %s %d: %v, want the injected error", fault, op, n, err)
				}
				u.Backend = below
				if err := mend(ctx, r, l.Packs["data1"]); err != nil {
					t.Errorf("again after %s at %s %d: %v", fault, op, n, err)
				}
				after := restorable(t, r)
				for key, hash := range before {
					if after[key] != hash {
						t.Errorf("%s at %s %d: %s is lost", fault, op, n, key)
					}
				}
				if found := check(t, r); len(found) > 0 {
					t.Errorf("%s at %s %d: left wrong: %s", fault, op, n, found[0].Message)
				}
			}
		}
	}
	if cuts < 10 {
		t.Errorf("only %d repairs were cut short", cuts)
	}
}

func TestWithoutALockNothingIsChanged(t *testing.T) {
	l := damaged(t)
	before := names(t, l.Store)
	r := l.Open(t)
	if _, err := repairer.Index(t.Context(), r, repairer.IndexOptions{}); !errors.Is(err, repo.ErrNotLocked) {
		t.Errorf("Index without a lock = %v, want ErrNotLocked", err)
	}
	if _, err := repairer.Packs(t.Context(), r, []crypto.ID{l.Packs["data1"]}, repairer.PackOptions{}); !errors.Is(err, repo.ErrNotLocked) {
		t.Errorf("Packs without a lock = %v, want ErrNotLocked", err)
	}
	l = corrupt.New(t)
	l.Remove(repo.Packs, l.Packs["data2"])
	l.Remove(repo.Index, l.Index["index2"])
	l.IndexFile("index2", l.Entry("trees2"))
	if _, err := repairer.Snapshots(t.Context(), l.Open(t), repairer.SnapshotOptions{Forget: true}); !errors.Is(err, repo.ErrNotLocked) {
		t.Errorf("Snapshots without a lock = %v, want ErrNotLocked", err)
	}
	if after := names(t, r.Backend()); !slices.Equal(before, after) {
		t.Errorf("files before %q and after %q", before, after)
	}
}

// names returns the names of all files but locks.
func names(t *testing.T, b storage.Backend) (names []string) {
	t.Helper()
	for _, dir := range []string{"keys", "snapshots", "index", "data"} {
		for info, err := range b.List(t.Context(), dir) {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, info.Name)
		}
	}
	slices.Sort(names)
	return names
}

func TestADryRunChangesNothing(t *testing.T) {
	l := damaged(t)
	r := l.Open(t)
	before := names(t, l.Store)
	ctx := lock(t, r)
	if _, err := repairer.Index(ctx, r, repairer.IndexOptions{DryRun: true}); err != nil {
		t.Error(err)
	}
	if _, err := repairer.Packs(ctx, r, []crypto.ID{l.Packs["data1"]}, repairer.PackOptions{DryRun: true}); err != nil {
		t.Error(err)
	}
	if _, err := repairer.Snapshots(ctx, r, repairer.SnapshotOptions{DryRun: true}); !errors.Is(err, repairer.ErrIndexFirst) {
		t.Errorf("Snapshots while an index is missing = %v, want ErrIndexFirst", err)
	}
	if after := names(t, l.Store); !slices.Equal(before, after) {
		t.Errorf("files before %q and after %q", before, after)
	}
}

func TestTheIndexIsMendedForWhatItLacks(t *testing.T) {
	l := corrupt.New(t)
	l.Remove(repo.Index, l.Index["index2"])
	l.Remove(repo.Packs, l.Packs["data2"])
	l.IndexFile("gone", l.Entry("data2"))
	garbage := l.PutHashed(repo.Packs, []byte("not a pack at all"))
	r := l.Open(t)
	ctx := lock(t, r)
	got, err := repairer.Index(ctx, r, repairer.IndexOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := repairer.IndexResult{Kept: []crypto.ID{l.Index["index1"]}, Removed: []crypto.ID{l.Index["gone"]}, Saved: 1,
		Added: []crypto.ID{l.Packs["trees2"]}, Dropped: []crypto.ID{l.Packs["data2"]}, Unread: []crypto.ID{garbage}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Index (-want +got):\n%s", diff)
	}
	again, err := repairer.Index(ctx, r, repairer.IndexOptions{})
	if err != nil || again.Saved > 0 || len(again.Removed) > 0 || len(again.Kept) != 2 {
		t.Errorf("Index again = %+v, %v, want nothing to do", again, err)
	}
}

func TestAListOfPacksThatIsShortStopsTheRepair(t *testing.T) {
	l := corrupt.New(t)
	for fault, n := range map[storagetest.Fault]int{storagetest.EmptyList: 2, storagetest.SilentCut: 2, storagetest.CutList: 2} {
		faulty := storagetest.NewFaulty(l.Store, storagetest.Faults{At: []storagetest.At{{N: n, Op: storagetest.List, Fault: fault}}})
		ctx, r, _ := lockUnder(t, l.Store.Clone(), faulty)
		before := names(t, l.Store)
		if got, err := repairer.Index(ctx, r, repairer.IndexOptions{}); err == nil {
			t.Errorf("Index with %s of packs = %+v, want an error", fault, got)
		}
		if after := names(t, l.Store); !slices.Equal(before, after) {
			t.Errorf("Index with %s of packs changed %q to %q", fault, before, after)
		}
	}
}

func TestAStorageWithoutAnyPackIsNotBelieved(t *testing.T) {
	l := corrupt.New(t)
	for _, id := range l.Packs {
		l.Remove(repo.Packs, id)
	}
	r := l.Open(t)
	if got, err := repairer.Index(lock(t, r), r, repairer.IndexOptions{}); err == nil {
		t.Errorf("Index with no pack left = %+v, want an error", got)
	}
}

func TestADamagedPackIsHandedOutBeforeItIsRemoved(t *testing.T) {
	l := damaged(t)
	id := l.Packs["data1"]
	body := l.Get(repo.Packs.Name(id))
	r := l.Open(t)
	ctx := lock(t, r)
	if _, err := repairer.Index(ctx, r, repairer.IndexOptions{}); err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space for it")
	_, err := repairer.Packs(ctx, r, []crypto.ID{id}, repairer.PackOptions{Backup: func(crypto.ID, []byte) error { return full }})
	if !errors.Is(err, full) || !bytes.Equal(l.Get(repo.Packs.Name(id)), body) {
		t.Errorf("Packs = %v, want the error of Backup, and the pack still there", err)
	}
	var kept []byte
	results, err := repairer.Packs(ctx, r, []crypto.ID{id}, repairer.PackOptions{Backup: func(_ crypto.ID, p []byte) error { kept = p; return nil }})
	if err != nil || !bytes.Equal(kept, body) {
		t.Errorf("Packs = %v, handed out %d bytes of %d", err, len(kept), len(body))
	}
	want := []repairer.PackResult{{ID: id, Saved: 3, Lost: []pack.Handle{l.Places["data1"][0].Handle}}}
	if diff := cmp.Diff(want, results); diff != "" {
		t.Errorf("Packs (-want +got):\n%s", diff)
	}
	if _, err := l.Store.Stat(t.Context(), repo.Packs.Name(id)); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("the damaged pack is still there: %v", err)
	}
}

// broken is a backend that can't read one file from some offset on.
type broken struct {
	storage.Backend
	name string
	from int64
}

var errSector = errors.New("input/output error")

func (b broken) Load(ctx context.Context, name string, p []byte, offset int64) error {
	if name == b.name && offset+int64(len(p)) > b.from {
		return errSector
	}
	return b.Backend.Load(ctx, name, p, offset)
}

func TestAPackThatCannotBeReadStays(t *testing.T) {
	l := corrupt.New(t)
	id, last := l.Packs["data1"], l.Places["data1"][3]
	size := int64(len(l.Get(repo.Packs.Name(id))))
	ctx, r, _ := lockUnder(t, l.Store, tail{broken{l.Store, repo.Packs.Name(id), int64(last.Offset)}, size})
	results, err := repairer.Packs(ctx, r, []crypto.ID{id}, repairer.PackOptions{})
	if err != nil || len(results) != 1 || !errors.Is(results[0].Err, errSector) || results[0].Saved != 3 || len(results[0].Lost) != 0 {
		t.Errorf("Packs = %+v, %v, want 3 blobs saved and the pack left as it is", results, err)
	}
	if _, err := l.Store.Stat(t.Context(), repo.Packs.Name(id)); err != nil {
		t.Errorf("the pack: %v", err)
	}
	if !r.Index().HasPack(id) {
		t.Error("no index names the pack any more")
	}
}

// tail is a backend that is broken but for the end of the file.
type tail struct {
	broken
	size int64
}

func (b tail) Load(ctx context.Context, name string, p []byte, offset int64) error {
	if offset+int64(len(p)) == b.size {
		return b.Backend.Load(ctx, name, p, offset)
	}
	return b.broken.Load(ctx, name, p, offset)
}

func TestSnapshotsAreMadeOfWhatIsLeft(t *testing.T) {
	l := corrupt.New(t)
	gone := crypto.Hash([]byte("gone")).String()
	a, b1 := l.Blobs["a"].ID.String(), l.Blobs["b1"].ID.String()
	long := strings.Repeat("x", 255)
	l.TreeJSON("root3", `{"nodes":[`+strings.Join([]string{
		`{"name":"whole","type":"file","size":1400,"content":["` + a + `"]}`,
		`{"name":"part","type":"file","size":9000,"content":["` + a + `","` + gone + `","` + b1 + `"]}`,
		`{"name":"part.damaged","type":"symlink","linktarget":"t"}`,
		`{"name":"lost","type":"file","size":5,"content":["` + gone + `"]}`,
		`{"name":"folder","type":"dir","subtree":"` + gone + `"}`,
		`{"name":"null","type":"file","size":5,"content":null}`,
		`{"name":"empty","type":"file","content":null}`,
		`{"name":"whole","type":"file","content":[]}`,
		`{"name":"../up","type":"file","content":[]}`,
		`{"name":"..","type":"dir"}`,
		`{"name":"a/b","type":"portal"}`,
		`{"name":"portal","type":"portal"}`,
		`{"name":"size","type":"file","size":1,"content":["` + a + `"]}`,
		`{"name":"value","type":"file","size":"1","content":["` + a + `"]}`,
		`{"name":"` + long + `","type":"file","size":5,"content":null}`,
	}, ",")+`]}`)
	l.Pack("trees3", "root3")
	l.IndexFile("index3", l.Entry("trees3"))
	l.Snapshot("third", "root3", 3)
	r := l.Open(t)
	ctx := lock(t, r)
	var changes []string
	results, err := repairer.Snapshots(ctx, r, repairer.SnapshotOptions{Changed: func(c repairer.Change) {
		changes = append(changes, fmt.Sprintf("%s %.10s", c.What, c.Path))
	}})
	if err != nil || len(results) != 1 || results[0].Old != l.Snapshots["third"] {
		t.Fatalf("Snapshots = %v, %v", results, err)
	}
	wantChanges := []string{"shortened part", "sorted part.damag", "dropped lost", "emptied folder", "emptied null", "resized empty", "renamed whole", "renamed .._up",
		"emptied _..", "dropped a_b", "dropped portal", "resized size", "dropped value", "emptied xxxxxxxxxx"}
	slices.Sort(changes)
	slices.Sort(wantChanges)
	if diff := cmp.Diff(wantChanges, changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	var got []string
	for key := range restorable(t, r) {
		if name, ok := strings.CutPrefix(key, l.Snapshots["third"].Short()+"/"); ok {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	want := []string{".._up.damaged", "_...damaged", "empty", "folder.damaged", "null.damaged", "part.damaged", "part.damaged.2", "size",
		"whole", "whole.damaged", long[:247] + ".damaged"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("restorable (-want +got):\n%s", diff)
	}
	s, err := snapshot.Load(t.Context(), r, results[0].New)
	if err != nil || s.Original != l.Snapshots["third"] || !s.HasTag(repairer.Tag) {
		t.Errorf("the new snapshot: %+v, %v", s, err)
	}
	again, err := repairer.Snapshots(ctx, r, repairer.SnapshotOptions{})
	if err != nil || len(again) != 1 || again[0] != results[0] {
		t.Errorf("Snapshots again = %v, %v, want %v and no other snapshot", again, err, results)
	}
	forgotten, err := repairer.Snapshots(ctx, r, repairer.SnapshotOptions{Forget: true})
	if err != nil || len(forgotten) != 1 || forgotten[0] != results[0] {
		t.Errorf("Snapshots with Forget = %v, %v, want %v", forgotten, err, results)
	}
	if _, err := l.Store.Stat(t.Context(), repo.Snapshots.Name(l.Snapshots["third"])); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("the old snapshot is still there: %v", err)
	}
}

func TestResticFindsNothingWrongAfterARepair(t *testing.T) {
	bin := resticbin.Newest(t)
	l := damaged(t)
	r := l.Open(t)
	if err := mend(lock(t, r), r, l.Packs["data1"]); err != nil {
		t.Fatal(err)
	}
	for lock, err := range r.ListLocks(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		l.Remove(repo.Locks, lock.ID)
	}
	out, err := resticbin.Repo{Bin: bin, Dir: l.Folder(t), Password: corrupt.Password}.Run(t.Context(), "check", "--read-data")
	if err != nil {
		t.Errorf("restic check: %v\n%s", err, out)
	}
}
