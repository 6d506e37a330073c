package restorer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/restorer"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage"
)

func TestEntriesComeInTreeOrder(t *testing.T) {
	s := newSite(t)
	root := s.save(folder{"b": lines("1"), "a": folder{"z": "b", "a": folder{"x": lines()}, "a.b": lines("2")}, "a-": folder{}, "c\xff": lines("3")})
	want := []string{"a/", "a/a/", "a/a/x", "a/a.b", "a/z", "a-/", "b", "c\xff"}
	if diff := cmp.Diff(want, s.list(root, restorer.Options{})); diff != "" {
		t.Errorf("entries (-want +got)\n%s", diff)
	}
}

func TestASubfolderIsYieldedWithPathsThatBeginThere(t *testing.T) {
	s := newSite(t)
	root := s.save(folder{"a": folder{"b": folder{"c": lines("1")}, "f": lines("2")}})
	for sub, want := range map[string][]string{
		"":         {"a/", "a/b/", "a/b/c", "a/f"},
		"a":        {"b/", "b/c", "f"},
		"/a/b/":    {"c"},
		"a/f":      {"f"},
		"a/b/c":    {"c"},
		"a/none":   {"error"},
		"a/f/more": {"error"},
	} {
		if diff := cmp.Diff(want, s.list(root, restorer.Options{Sub: sub})); diff != "" {
			t.Errorf("sub %q (-want +got)\n%s", sub, diff)
		}
	}
	for _, err := range restorer.Entries(s.ctx, s.repo, root, restorer.Options{Sub: "a/none"}) {
		if !errors.Is(err, storage.ErrNotFound) || !strings.Contains(err.Error(), `"a/none"`) {
			t.Errorf("a sub that is not there: %v", err)
		}
	}
}

func TestWhatIsSelectedComesWithTheDirectoriesAbove(t *testing.T) {
	s := newSite(t)
	root := s.save(folder{"a": folder{"b": folder{"c.txt": lines("1"), "d": lines("2")}, "e": folder{"f": lines("3")}}, "g": folder{"h.txt": lines("4")}, "i.txt": lines("5")})
	text := func(path string, dir bool) (take, descend bool) {
		return strings.HasSuffix(path, ".txt"), dir && path != "g"
	}
	want := []string{"a/", "a/b/", "a/b/c.txt", "i.txt"}
	if diff := cmp.Diff(want, s.list(root, restorer.Options{Select: text})); diff != "" {
		t.Errorf("entries (-want +got)\n%s", diff)
	}
	without := func(path string, dir bool) (take, descend bool) { return path != "g/h.txt", path != "a" }
	if diff := cmp.Diff([]string{"a/", "g/", "i.txt"}, s.list(root, restorer.Options{Select: without})); diff != "" {
		t.Errorf("directories that are not looked into (-want +got)\n%s", diff)
	}
}

func TestALostDirectoryIsToldRightAfterItsEntry(t *testing.T) {
	s := newSite(t)
	gone := crypto.Hash([]byte("gone"))
	root := s.save(folder{"a": gone, "b": folder{"c": gone, "d": lines("1")}, "e": lines("2")})
	want := []string{"a/", "!a", "b/", "b/c/", "!b/c", "b/d", "e"}
	if diff := cmp.Diff(want, s.list(root, restorer.Options{})); diff != "" {
		t.Errorf("entries (-want +got)\n%s", diff)
	}
}

func TestALostRootEndsTheWhole(t *testing.T) {
	s := newSite(t)
	if got := s.list(crypto.Hash([]byte("gone")), restorer.Options{}); !cmp.Equal(got, []string{"error"}) {
		t.Errorf("entries %q", got)
	}
}

// spoiled returns a tree with a directory "d" of nodes named "a", "b" and "c", of which the last two are directories,
// after names were exchanged in its JSON.
func (s *site) spoiled(exchange ...string) crypto.ID {
	s.t.Helper()
	plain := s.encode(folder{"a": lines("1"), "b": folder{"x": lines("2")}, "c": folder{"y": lines("3")}})
	for i := 0; i < len(exchange); i += 2 {
		if !bytes.Contains(plain, []byte(exchange[i])) {
			s.t.Fatalf("%s is not in %s", exchange[i], plain)
		}
		plain = bytes.Replace(plain, []byte(exchange[i]), []byte(exchange[i+1]), 1)
	}
	return s.save(folder{"d": s.blobs(pack.Tree, plain)[0], "e": lines("4")})
}

func TestDamagedNodesAreLostAndTheRestIsYielded(t *testing.T) {
	for name, c := range map[string]struct{ exchange, want []string }{
		"nothing":         {nil, []string{"d/", "d/a", "d/b/", "d/b/x", "d/c/", "d/c/y", "e"}},
		"an unsafe name":  {[]string{`"name":"b"`, `"name":".."`}, []string{"d/", "!d/..", "d/a", "d/c/", "d/c/y", "e"}},
		"a slash":         {[]string{`"name":"a"`, `"name":"../../evil"`}, []string{"d/", "!d/../../evil", "d/b/", "d/b/x", "d/c/", "d/c/y", "e"}},
		"a name twice":    {[]string{`"name":"c"`, `"name":"b"`}, []string{"d/", "d/a", "d/b/", "d/b/x", "!d/b", "e"}},
		"names unsorted":  {[]string{`"name":"b"`, `"name":"A"`}, []string{"d/", "d/A/", "d/A/x", "d/a", "d/c/", "d/c/y", "e"}},
		"unsorted, twice": {[]string{`"name":"b"`, `"name":"A"`, `"name":"c"`, `"name":"a"`}, []string{"d/", "d/A/", "d/A/x", "d/a", "!d/a", "e"}},
		"an unknown type": {[]string{`"type":"file"`, `"type":"door"`}, []string{"d/", "!d/a", "d/b/", "d/b/x", "d/c/", "d/c/y", "e"}},
		"no content":      {[]string{`"content":["`, `"content":null,"x":["`}, []string{"d/", "!d/a", "d/b/", "d/b/x", "d/c/", "d/c/y", "e"}},
		"no subtree":      {[]string{`"subtree":`, `"x":`}, []string{"d/", "d/a", "!d/b", "d/c/", "d/c/y", "e"}},
		"a cut tree":      {[]string{"]}\n", ""}, []string{"d/", "d/a", "d/b/", "d/b/x", "d/c/", "d/c/y", "!d", "e"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			if diff := cmp.Diff(c.want, s.list(s.spoiled(c.exchange...), restorer.Options{})); diff != "" {
				t.Errorf("entries (-want +got)\n%s", diff)
			}
		})
	}
}

func TestDamageThatWasNotSelectedIsNotTold(t *testing.T) {
	s := newSite(t)
	root := s.spoiled(`"name":"c"`, `"name":"b"`)
	only := func(path string, dir bool) (take, descend bool) { return path == "d/a", dir && path == "d" }
	if got := s.list(root, restorer.Options{Select: only}); !cmp.Equal(got, []string{"d/", "d/a"}) {
		t.Errorf("entries %q", got)
	}
}

func TestEntriesEndWithTheContext(t *testing.T) {
	s := newSite(t)
	root := s.save(folder{"a": folder{"b": lines("1")}, "c": folder{"d": lines("2")}})
	why := errors.New("the plug was pulled")
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	n, last := 0, error(nil)
	for _, err := range restorer.Entries(ctx, s.repo, root, restorer.Options{}) {
		cancel(why)
		n, last = n+1, err
	}
	if n != 2 || !errors.Is(last, why) {
		t.Errorf("after the cancel Entries yields %d more, at last %v", n-1, last)
	}
}

func TestTheReaderMayLeaveEarly(t *testing.T) {
	s := newSite(t)
	root := s.save(folder{"a": folder{"b": lines("1")}, "c": folder{"d": lines("2")}})
	for range restorer.Entries(s.ctx, s.repo, root, restorer.Options{}) {
		break
	}
}

func TestAnEntryAnswersForItself(t *testing.T) {
	s := newSite(t)
	root := s.save(folder{"f": lines("one ", "two"), "l": "target"})
	for e, err := range restorer.Entries(s.ctx, s.repo, root, restorer.Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := e.Content.Open(s.ctx)
		if e.Type == entry.Symlink {
			if target, linkErr := e.Content.LinkTarget(); target != "target" || linkErr != nil || err == nil {
				t.Errorf("LinkTarget = %q, %v; Open = %v", target, linkErr, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if p, err := io.ReadAll(r); string(p) != "one two" || err != nil {
			t.Errorf("content %q, %v", p, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
