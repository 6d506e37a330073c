// Package sim is what the simulations of storages that fail, lie, lose power or are shared by many have in common: small
// repositories that open at once, a source in memory, and the verbs of the product on them.
//
// The simulations themselves are in the packages below and in the module test/powercut. Each is led by seeds, prints how many
// states it has seen and how many snapshots were lost, and proves itself with planted bugs, whose losses it must find.
// A snapshot is acknowledged once Backup returned it; it is lost if from then on, and until somebody forgets it, not each of its
// bytes can be read. The invariant of all of them: no acknowledged snapshot is ever lost.
//
// Time is that of a bubble of testing/synctest, see Run.
package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
)

// Times is how much longer than in "make test" a simulation runs under "make soak".
const Times = 100

// Scale returns n, or Times as much if BACKSTAY_SOAK is 1.
func Scale(n int) int {
	if os.Getenv("BACKSTAY_SOAK") == "1" {
		return n * Times
	}
	return n
}

// Run calls fn in a bubble of testing/synctest, where time passes only while everybody waits. Pools of the engine hold what was
// made in a bubble and can't be used in another one, so they are emptied before, which takes two collections.
func Run(t *testing.T, fn func(t *testing.T)) {
	runtime.GC()
	runtime.GC()
	synctest.Test(t, fn)
}

// Rand is a source of random bytes that a seed decides. It is safe for concurrent use.
type Rand struct {
	mu   sync.Mutex
	next *rand.ChaCha8 // guarded by mu
}

// NewRand returns the Rand of a seed.
func NewRand(seed uint64) *Rand {
	r := new(Rand)
	r.Seed(seed)
	return r
}

// Seed begins anew with a seed.
func (r *Rand) Seed(seed uint64) {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next = rand.NewChaCha8(key)
}

// Read fills p.
func (r *Rand) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.next.Read(p)
}

// password opens the repositories that Init makes.
const password = "simulation"

// quick is the least cost of a key: what is simulated has nothing to do with passwords. No such key is ever written by the engine.
var quick = crypto.KDF{N: 2, R: 1, P: 1}

// Key returns the master key of every repository that Init makes.
func Key() *crypto.Key {
	key, err := crypto.NewKey(NewRand(0))
	if err != nil {
		panic("master key: " + err.Error()) // the random source has no end
	}
	return key
}

// Init makes an empty repository that is quick to open. All have the same key and the same ID.
func Init(ctx context.Context, b storage.Backend) error {
	random, salt := NewRand(1), make([]byte, crypto.SaltSize)
	derived, err := quick.Derive(password, salt)
	if err != nil {
		return err
	}
	master, err := json.Marshal(Key())
	if err != nil {
		return err
	}
	sealed, err := derived.Seal(nil, master, random)
	if err != nil {
		return err
	}
	key, err := json.Marshal(map[string]any{"created": "2026-01-01T00:00:00Z", "username": "", "hostname": "", "kdf": "scrypt",
		"N": quick.N, "r": quick.R, "p": quick.P, "salt": salt, "data": sealed})
	if err != nil {
		return err
	}
	if err := b.Save(ctx, repo.Keys.Name(crypto.Hash(key)), storage.Bytes(key)); err != nil {
		return err
	}
	config, err := json.Marshal(repo.RepoConfig{Version: 2, ID: crypto.Hash(key), Polynomial: 0x3da3358b4dc173})
	if err != nil {
		return err
	}
	if sealed, err = Key().Seal(nil, config, random); err != nil {
		return err
	}
	return b.Save(ctx, string(repo.Config), storage.Bytes(sealed))
}

// Open opens a repository that Init made. Packs are small, and what compresses too, since a simulation opens many.
func Open(ctx context.Context, b storage.Backend, opt repo.Options) (*repo.Repo, error) {
	opt.PackSize, opt.Compression = 4<<20, repo.Fastest
	return repo.Open(ctx, b, password, opt)
}

// Number writes n for people, as 12,345.
func Number(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", Number(n/1000), n%1000)
}
