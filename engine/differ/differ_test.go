package differ_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/differ"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestChangesComeInTreeOrderWithWhatTheyAre(t *testing.T) {
	s := newSite(t)
	before := s.plant(t, folder{
		"a":       file{content: "1\n"},
		"a.txt":   file{content: "same\n"},
		"changed": folder{"deep": folder{"x": file{content: "1\n"}}, "z": file{content: "same\n"}},
		"gone":    folder{"f": file{}, "g": folder{"h": file{}}},
		"link":    link("there"),
		"mode":    file{mode: 0o644},
		"swapped": folder{"in": file{content: "1\n"}},
		"to-dir":  file{},
		"équal":   folder{"f": file{content: "2\n"}},
	})
	after := s.plant(t, folder{
		"a":       file{content: "2\n"},
		"a.txt":   file{content: "same\n"},
		"changed": folder{"deep": folder{"x": file{content: "1\n"}, "y": file{}}, "z": file{content: "same\n"}},
		"link":    link("elsewhere"),
		"mode":    file{mode: 0o600},
		"new":     folder{"f": file{}},
		"swapped": file{},
		"to-dir":  folder{"f": file{}},
		"équal":   folder{"f": file{content: "2\n"}},
	})
	s.flush(t)
	got, _ := s.diff(before, after, differ.Options{})
	want := []string{
		"modified a", "added changed/deep/y", "removed gone", "removed gone/f", "removed gone/g", "removed gone/g/h",
		"modified link", "metadata mode", "added new", "added new/f", "retyped swapped", "removed swapped/in",
		"retyped to-dir", "added to-dir/f",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Diff (-want +got):\n%s", d)
	}
}

func TestNothingDiffersFromItselfAndEverythingFromNothing(t *testing.T) {
	s := newSite(t)
	id := s.plant(t, folder{"d": folder{"f": file{content: "1\n2\n"}}})
	s.flush(t)
	for _, c := range []struct {
		name string
		a, b crypto.ID
		want []string
	}{
		{"itself", id, id, nil},
		{"nothing before", crypto.ID{}, id, []string{"added d", "added d/f"}},
		{"nothing after", id, crypto.ID{}, []string{"removed d", "removed d/f"}},
		{"nothing at all", crypto.ID{}, crypto.ID{}, nil},
	} {
		var stats differ.Stats
		if got, _ := s.diff(c.a, c.b, differ.Options{Stats: &stats}); !slices.Equal(got, c.want) {
			t.Errorf("%s: Diff = %q, want %q", c.name, got, c.want)
		}
		if changed := c.want != nil; changed == (stats == differ.Stats{}) {
			t.Errorf("%s: Stats = %+v", c.name, stats)
		}
	}
}

// A directory with the same ID on both sides need not even be readable.
func TestEqualDirectoriesAreNotLoaded(t *testing.T) {
	s := newSite(t)
	shared := folder{"f": file{content: "of a lost tree\n"}}
	s.lose(t, shared)
	before := s.plant(t, folder{"shared": shared})
	after := s.plant(t, folder{"shared": shared, "x": file{}})
	s.flush(t)
	got, errs := s.diff(before, after, differ.Options{})
	if !slices.Equal(got, []string{"added x"}) {
		t.Errorf("Diff = %q, %v, want only x", got, errs)
	}
	var stats differ.Stats
	if got, _ = s.diff(before, after, differ.Options{Stats: &stats}); !slices.Equal(got, []string{"added x", "lost shared"}) {
		t.Errorf("Diff with Stats = %q, want x and the loss of what had to be counted", got)
	}
}

func TestDamageLosesAPathAndTheRestGoesOn(t *testing.T) {
	s := newSite(t)
	broken := folder{"old": file{content: "1\n"}, "sub": folder{"f": file{}}}
	s.lose(t, broken)
	before := s.plant(t, folder{"broken": broken, "z": file{content: "1\n"}})
	after := s.plant(t, folder{"broken": folder{"new": file{}}, "z": file{content: "2\n"}})
	s.flush(t)
	for _, c := range []struct{ a, b crypto.ID }{{before, after}, {after, before}} {
		got, errs := s.diff(c.a, c.b, differ.Options{})
		if want := []string{"lost broken", "modified z"}; !slices.Equal(got, want) {
			t.Fatalf("Diff = %q, want %q: what can't be compared is neither added nor removed", got, want)
		}
		if !errors.Is(errs[0], repo.ErrUnknownBlob) {
			t.Errorf("the loss is %v, want one that wraps ErrUnknownBlob", errs[0])
		}
	}
}

func TestANodeThatIsBrokenOnOneSideIsLostAndNotAdded(t *testing.T) {
	s := newSite(t)
	good := s.plant(t, folder{"a": file{}, "b": file{}, "c": file{}})
	bad := s.save(t, pack.Tree, []byte(`{"nodes":[{"name":"a","type":"file","content":[]},{"name":"b","type":"nonsense"},`+
		`{"name":"d","type":"file","content":[]},{"name":"c","type":"file","content":[]},{"name":"d","type":"file","content":[]},`+
		`{"name":"..","type":"file","content":[]}]}`))
	s.flush(t)
	want := []string{"lost ..", "lost b", "lost d"} // c is out of order, but whole
	for _, c := range []struct{ a, b crypto.ID }{{good, bad}, {bad, good}} {
		if got, _ := s.diff(c.a, c.b, differ.Options{}); !slices.Equal(got, want) {
			t.Errorf("Diff = %q, want %q", got, want)
		}
	}
}

func TestARootThatCannotBeReadEndsTheComparison(t *testing.T) {
	s := newSite(t)
	id := s.plant(t, folder{"a": file{}})
	s.flush(t)
	got, errs := s.diff(id, crypto.Hash([]byte("unknown")), differ.Options{})
	if len(got) != 1 || !errors.Is(errs[0], repo.ErrUnknownBlob) {
		t.Errorf("Diff = %q, %v, want one error that wraps ErrUnknownBlob", got, errs)
	}
	if _, ok := errs[0].(*entry.Error); ok {
		t.Error("the error is one of a path, want one that ends the whole")
	}
}

func TestACancelledComparisonEndsWithTheCause(t *testing.T) {
	s := newSite(t)
	a, b := s.plant(t, folder{"d": folder{"a": file{}}}), s.plant(t, folder{"d": folder{"b": file{}}})
	s.flush(t)
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(s.ctx)
	cancel(stop)
	var last error
	for _, last = range differ.Diff(ctx, s.repo, a, b, differ.Options{}) {
	}
	if !errors.Is(last, stop) {
		t.Errorf("the last error is %v, want the cause", last)
	}
}

func TestWhoBreaksOffLeavesNothingBehind(t *testing.T) { // TestMain looks for goroutines
	s := newSite(t)
	wide := folder{}
	for c := 'a'; c < 'z'; c++ {
		wide[string(c)] = folder{"f": file{content: string(c)}}
	}
	id := s.plant(t, wide)
	s.flush(t)
	n := 0
	for range differ.Diff(s.ctx, s.repo, crypto.ID{}, id, differ.Options{Stats: new(differ.Stats)}) {
		if n++; n == 3 {
			break
		}
	}
}

func TestCompareLooksAtWhatARestoreBringsBack(t *testing.T) {
	moment := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	whole := func(change func(n *tree.Node)) *tree.Node {
		n := &tree.Node{Meta: entry.Meta{Name: "f", Type: entry.File, Mode: 0o644, ModTime: moment, User: "u", Group: "g",
			Attributes: []entry.Attribute{{Name: "user.a", Value: []byte("1")}}}, Content: []crypto.ID{{1}}}
		change(n)
		return n
	}
	for name, c := range map[string]struct {
		change func(n *tree.Node)
		want   differ.Kind
	}{
		"nothing":           {func(n *tree.Node) {}, ""},
		"zone":              {func(n *tree.Node) { n.ModTime = moment.In(time.FixedZone("x", 3600)) }, ""},
		"access time":       {func(n *tree.Node) { n.AccessTime = moment }, ""},
		"change time":       {func(n *tree.Node) { n.ChangeTime = moment }, ""},
		"inode":             {func(n *tree.Node) { n.Inode, n.DeviceID, n.Links = 1, 2, 3 }, ""},
		"modification time": {func(n *tree.Node) { n.ModTime = moment.Add(1) }, differ.Metadata},
		"mode":              {func(n *tree.Node) { n.Mode = 0o600 }, differ.Metadata},
		"owner":             {func(n *tree.Node) { n.UID = 1 }, differ.Metadata},
		"group name":        {func(n *tree.Node) { n.Group = "x" }, differ.Metadata},
		"attribute":         {func(n *tree.Node) { n.Attributes[0].Value = []byte("2") }, differ.Metadata},
		"content":           {func(n *tree.Node) { n.Content[0][0] = 2 }, differ.Modified},
		"device":            {func(n *tree.Node) { n.Device = 7 }, differ.Modified},
		"type":              {func(n *tree.Node) { n.Type = entry.Fifo }, differ.Retyped},
	} {
		if got := differ.Compare(whole(func(*tree.Node) {}), whole(c.change)); got != c.want {
			t.Errorf("%s: Compare = %q, want %q", name, got, c.want)
		}
	}
}

func TestContentThatChangedByItselfIsSilent(t *testing.T) {
	node := func(content, at byte) *tree.Node {
		return &tree.Node{Meta: entry.Meta{Type: entry.File, Size: 9, ChangeTime: time.Unix(int64(at), 0)}, Content: []crypto.ID{{content}}}
	}
	if c := (differ.Change{Kind: differ.Modified, Old: node(1, 1), New: node(2, 1)}); !c.Silent() {
		t.Error("other content at the same change time: Silent = false")
	}
	if c := (differ.Change{Kind: differ.Modified, Old: node(1, 1), New: node(2, 2)}); c.Silent() {
		t.Error("other content at another change time: Silent = true")
	}
}
