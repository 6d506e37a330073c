package pruner_test

import (
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/storagetest"
)

// scenario returns a repository in which a prune has everything to do.
func scenario(t *testing.T) *world {
	t.Helper()
	w, ctx := newWorld(t), t.Context()
	ids := w.rounds(t, ctx, 3)
	w.backup(t, ctx, true, [][]int{{10, 11, 30}}, [][]int{{27}})
	w.garbage(t, 2)
	w.forget(t, ctx, ids[1])
	return w
}

// garbage leaves packs that no index names, as a killed run does.
func (w *world) garbage(t fatal, n int) {
	t.Helper()
	for range n {
		body := storage.Bytes([]byte(rand.Text()))
		if err := w.files.Save(context.Background(), repo.Packs.Name(body.SHA256), body); err != nil {
			t.Fatal(err)
		}
	}
}

// recover removes the locks that a killed run left, and prunes again.
func (w *world) recover(t *testing.T) {
	t.Helper()
	w.plug(w.files)
	for _, name := range w.names(t, t.Context(), repo.Locks) {
		if err := w.files.Remove(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	w.intact(t, t.Context())
	w.mustPrune(t, t.Context(), pruner.Options{MaxUnused: pruner.Bytes(0)})
	p, err := pruner.Prepare(t.Context(), w.repo, pruner.Options{MaxUnused: pruner.Bytes(0)})
	if err != nil {
		t.Fatal(err)
	}
	if f := p.Figures; f.Freed() != 0 || f.Keep != f.Total || f.Unused != 0 {
		t.Errorf("the next prune leaves something to do: %+v", f)
	}
}

// calls returns what a prune of the scenario does without any fault.
func calls(t *testing.T, w *world) []storagetest.Call {
	t.Helper()
	f := w.fork()
	faulty := storagetest.NewFaulty(f.files, storagetest.Faults{})
	f.plug(faulty)
	if _, _, err := f.prune(t.Context(), pruner.Options{MaxUnused: pruner.Bytes(0)}); err != nil {
		t.Fatal(err)
	}
	return faulty.Trace()
}

func TestWhateverCallFailsNothingIsLost(t *testing.T) {
	t.Parallel()
	w := scenario(t)
	counts := map[storagetest.Op]int{}
	for _, c := range calls(t, w) {
		counts[c.Op]++
	}
	for op, faults := range map[storagetest.Op][]storagetest.Fault{
		storagetest.Save:   {storagetest.Refuse, storagetest.LostAnswer, storagetest.NoSpace},
		storagetest.Load:   {storagetest.Refuse, storagetest.ShortRead, storagetest.FlipBody},
		storagetest.List:   {storagetest.Refuse, storagetest.CutList},
		storagetest.Stat:   {storagetest.Refuse},
		storagetest.Remove: {storagetest.Refuse, storagetest.LostAnswer},
	} {
		for _, fault := range faults {
			for n := 1; n <= counts[op]; n++ {
				w.fails(t, storagetest.At{Op: op, N: n, Fault: fault})
			}
		}
	}
}

// fails prunes with one fault.
func (w *world) fails(t *testing.T, at storagetest.At) {
	t.Helper()
	f := w.fork()
	faulty := storagetest.NewFaulty(f.files, storagetest.Faults{At: []storagetest.At{at}})
	f.plug(faulty)
	_, _, err := f.prune(t.Context(), pruner.Options{MaxUnused: pruner.Bytes(0)})
	for _, c := range faulty.Trace() {
		left := c.Op == storagetest.Remove && kind(c.Name) == repo.Packs
		if again := c.Op == storagetest.Load; err == nil && c.Fault != storagetest.None && !left && !again {
			t.Errorf("prune = nil although call %v", c)
		}
	}
	f.recover(t)
	if t.Failed() {
		t.Fatalf("after %+v", at)
	}
}

// mortal is a backend that nothing gets through to after some calls, as if the process were dead.
type mortal struct {
	storage.Backend
	left atomic.Int64
}

var errDead = errors.New("dead")

func (m *mortal) dies() error {
	if m.left.Add(-1) < 0 {
		return errDead
	}
	return nil
}

func (m *mortal) Save(ctx context.Context, name string, body storage.Body) error {
	if err := m.dies(); err != nil {
		return err
	}
	return m.Backend.Save(ctx, name, body)
}

func (m *mortal) Load(ctx context.Context, name string, p []byte, offset int64) error {
	if err := m.dies(); err != nil {
		return err
	}
	return m.Backend.Load(ctx, name, p, offset)
}

func (m *mortal) Stat(ctx context.Context, name string) (storage.Info, error) {
	if err := m.dies(); err != nil {
		return storage.Info{}, err
	}
	return m.Backend.Stat(ctx, name)
}

func (m *mortal) Remove(ctx context.Context, name string) error {
	if err := m.dies(); err != nil {
		return err
	}
	return m.Backend.Remove(ctx, name)
}

func (m *mortal) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	if err := m.dies(); err != nil {
		return func(yield func(storage.Info, error) bool) { yield(storage.Info{}, err) }
	}
	return m.Backend.List(ctx, dir)
}

func TestAPruneThatIsKilledAnywhereIsFinishedByTheNext(t *testing.T) {
	w := scenario(t)
	all := len(calls(t, w))
	for n := range all {
		f := w.fork()
		m := &mortal{Backend: f.files}
		m.left.Store(int64(n))
		f.plug(m)
		if _, _, err := f.prune(t.Context(), pruner.Options{MaxUnused: pruner.Bytes(0)}); err == nil {
			t.Fatalf("a prune that is killed after %d calls of %d = nil", n, all)
		}
		f.recover(t)
		if t.Failed() {
			t.Fatalf("after it was killed at call %d of %d", n, all)
		}
	}
}

func TestARunThatIsCancelledStops(t *testing.T) {
	w := scenario(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, _, err := w.prune(ctx, pruner.Options{MaxUnused: pruner.Bytes(0), Progress: func(e progress.Event) {
		if e.Kind == progress.Advanced {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a prune that is cancelled = %v, want context.Canceled", err)
	}
	w.recover(t)
}

func TestFilesGoInTheOrderThatKeepsTheRepositorySound(t *testing.T) {
	w := scenario(t)
	var order strings.Builder
	for _, c := range calls(t, w) {
		step, ok := map[string]string{"save data": "P", "save index": "I", "remove index": "x", "remove data": "p"}[string(c.Op)+" "+string(kind(c.Name))]
		if ok {
			order.WriteString(step)
		}
	}
	// Two packs that no index names go first. The new packs come before their index, and the last index file before the old ones go.
	if !regexp.MustCompile(`^ppP+I+x+p+$`).MatchString(order.String()) {
		t.Errorf("files are saved (P, I) and removed (p, x) in the order %s", order.String())
	}
}

func TestAPackThatCannotBeRemovedIsReportedAndLeft(t *testing.T) {
	w, ctx := scenario(t), t.Context()
	faulty := storagetest.NewFaulty(w.files, storagetest.Faults{At: []storagetest.At{{N: 1, Op: storagetest.Remove, Fault: storagetest.Refuse}}})
	w.plug(faulty)
	failed := ""
	_, result, err := w.prune(ctx, pruner.Options{Progress: func(e progress.Event) {
		if e.Kind == progress.Failed {
			failed = e.Item
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if result.Left.Files != 1 || kind(failed) != repo.Packs || !slices.Contains(w.names(t, ctx, repo.Packs), failed) {
		t.Errorf("a pack that can't be removed: result %+v, reported %q", result, failed)
	}
	w.recover(t)
}

func TestAStoreThatLosesANewPackLosesNoneOfTheOld(t *testing.T) {
	w, ctx := scenario(t), t.Context()
	n := 0 // the last listing is that of the new packs
	for _, c := range calls(t, w) {
		if c.Op == storagetest.List {
			n++
		}
	}
	w.plug(w.files)
	faulty := storagetest.NewFaulty(w.files, storagetest.Faults{At: []storagetest.At{{N: n, Op: storagetest.List, Fault: storagetest.EmptyList}}})
	w.plug(faulty)
	_, _, err := w.prune(ctx, pruner.Options{MaxUnused: pruner.Bytes(0)})
	if !errors.Is(err, repo.ErrDamaged) {
		t.Errorf("prune whose new packs are not listed = %v, want ErrDamaged", err)
	}
	w.recover(t)
}
