package snapshot_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
)

// open returns an empty repository in memory and a context that holds its exclusive lock.
func open(t *testing.T) (context.Context, *repo.Repo) {
	t.Helper()
	r, err := repo.Init(t.Context(), mem.New(), "password", repo.Options{}, repo.InitOptions{KDF: crypto.KDF{N: 1 << 15, R: 8, P: 1}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, unlock, err := r.Lock(t.Context(), repo.Exclusive, repo.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unlock(); err != nil {
			t.Error(err)
		}
	})
	return ctx, r
}

// save makes a snapshot at the given second.
func save(ctx context.Context, t *testing.T, r *repo.Repo, second int64, host string) *snapshot.Snapshot {
	t.Helper()
	s := &snapshot.Snapshot{Time: time.Unix(second, 0).UTC(), Tree: crypto.Hash([]byte(host)), Hostname: host}
	if err := snapshot.Save(ctx, r, s); err != nil {
		t.Fatal(err)
	}
	return s
}

func list(ctx context.Context, r *repo.Repo, f snapshot.Filter) (ids []crypto.ID, errs []error) {
	for s, err := range snapshot.List(ctx, r, f) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		ids = append(ids, s.ID)
	}
	return ids, errs
}

// spoil puts a file among the snapshots that is damaged.
func spoil(ctx context.Context, t *testing.T, r *repo.Repo) crypto.ID {
	t.Helper()
	id := crypto.Hash([]byte("not this"))
	if err := r.Backend().Save(ctx, repo.Snapshots.Name(id), storage.Bytes([]byte("garbage"))); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestListYieldsEverySnapshotThatIsSelected(t *testing.T) {
	ctx, r := open(t)
	var all, ofA []crypto.ID
	for i := range 150 {
		s := save(ctx, t, r, int64(i+1), []string{"a", "b"}[i%2])
		all = append(all, s.ID)
		if s.Hostname == "a" {
			ofA = append(ofA, s.ID)
		}
	}
	for _, test := range []struct {
		filter snapshot.Filter
		want   []crypto.ID
	}{{snapshot.Filter{}, all}, {snapshot.Filter{Hosts: []string{"a"}}, ofA}} {
		slices.SortFunc(test.want, func(a, b crypto.ID) int { return slices.Compare(a[:], b[:]) })
		if got, errs := list(ctx, r, test.filter); !slices.Equal(got, test.want) || errs != nil {
			t.Errorf("List with %+v gives %d snapshots, %v; want %d", test.filter, len(got), errs, len(test.want))
		}
	}
	for s := range snapshot.List(ctx, r, snapshot.Filter{}) { // stopping early is no error
		if s.ID != all[0] {
			t.Errorf("first of the list is %s, want %s", s.ID, all[0])
		}
		break
	}
}

func TestABadFileIsReportedAndTheListGoesOn(t *testing.T) {
	ctx, r := open(t)
	good := save(ctx, t, r, 5, "h")
	damaged := spoil(ctx, t, r)
	foreign, err := r.SaveFile(ctx, repo.Snapshots, []byte(`{"packs":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	ids, errs := list(ctx, r, snapshot.Filter{Hosts: []string{"h"}})
	if !slices.Equal(ids, []crypto.ID{good.ID}) || len(errs) != 2 {
		t.Fatalf("List = %v, %v, want the one good snapshot and two errors", ids, errs)
	}
	for _, err := range errs {
		var file *snapshot.FileError
		switch {
		case !errors.As(err, &file):
			t.Errorf("error %v is no FileError", err)
		case errors.Is(err, snapshot.ErrWrongKind) != (file.ID == foreign):
			t.Errorf("error %v about %s; wrong kind is %s", err, file.ID, foreign)
		case errors.Is(err, repo.ErrDamaged) != (file.ID == damaged):
			t.Errorf("error %v about %s; damaged is %s", err, file.ID, damaged)
		}
	}
}

func TestAListEndsWithTheContext(t *testing.T) {
	ctx, r := open(t)
	for i := range 3 {
		save(ctx, t, r, int64(i+1), "h")
	}
	cause := errors.New("stop")
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	count := 0
	var last error
	for _, err := range snapshot.List(ctx, r, snapshot.Filter{}) {
		count, last = count+1, err
		cancel(cause)
	}
	if count != 2 || !errors.Is(last, cause) {
		t.Errorf("after cancel the list went on for %d elements, the last with %v", count, last)
	}
}

func TestFindTakesIDsPrefixesAndLatest(t *testing.T) {
	ctx, r := open(t)
	if s, err := snapshot.Find(ctx, r, snapshot.Latest, snapshot.Filter{}); !errors.Is(err, storage.ErrNotFound) || s != nil {
		t.Errorf("Find of the latest in an empty repository = %v, %v", s, err)
	}
	newest, other := save(ctx, t, r, 9, "a"), save(ctx, t, r, 3, "b")
	ofB := snapshot.Filter{Hosts: []string{"b"}}
	tests := []struct {
		name   string
		filter snapshot.Filter
		want   *snapshot.Snapshot
		err    error
	}{
		{snapshot.Latest, snapshot.Filter{}, newest, nil},
		{snapshot.Latest, ofB, other, nil},
		{snapshot.Latest, snapshot.Filter{Hosts: []string{"c"}}, nil, storage.ErrNotFound},
		{newest.ID.String(), ofB, newest, nil},
		{newest.ID.Short(), ofB, newest, nil},
		{"zz", snapshot.Filter{}, nil, storage.ErrNotFound},
	}
	for _, test := range tests {
		s, err := snapshot.Find(ctx, r, test.name, test.filter)
		if !errors.Is(err, test.err) || (s == nil) != (test.want == nil) || s != nil && s.ID != test.want.ID {
			t.Errorf("Find %q with %+v = %v, %v, want %v, %v", test.name, test.filter, s, err, test.want, test.err)
		}
	}
	if s, err := snapshot.Find(ctx, r, "", snapshot.Filter{}); err == nil {
		t.Errorf(`Find "" = %v`, s)
	}
}

func TestTheLatestIsUncertainWhileAFileCannotBeRead(t *testing.T) {
	ctx, r := open(t)
	newest := save(ctx, t, r, 9, "a")
	if _, err := r.SaveFile(ctx, repo.Snapshots, []byte(`{"packs":[]}`)); err != nil {
		t.Fatal(err)
	}
	if s, err := snapshot.Find(ctx, r, snapshot.Latest, snapshot.Filter{}); err != nil || s.ID != newest.ID {
		t.Errorf("Find beside a file of a wrong kind = %v, %v", s, err)
	}
	damaged := spoil(ctx, t, r)
	s, err := snapshot.Find(ctx, r, snapshot.Latest, snapshot.Filter{})
	var file *snapshot.FileError
	if s == nil || s.ID != newest.ID || !errors.As(err, &file) || file.ID != damaged {
		t.Errorf("Find beside a damaged file = %v, %v, want %s and the damage of %s", s, err, newest.ID, damaged)
	}
}

func TestReplaceKeepsTheFirstIDAndRemovesTheOldFile(t *testing.T) {
	ctx, r := open(t)
	s := save(ctx, t, r, 9, "a")
	first := s.ID
	for _, tag := range []string{"x", "y"} {
		before := s.ID
		s.Tags = append(s.Tags, tag)
		if err := snapshot.Replace(ctx, r, s); err != nil {
			t.Fatal(err)
		}
		if s.ID == before || s.Original != first || s.Identity() != first {
			t.Errorf("after Replace: id %s (before %s), original %s, want %s", s.ID, before, s.Original, first)
		}
	}
	if ids, errs := list(ctx, r, snapshot.Filter{Tags: [][]string{{"x", "y"}}}); !slices.Equal(ids, []crypto.ID{s.ID}) || errs != nil {
		t.Errorf("List = %v, %v, want %s only", ids, errs, s.ID)
	}
	if err := snapshot.Replace(ctx, r, &snapshot.Snapshot{Time: s.Time, Tree: s.Tree}); err == nil {
		t.Error("Replace of a snapshot that was never saved = nil error")
	}
}

func TestNothingIsSavedWithoutALock(t *testing.T) {
	ctx, r := open(t)
	s := save(ctx, t, r, 9, "a")
	id := s.ID
	if err := snapshot.Replace(t.Context(), r, s); !errors.Is(err, repo.ErrNotLocked) || s.ID != id || !s.Original.IsNull() {
		t.Errorf("Replace without a lock = %v, id %s, original %s", err, s.ID, s.Original)
	}
	if ids, errs := list(ctx, r, snapshot.Filter{}); !slices.Equal(ids, []crypto.ID{id}) || errs != nil {
		t.Errorf("List = %v, %v, want %s only", ids, errs, id)
	}
}
