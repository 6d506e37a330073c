package repo

import (
	"bytes"
	"context"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/storagetest"
)

func TestMain(m *testing.M) {
	crypto.DefaultKDF = cheapKDF // the tests change passwords, and are not about their strength
	goleak.VerifyTestMain(m)
}

// openFast returns the repository in b as another program would open it, without the work that a password takes. All that
// are opened so have the same key.
func openFast(t testing.TB, b storage.Backend, opt Options) *Repo {
	t.Helper()
	r, err := newRepo(b, opt)
	if err != nil {
		t.Fatal(err)
	}
	if r.key, err = crypto.NewKey(bytes.NewReader(bytes.Repeat([]byte("key!"), 16))); err != nil {
		t.Fatal(err)
	}
	r.config = RepoConfig{Version: 2, ID: crypto.Hash(nil), Polynomial: 0x3da3358b4dc173}
	return r
}

// locked returns a context with a lock that is taken without the wait for others, and that nobody refreshes: for tests
// that are not about locks.
func locked(t testing.TB, r *Repo, mode LockMode) context.Context {
	t.Helper()
	h := &held{r: r, mode: mode, files: make(chan struct{}, 1), ctx: t.Context()}
	since, err := h.write(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.renewed(since)
	t.Cleanup(func() {
		if err := h.release(context.Background()); err != nil {
			t.Errorf("unlock: %v", err)
		}
	})
	return context.WithValue(t.Context(), lockKey{r}, h)
}

// hooked is a backend that asks before each call that gets through.
type hooked struct {
	storage.Backend
	hook atomic.Pointer[func(ctx context.Context, op storagetest.Op, name string) error]
}

func hook(b storage.Backend) *hooked { return &hooked{Backend: b} }

// before sets what is asked; nil: nothing.
func (h *hooked) before(fn func(ctx context.Context, op storagetest.Op, name string) error) {
	if fn == nil {
		h.hook.Store(nil)
		return
	}
	h.hook.Store(&fn)
}

func (h *hooked) ask(ctx context.Context, op storagetest.Op, name string) error {
	if fn := h.hook.Load(); fn != nil {
		return (*fn)(ctx, op, name)
	}
	return nil
}

func (h *hooked) Save(ctx context.Context, name string, body storage.Body) error {
	if err := h.ask(ctx, storagetest.Save, name); err != nil {
		return err
	}
	return h.Backend.Save(ctx, name, body)
}

func (h *hooked) Load(ctx context.Context, name string, p []byte, offset int64) error {
	if err := h.ask(ctx, storagetest.Load, name); err != nil {
		return err
	}
	return h.Backend.Load(ctx, name, p, offset)
}

func (h *hooked) Stat(ctx context.Context, name string) (storage.Info, error) {
	if err := h.ask(ctx, storagetest.Stat, name); err != nil {
		return storage.Info{}, err
	}
	return h.Backend.Stat(ctx, name)
}

func (h *hooked) Remove(ctx context.Context, name string) error {
	if err := h.ask(ctx, storagetest.Remove, name); err != nil {
		return err
	}
	return h.Backend.Remove(ctx, name)
}

func (h *hooked) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		if err := h.ask(ctx, storagetest.List, dir); err != nil {
			yield(storage.Info{}, err)
			return
		}
		h.Backend.List(ctx, dir)(yield)
	}
}

// names returns the files in a folder.
func names(t testing.TB, b storage.Backend, dir FileType) (found []string) {
	t.Helper()
	for info, err := range b.List(context.Background(), string(dir)) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, info.Name)
	}
	return found
}

// put saves a file without any lock, as another program would.
func put(t testing.TB, r *Repo, kind FileType, plain string) crypto.ID {
	t.Helper()
	id, sealed, err := r.sealFile(kind, writes([]byte(plain)))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.saveRaw(t.Context(), kind, id, sealed); err != nil {
		t.Fatal(err)
	}
	return id
}

// flip changes one byte of a file in the storage.
func flip(t testing.TB, b storage.Backend, name string, at int) {
	t.Helper()
	p, err := storage.LoadAll(t.Context(), b, name)
	if err != nil {
		t.Fatal(err)
	}
	p[at] ^= 1
	replace(t, b, name, p)
}

// replace puts other bytes under a name.
func replace(t testing.TB, b storage.Backend, name string, p []byte) {
	t.Helper()
	if err := b.Remove(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if err := b.Save(t.Context(), name, storage.Bytes(p)); err != nil {
		t.Fatal(err)
	}
}

// suspending is the system's clock, which synctest fakes, on a machine that can be suspended: the time goes on meanwhile,
// what waits does not.
type suspending struct{ gone atomic.Int64 }

func (c *suspending) Now() time.Time { return clock.System.Now().Add(time.Duration(c.gone.Load())) }

func (c *suspending) Sleep(ctx context.Context, d time.Duration) error {
	return clock.System.Sleep(ctx, d)
}

func (c *suspending) suspend(d time.Duration) { c.gone.Add(int64(d)) }
