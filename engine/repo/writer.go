package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
)

// indexAge is how old the oldest pack may be that no index file names yet: what a killed run would lose.
const indexAge = 10 * time.Minute

// Writer adds blobs to a repository, for one run. It is safe for concurrent use. After its first error it refuses
// everything with that error; what it saved so far harms nobody.
//
// Each blob goes into one of two open packs of its type, chosen at random, so that the order of packs doesn't tell
// the sizes of what follows what in a file.
type Writer struct {
	r       *Repo
	open    [2][2]packer         // by type
	packs   [2]chan *pack.Writer // by type: those not in use, nil where yet to be made; their number bounds the memory
	uploads sync.WaitGroup
	under   atomic.Int32  // uploads under way
	waiting atomic.Int32  // Saves that wait for an upload to end
	stopped chan struct{} // closed once err is set

	mu      sync.Mutex // guards what follows
	err     error
	claimed map[pack.Handle]struct{} // blobs this run saves or has saved, until the index names them
	used    map[crypto.ID]struct{}   // packs that this run relies on
	durable []savedPack              // not yet in a saved index
	blobs   int                      // in durable
	oldest  time.Time                // of durable
	stored  Stored
}

type savedPack struct {
	id    crypto.ID
	blobs []pack.Blob
}

// Stored counts what a Writer added.
type Stored struct {
	DataBlobs, TreeBlobs int64
	Packs                int64
	Bytes                int64 // of packs, their headers included
}

type packer struct {
	mu sync.Mutex
	w  *pack.Writer
}

// NewWriter returns a Writer that adds what the index doesn't know: LoadIndex comes before.
func (r *Repo) NewWriter() *Writer {
	w := &Writer{r: r, stopped: make(chan struct{}), claimed: make(map[pack.Handle]struct{}), used: make(map[crypto.ID]struct{})}
	for t := range w.packs {
		n := max(2, r.opt.Connections) // as many as can be uploaded at once
		w.packs[t] = make(chan *pack.Writer, n)
		for range n {
			w.packs[t] <- nil
		}
	}
	return w
}

// Known reports whether the repository has the blob already, and if so notes that this run relies on its pack.
func (w *Writer) Known(h pack.Handle) bool {
	l, ok := w.r.Index().First(h)
	if !ok {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used[l.Pack] = struct{}{}
	return true
}

// Claim returns true, once, for a blob that the repository does not have: the caller saves it with Save.
func (w *Writer) Claim(h pack.Handle) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.claimed[h]; ok {
		return false
	}
	if l, ok := w.r.Index().First(h); ok { // asked after claimed, which forgets what the index has learned
		w.used[l.Pack] = struct{}{}
		return false
	}
	w.claimed[h] = struct{}{}
	return true
}

// SaveBlob saves a blob if the repository doesn't have it, and returns how many bytes it takes in its pack: 0 if it was there.
func (w *Writer) SaveBlob(ctx context.Context, h pack.Handle, plain []byte) (int, error) {
	if !w.Claim(h) {
		return 0, nil
	}
	stored := 0
	err := w.r.codec.Encode(h, plain, func(e Encoded) (err error) {
		stored, err = w.Save(ctx, e)
		return err
	})
	if err != nil {
		return 0, w.fail(err)
	}
	return stored, nil
}

// Save seals a claimed blob into a pack and returns how many bytes it takes there. It uploads the pack if that is full, and waits
// while all the packs there may be in memory are full. The context must hold a lock on the repository, and is that of the run:
// uploads go on with it after Save has returned.
func (w *Writer) Save(ctx context.Context, e Encoded) (int, error) {
	if err := w.failed(); err != nil {
		return 0, err
	}
	packed, plainLength := e.Packed, e.UncompressedLength
	if w.r.config.Version == 1 {
		packed, plainLength = e.Plain, 0
	}
	p, err := w.pick(e.Type)
	if err != nil {
		return 0, w.fail(err)
	}
	defer p.mu.Unlock()
	if p.w != nil && p.w.Count() > 0 && p.w.Size()+len(packed) > w.r.opt.PackSize+packSlack {
		if err := w.uploadOpen(ctx, e.Type, p); err != nil {
			return 0, err
		}
	}
	if p.w == nil {
		if p.w, err = w.newPack(ctx, e.Type); err != nil {
			return 0, w.fail(err)
		}
	}
	n, err := p.w.Add(e.Handle, packed, plainLength)
	if err != nil {
		return 0, w.fail(err)
	}
	if p.w.Full(w.r.opt.PackSize) {
		err = w.uploadOpen(ctx, e.Type, p)
	}
	return n, err
}

// packSlack is how much larger than the size aimed at a pack may get by its last blob, unless that is its only one.
const packSlack = 1 << 20

func (w *Writer) uploadOpen(ctx context.Context, t pack.Type, p *packer) error {
	full := p.w
	p.w = nil
	return w.upload(ctx, t, full)
}

// pick locks one of the two packers of the type: a random one, or the other if that is busy.
func (w *Writer) pick(t pack.Type) (*packer, error) {
	var random [1]byte
	if _, err := io.ReadFull(w.r.opt.Rand, random[:]); err != nil {
		return nil, fmt.Errorf("read random bytes: %w", err)
	}
	first, second := &w.open[t][random[0]&1], &w.open[t][1-random[0]&1]
	for _, p := range []*packer{first, second} {
		if p.mu.TryLock() {
			return p, nil
		}
	}
	first.mu.Lock()
	return first, nil
}

// newPack returns an empty pack, once one is not in use.
func (w *Writer) newPack(ctx context.Context, t pack.Type) (*pack.Writer, error) {
	w.waiting.Add(1)
	defer w.waiting.Add(-1)
	select {
	case p := <-w.packs[t]:
		if p != nil {
			return p, nil
		}
	case <-w.stopped:
		return nil, w.failed()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return pack.NewWriter(w.r.key, w.r.opt.Rand, w.r.opt.PackSize+packSlack+packSlack/4), nil // and the header
}

// recycle gives a pack back to newPack.
func (w *Writer) recycle(t pack.Type, p *pack.Writer) {
	p.Reset()
	w.packs[t] <- p
}

// upload finishes the pack and saves it in the background.
func (w *Writer) upload(ctx context.Context, t pack.Type, p *pack.Writer) error {
	id, bytes, blobs, err := p.Finish()
	if err != nil {
		return w.fail(err)
	}
	w.under.Add(1)
	w.uploads.Go(func() {
		defer w.recycle(t, p)
		defer w.under.Add(-1)
		if err := w.savePack(ctx, id, bytes, blobs); err != nil {
			_ = w.fail(err) // the next call returns it
		}
	})
	return nil
}

func (w *Writer) savePack(ctx context.Context, id crypto.ID, p []byte, blobs []pack.Blob) error {
	if err := w.failed(); err != nil {
		return err
	}
	if err := w.r.guard(ctx, Shared); err != nil {
		return fmt.Errorf("save data/%s: %w", id.Short(), err)
	}
	if err := w.r.saveRaw(ctx, Packs, id, p); err != nil {
		return err
	}
	if w.r.copies.dir != nil && blobs[0].Type == pack.Tree {
		w.r.copies.save(Packs, id, p)
	}
	return w.packSaved(ctx, id, int64(len(p)), blobs)
}

// packSaved takes note of a durable pack, and saves an index of such packs if they are many or old.
func (w *Writer) packSaved(ctx context.Context, id crypto.ID, size int64, blobs []pack.Blob) error {
	w.mu.Lock()
	now := w.r.opt.Clock.Now()
	if len(w.durable) == 0 {
		w.oldest = now
	}
	w.durable = append(w.durable, savedPack{id, blobs})
	w.used[id] = struct{}{}
	w.blobs += len(blobs)
	w.stored.Packs++
	w.stored.Bytes += size
	if blobs[0].Type == pack.Tree {
		w.stored.TreeBlobs += int64(len(blobs))
	} else {
		w.stored.DataBlobs += int64(len(blobs))
	}
	due := w.blobs >= index.MaxBlobs || now.Sub(w.oldest) >= indexAge
	w.mu.Unlock()
	if !due {
		return nil
	}
	return w.saveIndex(ctx)
}

// saveIndex saves an index file of the durable packs that none names yet, and then lets other runs know of their blobs.
func (w *Writer) saveIndex(ctx context.Context) error {
	w.mu.Lock()
	packs := w.durable
	w.durable, w.blobs = nil, 0
	w.mu.Unlock()
	if len(packs) == 0 {
		return nil
	}
	id, err := w.r.saveFile(ctx, Index, func(w io.Writer) error {
		f := index.File{To: w}
		for _, p := range packs {
			f.Add(p.id, p.blobs)
		}
		return f.Close()
	})
	if err != nil {
		return w.fail(err)
	}
	w.r.indexSaved(id, packs)
	w.forget(packs)
	return nil
}

// forget gives back the memory of the claims that the index has taken over. A map never shrinks, so it is made anew.
func (w *Writer) forget(packs []savedPack) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range packs {
		for _, b := range p.blobs {
			delete(w.claimed, b.Handle)
		}
	}
	left := make(map[pack.Handle]struct{}, len(w.claimed))
	maps.Copy(left, w.claimed)
	w.claimed = left
}

// Flush uploads the open packs, waits for all uploads and saves the index: what was saved so far is durable and can be found. No Save
// may be under way.
func (w *Writer) Flush(ctx context.Context) error {
	for t, packs := range w.packs {
		if err := w.flush(ctx, pack.Type(t)); err != nil {
			return err
		}
		w.uploads.Wait()
		if err := w.failed(); err != nil {
			return err
		}
		for range cap(packs) { // none is in use: their memory is for what follows
			<-packs
			packs <- nil
		}
	}
	return w.saveIndex(ctx)
}

// flush uploads the two open packs of a type, as one if they are small.
func (w *Writer) flush(ctx context.Context, t pack.Type) error {
	open := &w.open[t]
	a, b := open[0].w, open[1].w
	open[0].w, open[1].w = nil, nil
	if a != nil && b != nil && a.Size()+b.Size() <= w.r.opt.PackSize && a.Count()+b.Count() <= pack.MaxBlobs {
		a.Merge(b)
	}
	for _, p := range []*pack.Writer{a, b} {
		if p == nil {
			continue
		}
		if p.Count() == 0 {
			w.recycle(t, p)
			continue
		}
		if err := w.upload(ctx, t, p); err != nil {
			return err
		}
	}
	return nil
}

// Verify lists the packs and returns an error if one that this run saved or relies on is not there. It is for the moment before a
// snapshot is saved: a run whose machine slept may have lost them to somebody else's prune.
func (w *Writer) Verify(ctx context.Context) error {
	w.mu.Lock()
	missing := make(map[crypto.ID]struct{}, len(w.used))
	for id := range w.used {
		missing[id] = struct{}{}
	}
	w.mu.Unlock()
	for info, err := range w.r.List(ctx, Packs) {
		if err != nil {
			return fmt.Errorf("verify packs: %w", err)
		}
		delete(missing, info.ID)
	}
	for id := range missing {
		return fmt.Errorf("verify packs: %d that this run relies on are gone, one is data/%s: %w", len(missing), id.Short(), ErrDamaged)
	}
	return nil
}

// Close waits for uploads under way. What was saved after the last Flush is left for the next prune, unless Keep is called.
func (w *Writer) Close() {
	_ = w.fail(errors.New("writer is closed")) // what waits for an upload gives up
	w.uploads.Wait()
}

// Keep makes what is durable known to later runs, for one that ends early. It is called after Close; ctx holds the lock, but
// may have ended, since this takes no longer than giving back the lock.
func (w *Writer) Keep(ctx context.Context) error {
	ctx, cancel := w.r.within(context.WithoutCancel(ctx), lockRelease)
	defer cancel()
	return w.saveIndex(ctx)
}

// Full reports whether a Save waits at this moment because as many packs as there may be in memory are on their way to the storage.
func (w *Writer) Full() bool { return w.waiting.Load() > 0 }

// Idle reports whether no pack is on its way to the storage at this moment.
func (w *Writer) Idle() bool { return w.under.Load() == 0 }

// Stored returns what was added so far. It counts packs once they are durable.
func (w *Writer) Stored() Stored {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stored
}

func (w *Writer) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// fail keeps the first error, and returns it.
func (w *Writer) fail(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
		close(w.stopped)
	}
	return w.err
}
