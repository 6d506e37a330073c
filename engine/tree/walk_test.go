package tree_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage/mem"
)

// site is a repository that trees are put into.
type site struct {
	ctx    context.Context
	repo   *repo.Repo
	writer *repo.Writer
}

func newSite(t *testing.T) *site {
	t.Helper()
	init := repo.InitOptions{KDF: crypto.KDF{N: 1 << 15, R: 8, P: 1}}
	r, err := repo.Init(t.Context(), mem.New(), "password", repo.Options{}, init)
	if err != nil {
		t.Fatal(err)
	}
	ctx, unlock, err := r.Lock(t.Context(), repo.Shared, repo.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unlock(); err != nil {
			t.Error(err)
		}
	})
	w := r.NewWriter()
	t.Cleanup(w.Close)
	return &site{ctx, r, w}
}

func (s *site) save(t *testing.T, p []byte) crypto.ID {
	t.Helper()
	id := crypto.Hash(p)
	if _, err := s.writer.SaveBlob(s.ctx, pack.Handle{ID: id, Type: pack.Tree}, p); err != nil {
		t.Fatal(err)
	}
	return id
}

// plant saves a directory of the given files and subdirectories.
func (s *site) plant(t *testing.T, files []string, dirs map[string]crypto.ID) crypto.ID {
	t.Helper()
	var nodes []tree.Node
	for _, name := range files {
		nodes = append(nodes, tree.Node{Meta: entry.Meta{Name: name, Type: entry.File}})
	}
	for name, id := range dirs {
		nodes = append(nodes, tree.Node{Meta: entry.Meta{Name: name, Type: entry.Dir}, Subtree: id})
	}
	slices.SortFunc(nodes, func(a, b tree.Node) int { return strings.Compare(a.Name, b.Name) })
	var b tree.Builder
	for i := range nodes {
		if err := b.Append(&nodes[i]); err != nil {
			t.Fatal(err)
		}
	}
	return s.save(t, b.Finish())
}

func (s *site) flush(t *testing.T) {
	t.Helper()
	if err := s.writer.Flush(s.ctx); err != nil {
		t.Fatal(err)
	}
}

// steps writes a walk down: paths, with an exclamation mark after those that came with an error.
func steps(ctx context.Context, r *repo.Repo, root crypto.ID, skip func(string, *tree.Node) bool) (paths []string, errs []error) {
	for item, err := range tree.Walk(ctx, r, root, skip) {
		path := item.Path
		if err != nil {
			path += "!"
			errs = append(errs, err)
		}
		paths = append(paths, path)
	}
	return paths, errs
}

func TestAWalkGoesDepthFirstInTheOrderOfTheTrees(t *testing.T) {
	s := newSite(t)
	var want []string
	dirs := map[string]crypto.ID{}
	for i := range 30 { // more than are loaded ahead
		name := fmt.Sprintf("dir%02d", i)
		inner := s.plant(t, []string{fmt.Sprint("f", i)}, nil)
		dirs[name] = s.plant(t, []string{"a", "z"}, map[string]crypto.ID{"m": inner})
		want = append(want, name, name+"/a", name+"/m", fmt.Sprint(name, "/m/f", i), name+"/z")
	}
	root := s.plant(t, []string{"after"}, dirs)
	s.flush(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	if got, errs := steps(s.ctx, s.repo, root, nil); !slices.Equal(got, append([]string{"after"}, want...)) || errs != nil {
		t.Errorf("walk = %q, %v, want %q", got, errs, want)
	}
	skip := func(path string, _ *tree.Node) bool { return path != "dir07" }
	got, errs := steps(s.ctx, s.repo, root, skip)
	if below := slices.DeleteFunc(got, func(p string) bool { return !strings.Contains(p, "/") }); !slices.Equal(below, []string{"dir07/a", "dir07/m", "dir07/z"}) || errs != nil {
		t.Errorf("walk with all but one directory skipped enters %q, %v", below, errs)
	}
	for item := range tree.Walk(s.ctx, s.repo, root, nil) { // stopping early leaves no goroutine
		if item.Path == "dir03/m" {
			break
		}
	}
}

func TestAWalkReportsWhatIsBrokenAndGoesOn(t *testing.T) {
	s := newSite(t)
	leaf := s.plant(t, []string{"x"}, nil)
	cut := s.save(t, []byte(`{"nodes":[{"name":"ok","type":"fifo"},{"name":"cut"`))
	node := func(name string, id crypto.ID) string {
		return `{"name":"` + name + `","type":"dir","subtree":"` + id.String() + `"}`
	}
	root := s.save(t, []byte(`{"nodes":[`+strings.Join([]string{
		node("../evil", leaf), node("b", leaf), node("a", leaf), node("b", leaf), node("cut", cut), node("lost", crypto.Hash(nil)), node("z", leaf),
	}, ",")+`]}`))
	s.flush(t)
	want := []string{"../evil!", "a", "a/x", "b", "b/x", "b!", "cut", "cut/ok", "cut!", "lost", "lost!", "z", "z/x"}
	got, errs := steps(s.ctx, s.repo, root, nil)
	if !slices.Equal(got, want) {
		t.Fatalf("walk = %q, want %q (errors %v)", got, want, errs)
	}
	kinds := []tree.Kind{tree.UnsafeName, tree.Duplicate, tree.Malformed}
	for i, kind := range kinds {
		var problem *tree.ProblemError
		if !errors.As(errs[i], &problem) || problem.Kind != kind {
			t.Errorf("error %d = %v, want %s", i, errs[i], kind)
		}
	}
	if !errors.Is(errs[3], repo.ErrUnknownBlob) {
		t.Errorf("error about a lost tree = %v, want %v", errs[3], repo.ErrUnknownBlob)
	}
}

func TestAWalkEndsWithTheContext(t *testing.T) {
	s := newSite(t)
	leaf := s.plant(t, []string{"x"}, nil)
	root := s.plant(t, nil, map[string]crypto.ID{"a": leaf, "b": leaf})
	s.flush(t)
	cause := errors.New("stop")
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	var last error
	count := 0
	for _, err := range tree.Walk(ctx, s.repo, root, nil) {
		cancel(cause)
		count, last = count+1, err
	}
	if count != 2 || !errors.Is(last, cause) {
		t.Errorf("after cancel the walk went on for %d steps, the last with %v", count, last)
	}
}

func TestLoadReturnsTheNodesWithoutAProblem(t *testing.T) {
	s := newSite(t)
	id := s.save(t, []byte(`{"nodes":[{"name":"a","type":"fifo"},{"name":"b","type":"odd"},{"name":"c","type":"fifo"}]}`))
	empty := s.plant(t, nil, nil)
	shuffled := s.save(t, []byte(`{"nodes":[{"name":"b","type":"fifo"},{"name":"c","type":"fifo"},{"name":"a","type":"fifo"}]}`))
	s.flush(t)
	nodes, err := tree.Load(s.ctx, s.repo, id)
	var problem *tree.ProblemError
	if len(nodes) != 2 || nodes[1].Name != "c" || !errors.As(err, &problem) || problem.Kind != tree.UnknownType {
		t.Errorf("Load = %v, %v", nodes, err)
	}
	if nodes, err := tree.Load(s.ctx, s.repo, shuffled); err != nil || len(nodes) != 3 || nodes[0].Name != "a" || nodes[1].Name != "b" || nodes[2].Name != "c" {
		t.Errorf("Load of a tree out of order = %v, %v", nodes, err)
	}
	if nodes, err := tree.Load(s.ctx, s.repo, empty); len(nodes) != 0 || err != nil {
		t.Errorf("Load of the empty tree = %v, %v", nodes, err)
	}
	if _, err := tree.Load(s.ctx, s.repo, crypto.Hash(nil)); !errors.Is(err, repo.ErrUnknownBlob) {
		t.Errorf("Load of an unknown tree = %v", err)
	}
}
