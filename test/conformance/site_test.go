//go:build linux

package conformance

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/test/quickrepo"
	"github.com/backstay/backstay/test/resticbin"
)

const (
	password = "conformance"
	host     = "h"
)

func TestMain(m *testing.M) {
	// Restic's unlock sends this signal to the process that a lock names, to see whether it is alive.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	flag.Parse()
	if err := waitTogether(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// waitTogether has more parallel tests run at once than there are processors: most of the time they wait, for the disk and for locks
// to show. Who asks for a number of them gets that.
func waitTogether() error {
	const parallel = "test.parallel"
	if flag.Lookup(parallel).Value.String() != strconv.Itoa(runtime.GOMAXPROCS(0)) {
		return nil
	}
	return flag.Set(parallel, strconv.Itoa(3*runtime.GOMAXPROCS(0)))
}

// site is a repository in a folder that both sides have open.
type site struct {
	restic  resticbin.Repo
	ours    *repo.Repo
	storage storage.Backend
	master  *crypto.Key // nil if the repository was not made by newSite
}

// newSite makes an empty repository of the version, whose key takes no time to open.
func newSite(t *testing.T, bin resticbin.Bin, version uint) *site {
	t.Helper()
	s := place(t, bin)
	var err error
	if s.master, err = quickrepo.Make(t.Context(), s.storage, password, version); err != nil {
		t.Fatal(err)
	}
	s.open(t)
	return s
}

// place is a site whose repository is yet to be made.
func place(t *testing.T, bin resticbin.Bin) *site {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "repository")
	return &site{
		restic:  resticbin.Repo{Bin: bin, Dir: dir, Password: password, Work: t.TempDir()},
		storage: local.New(local.OS{}, dir, local.Options{}),
	}
}

// open opens the repository on our side.
func (s *site) open(t *testing.T) {
	t.Helper()
	r, err := s.again(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.ours = r
}

// again opens the repository once more, as another process of ours would.
func (s *site) again(ctx context.Context) (*repo.Repo, error) {
	return repo.Open(ctx, s.storage, s.restic.Password, repo.Options{})
}

// seal returns the box of p under the master key.
func (s *site) seal(t *testing.T, p []byte) []byte {
	t.Helper()
	box, err := s.master.Seal(nil, p, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// save writes a file into the storage, past all guards.
func (s *site) save(t *testing.T, name string, p []byte) {
	t.Helper()
	if err := s.storage.Save(t.Context(), name, storage.Bytes(p)); err != nil {
		t.Fatal(err)
	}
}

// path returns where a file of the repository is.
func (s *site) path(t repo.FileType, id crypto.ID) string {
	return filepath.Join(s.restic.Dir, t.Name(id))
}

// run runs a restic command that must succeed.
func (s *site) run(t *testing.T, args ...string) []byte {
	t.Helper()
	out, err := s.restic.Run(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// check has both sides read every byte of the repository. Neither may have anything to say about it, but we of the kinds that are
// expected.
func (s *site) check(t *testing.T, expected ...checker.Kind) {
	t.Helper()
	if err := s.restic.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, f := range s.findings(t) {
		if !slices.Contains(expected, f.Kind) {
			t.Errorf("our check: %+v", f)
		}
	}
}

// findings returns what our check finds.
func (s *site) findings(t *testing.T) (found []checker.Finding) {
	t.Helper()
	s.locked(t, repo.Shared, func(ctx context.Context) error {
		_, err := checker.Check(ctx, s.ours, checker.Options{ReadData: true, Found: func(f checker.Finding) { found = append(found, f) }})
		return err
	})
	return found
}

// list returns the IDs of the files of a kind.
func (s *site) list(t *testing.T, kind repo.FileType) (ids []crypto.ID) {
	t.Helper()
	for info, err := range s.ours.List(t.Context(), kind) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, info.ID)
	}
	return ids
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	p, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// eachRestic runs a test with the newest restic, and with an old one where that is named.
func eachRestic(t *testing.T, test func(t *testing.T, bin resticbin.Bin)) {
	bins := []resticbin.Bin{resticbin.Newest(t)}
	if os.Getenv("RESTIC_OLD_BIN") != "" {
		bins = append(bins, resticbin.Old(t))
	}
	for _, bin := range bins {
		t.Run("restic "+bin.Version, func(t *testing.T) { test(t, bin) })
	}
}

// eachSeed runs a test with n seeds from 1 on, with 20 times as many where BACKSTAY_SOAK is 1. A seed is run again by its name.
func eachSeed(t *testing.T, n uint64, test func(t *testing.T, seed uint64)) {
	if os.Getenv("BACKSTAY_SOAK") == "1" {
		n *= 20
	}
	var failed atomic.Int64
	t.Cleanup(func() { t.Logf("%d rounds, seeds 1 to %d, %d lost", n, n, failed.Load()) }) // by then those in parallel are over
	for seed := uint64(1); seed <= n; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					failed.Add(1)
				}
			})
			test(t, seed)
		})
	}
}
