package quickrepo

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/chunker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
)

// Polynomial is by which the repositories cut that Init makes.
const Polynomial chunker.Pol = 0x3da3358b4dc173

// Init makes an empty repository of the version in b and opens it. Its time stands still unless the options have a clock.
func Init(t testing.TB, b storage.Backend, version uint, pol chunker.Pol, opt repo.Options) (*repo.Repo, *crypto.Key) {
	t.Helper()
	if opt.Clock == nil {
		opt.Clock = Still{}
	}
	const password = "password"
	master, err := MakeWith(t.Context(), b, password, version, pol)
	if err != nil {
		t.Fatal(err)
	}
	r, err := repo.Open(t.Context(), b, password, opt)
	if err != nil {
		t.Fatal(err)
	}
	return r, master
}

// Still is a clock that stands still, at which locks neither wait nor grow old.
type Still struct{}

// Now returns the same time always.
func (Still) Now() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// Sleep returns at once.
func (Still) Sleep(ctx context.Context, d time.Duration) error {
	if d == time.Second { // the pulse of those who keep a lock fresh
		<-ctx.Done()
	}
	return context.Cause(ctx)
}

// Locked calls fn under a lock.
func Locked(ctx context.Context, r *repo.Repo, mode repo.LockMode, fn func(ctx context.Context) error) error {
	locked, unlock, err := r.Lock(ctx, mode, repo.LockOptions{})
	if err != nil {
		return err
	}
	return errors.Join(fn(locked), unlock())
}
