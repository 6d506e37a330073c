package tree_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/tree"
)

// reached is a visitor that enters each tree once.
type reached struct {
	mu     sync.Mutex
	blobs  map[pack.Handle]int // how often each was named
	broken map[crypto.ID]error
	stop   error // what Blob returns
}

func (v *reached) Blob(_ crypto.ID, h pack.Handle) (bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.blobs[h]++
	return v.blobs[h] == 1, v.stop
}

func (v *reached) Broken(id crypto.ID, err error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.broken[id] = err
	return v.stop
}

func newReached() *reached {
	return &reached{blobs: map[pack.Handle]int{}, broken: map[crypto.ID]error{}}
}

func TestReachFindsEachBlobAndEntersATreeOnce(t *testing.T) {
	s := newSite(t)
	want := map[pack.Handle]int{}
	named := func(kind pack.Type, id crypto.ID) crypto.ID {
		want[pack.Handle{ID: id, Type: kind}]++
		return id
	}
	var roots []crypto.ID
	shared := named(pack.Tree, s.save(t, []byte(`{"nodes":[{"name":"f","type":"file","content":["`+named(pack.Data, crypto.Hash([]byte("f"))).String()+`"]}]}`)))
	for i := range 600 { // more than are decoded in one go
		dirs := map[string]crypto.ID{"shared": shared, "own": named(pack.Tree, s.plant(t, []string{fmt.Sprint(i)}, nil))}
		roots = append(roots, named(pack.Tree, s.plant(t, nil, dirs)))
	}
	want[pack.Handle{ID: shared, Type: pack.Tree}] = len(roots)
	s.flush(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	v := newReached()
	if err := tree.Reach(s.ctx, s.repo, roots, v); err != nil {
		t.Fatal(err)
	}
	if len(v.broken) > 0 || len(v.blobs) != len(want) {
		t.Errorf("Reach finds %d blobs and %d broken trees, want %d and none", len(v.blobs), len(v.broken), len(want))
	}
	for h, n := range want {
		if v.blobs[h] != n {
			t.Errorf("Reach finds %s %d times, want %d", h, v.blobs[h], n)
		}
	}
}

func TestReachReportsTreesThatNameMoreThanCanBeRead(t *testing.T) {
	s := newSite(t)
	id := func(text string) crypto.ID { return crypto.Hash([]byte(text)) }
	file := func(name, value string) string {
		return `{"name":"` + name + `","type":"file","content":` + value + `}`
	}
	list := func(text string) string { return `["` + id(text).String() + `"]` }
	malformed := s.save(t, []byte(`{"nodes":[`+file("a", list("in malformed"))))
	badValue := s.save(t, []byte(`{"nodes":[`+file("a", `[1]`)+`,`+file("b", list("after bad value"))+"]}\n"))
	badNames := s.save(t, []byte(`{"nodes":[`+file("../b", list("unsafe"))+`,`+file("z", list("before"))+`,`+file("a", list("unsorted"))+"]}\n"))
	s.flush(t)
	v := newReached()
	if err := tree.Reach(s.ctx, s.repo, []crypto.ID{malformed, badValue, badNames, id("unknown")}, v); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"in malformed", "after bad value", "unsafe", "before", "unsorted"} {
		if v.blobs[pack.Handle{ID: id(text), Type: pack.Data}] != 1 {
			t.Errorf("Reach doesn't find the chunk %q", text)
		}
	}
	var problem *tree.ProblemError
	if len(v.broken) != 3 || !errors.As(v.broken[malformed], &problem) || !errors.As(v.broken[badValue], &problem) || !errors.Is(v.broken[id("unknown")], repo.ErrUnknownBlob) {
		t.Errorf("broken trees: %v", v.broken)
	}
}

func TestReachEndsWithTheErrorOfTheVisitor(t *testing.T) {
	s := newSite(t)
	root := s.plant(t, []string{"a"}, nil)
	s.flush(t)
	stop := errors.New("stop")
	for _, id := range []crypto.ID{root, crypto.Hash(nil)} {
		v := newReached()
		v.stop = stop
		if err := tree.Reach(s.ctx, s.repo, []crypto.ID{id}, v); !errors.Is(err, stop) {
			t.Errorf("Reach = %v, want the visitor's error", err)
		}
	}
	if err := tree.Reach(s.ctx, s.repo, slices.Repeat([]crypto.ID{root}, 3), newReached()); err != nil {
		t.Errorf("Reach of one root three times = %v", err)
	}
}
