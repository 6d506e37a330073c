package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
)

// noise returns n bytes that don't compress, the same for the same seed, and their handle.
func noise(kind pack.Type, seed uint64, n int) (pack.Handle, []byte) {
	p := make([]byte, n)
	var key [32]byte
	key[0], key[1], key[2], key[3] = byte(seed), byte(seed>>8), byte(seed>>16), byte(kind)
	if _, err := io.ReadFull(rand.NewChaCha8(key), p); err != nil {
		panic(err)
	}
	return pack.Handle{ID: crypto.Hash(p), Type: kind}, p
}

// save saves count blobs of n bytes each, numbered from seed.
func save(t testing.TB, ctx context.Context, w *Writer, kind pack.Type, seed uint64, count, n int) {
	t.Helper()
	for i := range uint64(count) {
		h, plain := noise(kind, seed+i, n)
		if _, err := w.SaveBlob(ctx, h, plain); err != nil {
			t.Fatalf("SaveBlob %d: %v", i, err)
		}
	}
}

// wantBlobs fails the test unless another program finds the blobs.
func wantBlobs(t testing.TB, b storage.Backend, kind pack.Type, seed uint64, count, n int) {
	t.Helper()
	r := openFast(t, b, Options{})
	if err := r.LoadIndex(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(count) {
		h, plain := noise(kind, seed+i, n)
		if got, err := r.LoadBlob(context.Background(), h, nil); err != nil || string(got) != string(plain) {
			t.Fatalf("LoadBlob %d = %d bytes, %v, want %d", i, len(got), err, n)
		}
	}
}

// packsOf returns the blobs of each pack in the storage, as their headers list them.
func packsOf(t testing.TB, r *Repo) map[crypto.ID][]pack.Blob {
	t.Helper()
	packs := make(map[crypto.ID][]pack.Blob)
	for info, err := range r.List(context.Background(), Packs) {
		if err != nil {
			t.Fatal(err)
		}
		blobs, err := r.PackBlobs(context.Background(), info.ID, info.Size)
		if err != nil {
			t.Fatal(err)
		}
		packs[info.ID] = blobs
	}
	return packs
}

func TestWhatIsSavedIsFoundByOthersAfterFlush(t *testing.T) {
	b := mem.New()
	r := openFast(t, b, Options{PackSize: minPackSize})
	ctx := locked(t, r, Shared)
	w := r.NewWriter()
	save(t, ctx, w, pack.Data, 0, 300, 50_000)
	save(t, ctx, w, pack.Tree, 0, 300, 500)
	if n, err := w.SaveBlob(ctx, pack.Handle{ID: crypto.Hash([]byte("text")), Type: pack.Data}, []byte("text")); err != nil || n != 4+crypto.Overhead {
		t.Errorf("SaveBlob of what doesn't compress = %d, %v, want it as it is in a box", n, err)
	}
	if err := w.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := w.Verify(ctx); err != nil {
		t.Error(err)
	}
	w.Close()
	wantBlobs(t, b, pack.Data, 0, 300, 50_000)
	wantBlobs(t, b, pack.Tree, 0, 300, 500)

	again := openFast(t, b, Options{})
	if err := again.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	packs, small, size := packsOf(t, r), 0, int64(0)
	for info, err := range r.List(t.Context(), Packs) {
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size
		if info.Size < minPackSize {
			small++
		}
		if info.Size > minPackSize+1<<20 {
			t.Errorf("pack %s has %d bytes, want little more than %d", info.ID.Short(), info.Size, minPackSize)
		}
		for _, blob := range packs[info.ID] {
			if blob.Type != packs[info.ID][0].Type {
				t.Errorf("pack %s holds blobs of both types", info.ID.Short())
			}
		}
	}
	if len(packs) < 4 || small > 3 {
		t.Errorf("there are %d packs, %d of them small, want at most one small one of trees, and two of data", len(packs), small)
	}
	for id, blobs := range again.Index().EachPack() {
		if fmt.Sprint(blobs) != fmt.Sprint(packs[id]) {
			t.Errorf("the index says other things of pack %s than its header", id.Short())
		}
		delete(packs, id)
	}
	if len(packs) != 0 {
		t.Errorf("%d packs are in no index", len(packs))
	}
	if s := w.Stored(); s.DataBlobs != 301 || s.TreeBlobs != 300 || s.Bytes != size {
		t.Errorf("Stored = %+v, want 301 and 300 blobs in %d bytes", s, size)
	}
}

func TestSmallPacksAreMergedAtFlush(t *testing.T) {
	b := mem.New()
	r := openFast(t, b, Options{})
	ctx := locked(t, r, Shared)
	w := r.NewWriter()
	defer w.Close()
	save(t, ctx, w, pack.Data, 0, 100, 100) // both open packs get some of a hundred, but for once in 2 to the 99
	if w.open[pack.Data][0].w == nil || w.open[pack.Data][1].w == nil {
		t.Error("a hundred blobs went to one of the two packs")
	}
	if err := w.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if n := len(names(t, b, Packs)); n != 1 {
		t.Errorf("there are %d packs, want 1", n)
	}
	if err := w.Flush(ctx); err != nil || len(names(t, b, Packs)) != 1 || len(names(t, b, Index)) != 1 {
		t.Errorf("a second Flush = %v, and there are packs %v, index files %v; want one each", err, names(t, b, Packs), names(t, b, Index))
	}
	save(t, ctx, w, pack.Data, 100, 1, 100)
	if err := w.Flush(ctx); err != nil || len(names(t, b, Packs)) != 2 {
		t.Errorf("a Flush after one more blob = %v, and there are packs %v, want two", err, names(t, b, Packs))
	}
}

func TestAHugeBlobIsAPackOfItsOwn(t *testing.T) {
	b := mem.New()
	r := openFast(t, b, Options{PackSize: minPackSize, Connections: 1})
	ctx := locked(t, r, Shared)
	w := r.NewWriter()
	defer w.Close()
	save(t, ctx, w, pack.Data, 0, 20, 1000)
	save(t, ctx, w, pack.Data, 20, 5, minPackSize+5<<20)
	if err := w.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	for id, blobs := range packsOf(t, r) {
		for _, blob := range blobs {
			if blob.Length > minPackSize && len(blobs) > 1 {
				t.Errorf("pack %s holds a blob of %d bytes and others", id.Short(), blob.Length)
			}
		}
	}
	wantBlobs(t, b, pack.Data, 20, 5, minPackSize+5<<20)
}

func TestOfConcurrentClaimsOneIsGranted(t *testing.T) {
	b := mem.New()
	r := openFast(t, b, Options{PackSize: minPackSize})
	ctx := locked(t, r, Shared)
	w := r.NewWriter()
	defer w.Close()
	var granted atomic.Int64
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range uint64(2000) {
				h, plain := noise(pack.Data, i, 200)
				if !w.Claim(h) {
					continue
				}
				granted.Add(1)
				err := r.codec.Encode(h, plain, func(e Encoded) error {
					_, err := w.Save(ctx, e)
					return err
				})
				if err == nil && i%100 == 0 {
					err = w.saveIndex(ctx) // it forgets claims while others are made
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if err := w.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if n := r.Index().Count(pack.Data); granted.Load() != 2000 || n != 2000 {
		t.Errorf("2000 blobs were granted %d times and are there %d times", granted.Load(), n)
	}
}

func TestAClaimIsNotGrantedWhileTheIndexLearnsOfTheBlob(t *testing.T) {
	r := openFast(t, mem.New(), Options{})
	ctx := locked(t, r, Shared)
	w := r.NewWriter()
	defer w.Close()
	for round := range uint64(200) {
		h, _ := noise(pack.Data, round, 50)
		if !w.Claim(h) {
			t.Fatal("the first claim is not granted")
		}
		w.mu.Lock()
		w.durable = []savedPack{{crypto.ID{1, byte(round)}, []pack.Blob{{Handle: h, Length: 82}}}}
		w.mu.Unlock()
		done := make(chan error)
		go func() { done <- w.saveIndex(ctx) }()
		for saved := false; !saved; {
			if w.Claim(h) {
				t.Fatal("a second claim is granted")
			}
			select {
			case err := <-done:
				saved = true
				if err != nil {
					t.Fatal(err)
				}
			default:
			}
		}
	}
}

func TestAnIndexIsSavedAfterTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mem.New()
		r := openFast(t, b, Options{PackSize: minPackSize})
		ctx, unlock := lock(t, r, Shared)
		defer unlock()
		w := r.NewWriter()
		defer w.Close()
		save(t, ctx, w, pack.Data, 0, 1, minPackSize)
		time.Sleep(9 * time.Minute)
		save(t, ctx, w, pack.Data, 1, 1, minPackSize)
		w.uploads.Wait()
		if n := len(names(t, b, Index)); n != 0 {
			t.Errorf("after nine minutes there are %d index files, want none", n)
		}
		time.Sleep(61 * time.Second)
		save(t, ctx, w, pack.Data, 2, 1, minPackSize)
		w.uploads.Wait()
		if n := len(names(t, b, Index)); n != 1 {
			t.Errorf("after ten minutes there are %d index files, want 1", n)
		}
		wantBlobs(t, b, pack.Data, 0, 3, minPackSize)
	})
}

func TestAnIndexIsSavedOfFiftyThousandBlobs(t *testing.T) {
	b := mem.New()
	r := openFast(t, b, Options{PackSize: minPackSize, Compression: Off})
	ctx := locked(t, r, Shared)
	w := r.NewWriter()
	defer w.Close()
	save(t, ctx, w, pack.Data, 0, 120_000, 40)
	if err := w.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if n := len(names(t, b, Index)); n < 2 {
		t.Errorf("120,000 blobs are in %d index files, want more than one", n)
	}
	x := openFast(t, b, Options{})
	seen := make(map[crypto.ID]bool)
	for info, err := range x.List(t.Context(), Index) {
		if err != nil {
			t.Fatal(err)
		}
		plain, err := x.LoadFile(t.Context(), Index, info.ID)
		if err != nil {
			t.Fatal(err)
		}
		err = index.Decode(plain, func(id crypto.ID, _ []pack.Blob) error {
			if seen[id] {
				t.Errorf("pack %s is in two index files", id.Short())
			}
			seen[id] = true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := len(names(t, b, Packs)); n != len(seen) || r.Index().Count(pack.Data) != 120_000 {
		t.Errorf("%d packs are there, %d are in index files; the index knows %d blobs", n, len(seen), r.Index().Count(pack.Data))
	}
}

func TestNoPackIsSavedWithoutALock(t *testing.T) {
	b := mem.New()
	r := openFast(t, b, Options{})
	w := r.NewWriter()
	defer w.Close()
	save(t, t.Context(), w, pack.Data, 0, 3, 100)
	if err := w.Flush(t.Context()); !errors.Is(err, ErrNotLocked) {
		t.Errorf("Flush = %v, want ErrNotLocked", err)
	}
	if found := names(t, b, Packs); found != nil {
		t.Errorf("saved was %v", found)
	}
}

// TestAfterAnErrorNothingElseIsWritten lets each save fail in turn.
func TestAfterAnErrorNothingElseIsWritten(t *testing.T) {
	for n := 2; ; n++ { // the first is the lock
		inner := mem.New()
		b := storagetest.NewFaulty(inner, storagetest.Faults{At: []storagetest.At{{N: n, Op: storagetest.Save, Fault: storagetest.NoSpace}}})
		r := openFast(t, b, Options{PackSize: minPackSize, Connections: 1})
		done := false
		synctest.Test(t, func(t *testing.T) {
			ctx, unlock := lock(t, r, Shared)
			w := r.NewWriter()
			for i := range uint64(20) {
				h, plain := noise(pack.Data, i, 1<<20)
				if _, err := w.SaveBlob(ctx, h, plain); err != nil && !errors.Is(err, storage.ErrPermanent) {
					t.Errorf("SaveBlob with save %d failing = %v, want that error", n, err)
				}
			}
			err := w.Flush(ctx)
			if done = err == nil; !done && !errors.Is(err, storage.ErrPermanent) {
				t.Errorf("Flush with save %d failing = %v, want that error", n, err)
			}
			if again := w.Flush(ctx); (again == nil) != done {
				t.Errorf("a second Flush = %v after %v", again, err)
			}
			w.Close()
			if _, err := w.SaveBlob(ctx, pack.Handle{ID: crypto.Hash(nil)}, nil); err == nil {
				t.Error("SaveBlob after Close = nil error")
			}
			unlock()
		})
		if done {
			break
		}
		failed := 0
		for _, c := range b.Trace() {
			if c.Op == storagetest.Save && failed > 0 && c.N > failed+1 { // one may have been under way
				t.Errorf("after save %d failed, call %d, there was %v", n, failed, c)
			}
			if c.Fault != storagetest.None {
				failed = c.N
			}
		}
		if found := names(t, inner, Index); found != nil {
			t.Errorf("after save %d failed there is an index: %v", n, found)
		}
	}
}

func TestAPackThatIsGoneIsNoticedBeforeTheSnapshot(t *testing.T) {
	b := mem.New()
	r := openFast(t, b, Options{PackSize: minPackSize})
	ctx := locked(t, r, Shared)
	first := r.NewWriter()
	save(t, ctx, first, pack.Data, 0, 1, minPackSize)
	save(t, ctx, first, pack.Data, 1, 1, minPackSize)
	if err := first.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	first.Close()
	for i, mine := range []bool{true, false} {
		w := r.NewWriter()
		h, _ := noise(pack.Data, uint64(i), minPackSize)
		if mine && !w.Known(h) {
			t.Fatal("a blob that was saved is not known")
		}
		save(t, ctx, w, pack.Data, 10+uint64(i), 1, 100)
		if err := w.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		l, _ := r.Index().First(h)
		if err := b.Remove(t.Context(), Packs.Name(l.Pack)); err != nil {
			t.Fatal(err)
		}
		if err := w.Verify(ctx); errors.Is(err, ErrDamaged) != mine {
			t.Errorf("Verify after a pack was removed that the run relies on (%v) = %v", mine, err)
		}
		w.Close()
	}
}

func TestVerifyDoesNotTrustAListingThatFails(t *testing.T) {
	b := storagetest.NewFaulty(mem.New(), storagetest.Faults{Chance: map[storagetest.Fault]float64{storagetest.CutList: 1}})
	w := openFast(t, b, Options{}).NewWriter()
	defer w.Close()
	if err := w.Verify(t.Context()); !errors.Is(err, storagetest.ErrInjected) || errors.Is(err, ErrDamaged) {
		t.Errorf("Verify = %v, want the error of the listing", err)
	}
}

func TestTwoWritersShareARepository(t *testing.T) {
	b := mem.New()
	r := openFast(t, b, Options{PackSize: minPackSize})
	ctx := locked(t, r, Shared)
	var group sync.WaitGroup
	for n := range uint64(2) {
		group.Go(func() {
			w := r.NewWriter()
			defer w.Close()
			for i := range uint64(200) {
				h, plain := noise(pack.Data, 100*n+i, 50_000) // a half of each is the other's too
				if _, err := w.SaveBlob(ctx, h, plain); err != nil {
					t.Error(err)
				}
				if i%50 == 0 {
					if err := r.LoadIndex(ctx); err != nil {
						t.Error(err)
					}
				}
			}
			if err := errors.Join(w.Flush(ctx), w.Verify(ctx)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	wantBlobs(t, b, pack.Data, 0, 300, 50_000)
	w := r.NewWriter()
	defer w.Close()
	for i := range uint64(300) {
		if h, _ := noise(pack.Data, i, 50_000); w.Claim(h) || !w.Known(h) {
			t.Fatalf("blob %d is not known afterwards", i)
		}
	}
}

func TestAnOldRepositoryGetsNothingCompressed(t *testing.T) {
	b := mem.New()
	r := openFast(t, b, Options{})
	r.config.Version = 1
	ctx := locked(t, r, Shared)
	w := r.NewWriter()
	defer w.Close()
	h := pack.Handle{ID: crypto.Hash(make([]byte, 100_000)), Type: pack.Tree}
	if n, err := w.SaveBlob(ctx, h, make([]byte, 100_000)); err != nil || n != 100_000+crypto.Overhead {
		t.Errorf("SaveBlob = %d, %v, want it as it is in a box", n, err)
	}
	if err := w.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if got, err := r.LoadBlob(ctx, h, nil); err != nil || len(got) != 100_000 {
		t.Errorf("LoadBlob = %d bytes, %v", len(got), err)
	}
}
