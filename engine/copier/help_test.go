package copier_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/chunker"
	"github.com/backstay/backstay/engine/copier"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/test/quickrepo"
)

// place is a repository whose backend can be exchanged once it is open.
type place struct {
	storage.Backend
	files *mem.Backend
	repo  *repo.Repo
}

func newPlace(t testing.TB, version uint, opt repo.Options) *place {
	t.Helper()
	return newPlaceOf(t, version, quickrepo.Polynomial, opt)
}

func newPlaceOf(t testing.TB, version uint, pol chunker.Pol, opt repo.Options) *place {
	t.Helper()
	files := mem.New()
	p := &place{Backend: files, files: files}
	opt.PackSize = 4 << 20
	p.repo, _ = quickrepo.Init(t, p, version, pol, opt)
	return p
}

// plug puts another backend below the repository.
func (p *place) plug(b storage.Backend) {
	p.Backend = b
	p.repo.ForgetIndex()
}

// locked calls fn under a shared lock.
func (p *place) locked(ctx context.Context, fn func(ctx context.Context) error) error {
	return quickrepo.Locked(ctx, p.repo, repo.Shared, fn)
}

// backup makes a snapshot of directories with files of one chunk each.
func (p *place) backup(t testing.TB, second int64, dirs ...[]int) *snapshot.Snapshot {
	t.Helper()
	s := &snapshot.Snapshot{Time: time.Unix(second, 0).UTC(), Hostname: "host", Paths: []string{"/"}, Parent: crypto.Hash(nil), Tags: []string{"a tag"}}
	all := make([][][]int, len(dirs))
	for i, dir := range dirs {
		for _, number := range dir {
			all[i] = append(all[i], []int{number})
		}
	}
	err := p.locked(t.Context(), func(ctx context.Context) (err error) {
		if err := p.repo.LoadIndex(ctx); err != nil {
			return err
		}
		w := p.repo.NewWriter()
		defer w.Close()
		save := quickrepo.Save(func(h pack.Handle, plain []byte) error {
			_, err := w.SaveBlob(ctx, h, plain)
			return err
		})
		if s.Tree, _, err = save.Tree(all...); err != nil {
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

// copyTo copies snapshots.
func (p *place) copyTo(ctx context.Context, to *place, opt copier.Options, snapshots ...*snapshot.Snapshot) (result copier.Result, err error) {
	err = to.locked(ctx, func(ctx context.Context) error {
		var err error
		result, err = copier.Copy(ctx, p.repo, to.repo, snapshots, opt)
		return err
	})
	return result, err
}

// mustCopyTo copies snapshots, none of which may fail, and then looks whether all of them can be read.
func (p *place) mustCopyTo(t testing.TB, to *place, snapshots ...*snapshot.Snapshot) copier.Result {
	t.Helper()
	result, err := p.copyTo(t.Context(), to, copier.Options{}, snapshots...)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range result.Outcomes {
		if o.Source != snapshots[i] || o.Err != nil || o.Copy == nil {
			t.Fatalf("snapshot %d: %+v", i, o)
		}
	}
	to.intact(t)
	return result
}

// list returns the snapshots that are there.
func (p *place) list(t testing.TB) (all []*snapshot.Snapshot) {
	t.Helper()
	for s, err := range snapshot.List(t.Context(), p.repo, snapshot.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	slices.SortFunc(all, snapshot.Compare)
	return all
}

// intact reads all that the snapshots hold.
func (p *place) intact(t testing.TB) {
	t.Helper()
	all := p.list(t)
	p.repo.ForgetIndex()
	if err := p.repo.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		for item, err := range tree.Walk(t.Context(), p.repo, s.Tree, nil) {
			if err != nil {
				t.Fatalf("walk snapshot %s: %q: %v", s.ID.Short(), item.Path, err)
			}
			for _, id := range item.Node.Content {
				if _, err := p.repo.LoadBlob(t.Context(), pack.Handle{ID: id, Type: pack.Data}, nil); err != nil {
					t.Fatalf("snapshot %s, %q: %v", s.ID.Short(), item.Path, err)
				}
			}
		}
	}
}

// spoil changes a byte of the only copy of a blob.
func (p *place) spoil(t testing.TB, h pack.Handle) {
	t.Helper()
	if err := p.repo.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, ok := p.repo.Index().First(h)
	if !ok {
		t.Fatalf("%s is not there", h)
	}
	name := repo.Packs.Name(l.Pack)
	content, err := storage.LoadAll(t.Context(), p.files, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.files.Remove(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	content = slices.Clone(content)
	content[l.Offset+20] ^= 1
	if err := p.files.Save(t.Context(), name, storage.Bytes(content)); err != nil {
		t.Fatal(err)
	}
}
