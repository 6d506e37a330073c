package repo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/storage"
)

// ErrUnknownBlob means that no index names the blob.
var ErrUnknownBlob = errors.New("no index names it")

// Index returns what is known of the packs: what the last LoadIndex read, and what was made durable since.
func (r *Repo) Index() *index.Index {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.index
}

// IndexFiles returns the index files that Index was made from, in the order of their IDs.
func (r *Repo) IndexFiles() []crypto.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Keys(r.loaded), func(a, b crypto.ID) int { return bytes.Compare(a[:], b[:]) })
}

// IndexedBy returns the packs that one of IndexFiles names, in its order; none if it is of another kind. The slice is not to be changed.
func (r *Repo) IndexedBy(file crypto.ID) []crypto.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loaded[file]
}

// ForgetIndex makes the Index empty, so that the next LoadIndex reads all files anew. It is for whoever has removed packs.
func (r *Repo) ForgetIndex() {
	r.loading.Lock()
	defer r.loading.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.index, r.loaded = index.New(), make(map[crypto.ID][]crypto.ID)
	r.next = r.index
}

// LoadIndex reads the index files that are there now and not yet known. Who lists snapshots does so before, so that
// the index knows all that they need. An unreadable index file is an error; one of another kind is passed over with a notice.
func (r *Repo) LoadIndex(ctx context.Context) error {
	r.loading.Lock()
	defer r.loading.Unlock()
	files := make(map[crypto.ID]bool)
	for info, err := range r.List(ctx, Index) {
		if err != nil {
			return fmt.Errorf("load index: %w", err)
		}
		files[info.ID] = true
	}
	x, missing := r.nextIndex(files)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(max(r.opt.Connections, runtime.GOMAXPROCS(0)))
	packs := make([][]crypto.ID, len(missing))
	for i, id := range missing {
		group.Go(func() (err error) {
			packs[i], err = r.loadIndexFile(groupCtx, id, x)
			return err
		})
	}
	err := group.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil { // x knows some of what is in files that are not loaded
		r.next, r.loaded = index.New(), make(map[crypto.ID][]crypto.ID)
		return fmt.Errorf("load index: %w", err)
	}
	r.index = x
	for i, id := range missing {
		r.loaded[id] = packs[i]
	}
	r.retainPacks(x)
	return nil
}

// nextIndex returns the index to add to, the one in use or a new one if files that it was made from are gone, and which
// of the files it lacks.
func (r *Repo) nextIndex(files map[crypto.ID]bool) (x *index.Index, missing []crypto.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.loaded {
		if !files[id] {
			r.next, r.loaded = index.New(), make(map[crypto.ID][]crypto.ID)
			break
		}
	}
	for id := range files {
		if _, known := r.loaded[id]; !known {
			missing = append(missing, id)
		}
	}
	return r.next, missing
}

// indexSaved takes in packs that an index file names which was saved just now.
func (r *Repo) indexSaved(id crypto.ID, packs []savedPack) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]crypto.ID, len(packs))
	for i, p := range packs {
		ids[i] = p.id
		r.index.Add(p.id, p.blobs)
		if r.next != r.index {
			r.next.Add(p.id, p.blobs)
		}
	}
	r.loaded[id] = ids
}

// loadIndexFile adds what an index file names to x, and returns the packs.
func (r *Repo) loadIndexFile(ctx context.Context, id crypto.ID, x *index.Index) (packs []crypto.ID, err error) {
	plain, err := r.LoadFile(ctx, Index, id)
	if err != nil {
		return nil, err
	}
	err = index.Decode(plain, func(id crypto.ID, blobs []pack.Blob) error {
		packs = append(packs, id)
		x.Add(id, blobs)
		return nil
	})
	if errors.Is(err, index.ErrWrongKind) { // it names nothing, and nobody needs a key to put it there
		r.opt.Progress.Send(progress.Event{Kind: progress.Notice, Item: Index.Name(id), Text: "passed over index/" + id.Short() + ": " + err.Error()})
		return nil, nil
	}
	if err != nil {
		return nil, &DamageError{Type: Index, ID: id, Err: err}
	}
	return packs, nil
}

// LoadBlob returns the plaintext of a blob, verified, in buf if it is large enough. Each place where the blob lies is
// tried. The error wraps ErrUnknownBlob or ErrDamaged where that is the reason.
func (r *Repo) LoadBlob(ctx context.Context, h pack.Handle, buf []byte) ([]byte, error) {
	locations := r.Index().Lookup(h)
	if len(locations) == 0 {
		return nil, fmt.Errorf("load blob %s: %w", h, ErrUnknownBlob)
	}
	return r.loadFrom(ctx, locations, buf)
}

func (r *Repo) loadFrom(ctx context.Context, locations []index.Location, buf []byte) ([]byte, error) {
	var errs error
	for _, l := range locations {
		plain, err := r.loadAt(ctx, l, buf)
		if errors.Is(err, ErrDamaged) { // maybe only on its way
			plain, err = r.loadAt(ctx, l, buf)
		}
		if err == nil {
			return plain, nil
		}
		errs = errors.Join(errs, err)
	}
	return nil, errs
}

func (r *Repo) loadAt(ctx context.Context, l index.Location, buf []byte) ([]byte, error) {
	if l.Length > maxBlob+crypto.Overhead {
		return nil, packError(l.Pack, l.Handle, errLarge)
	}
	sealed := r.buffer(int(l.Length))
	defer r.buffers.Put(sealed)
	if err := r.loadRange(ctx, l.Pack, l.Type, *sealed, int64(l.Offset)); err != nil {
		return nil, fmt.Errorf("load blob %s: %w", l.Handle, packError(l.Pack, l.Handle, err))
	}
	plain, err := r.openBlob(*sealed, l.Blob, buf)
	if err != nil {
		r.copies.distrust(l.Pack, l.Type)
		return nil, &DamageError{Type: Packs, ID: l.Pack, Blob: l.Handle, Err: err}
	}
	return plain, nil
}

// packError makes a pack that is gone or cut one that is damaged, which other failures to read it don't.
func packError(id crypto.ID, h pack.Handle, err error) error {
	if errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrShort) || errors.Is(err, errLarge) {
		return &DamageError{Type: Packs, ID: id, Blob: h, Err: err}
	}
	return err
}

var errLarge = errors.New("the index says that it is larger than any blob")

// buffer returns memory for n bytes, which goes back to r.buffers.
func (r *Repo) buffer(n int) *[]byte {
	p, ok := r.buffers.Get().(*[]byte)
	if !ok {
		p = new([]byte)
	}
	*p = slices.Grow((*p)[:0], n)[:n]
	return p
}

// openBlob opens, decompresses and hashes a sealed blob.
func (r *Repo) openBlob(sealed []byte, b pack.Blob, buf []byte) ([]byte, error) {
	plain, err := r.unsealBlob(sealed, b, buf)
	if err != nil {
		return nil, err
	}
	if crypto.Hash(plain) != b.ID {
		return nil, errHash
	}
	return plain, nil
}

func (r *Repo) unsealBlob(sealed []byte, b pack.Blob, buf []byte) (plain []byte, err error) {
	if b.UncompressedLength == 0 {
		return r.key.Open(buf[:0], sealed)
	}
	packed := r.buffer(0)
	defer r.buffers.Put(packed)
	if *packed, err = r.key.Open((*packed)[:0], sealed); err != nil {
		return nil, err
	}
	return r.codec.unpack(*packed, b.UncompressedLength, buf)
}

const (
	spanGap  = 64 << 10 // bytes between two wanted blobs that are read rather than seeked over
	spanSize = 4 << 20  // bytes read at once; a larger blob is read whole
	farSize  = 8 << 20  // the same where each request takes its time
)

// most is how many bytes are read at once. A storage that is given several connections is a distant one.
func (r *Repo) most() uint32 {
	if r.opt.Connections > defaultConnections {
		return farSize
	}
	return spanSize
}

// LoadPack reads blobs of one pack, with few reads, and calls fn for each in the order they lie there; plain is valid
// during the call only. A blob that is damaged there, or can't be read, is looked for in other packs; if none has it, fn
// gets the reason. The blobs are sorted in place. An error of fn, or the end of ctx, ends the whole.
func (r *Repo) LoadPack(ctx context.Context, id crypto.ID, blobs []pack.Blob, fn func(b pack.Blob, plain []byte, err error) error) error {
	plain := r.buffer(0)
	defer r.buffers.Put(plain)
	return r.eachSealed(ctx, id, blobs, func(b pack.Blob, sealed []byte, readErr error) error {
		p, err := r.fromSpan(ctx, index.Location{Pack: id, Blob: b}, sealed, readErr, *plain)
		if err == nil && cap(p) > cap(*plain) {
			*plain = p
		}
		if context.Cause(ctx) != nil {
			return context.Cause(ctx)
		}
		return fn(b, p, err)
	})
}

// eachSealed reads blobs of one pack with few reads and calls fn for each, in the order they lie there, with its box or the
// reason why that can't be read.
func (r *Repo) eachSealed(ctx context.Context, id crypto.ID, blobs []pack.Blob, fn func(b pack.Blob, sealed []byte, readErr error) error) error {
	slices.SortFunc(blobs, func(a, b pack.Blob) int { return cmp.Compare(a.Offset, b.Offset) })
	read := r.buffer(0)
	defer r.buffers.Put(read)
	for len(blobs) > 0 {
		n, length := span(blobs, r.most())
		readErr := errLarge
		if length <= maxBlob+crypto.Overhead {
			*read = slices.Grow((*read)[:0], length)[:length]
			readErr = r.loadRange(ctx, id, blobs[0].Type, *read, int64(blobs[0].Offset))
		}
		for _, b := range blobs[:n] {
			var sealed []byte
			if readErr == nil {
				sealed = (*read)[b.Offset-blobs[0].Offset:][:b.Length]
			}
			if err := fn(b, sealed, readErr); err != nil {
				return err
			}
		}
		blobs = blobs[n:]
	}
	return nil
}

// span returns how many of the blobs are read at once, and how many bytes that is: most at most.
func span(blobs []pack.Blob, most uint32) (n, length int) {
	start, end := blobs[0].Offset, blobs[0].Offset+blobs[0].Length
	for n = 1; n < len(blobs); n++ {
		b := blobs[n]
		if b.Offset < end || b.Offset-end > spanGap || b.Offset+b.Length-start > most {
			break
		}
		end = b.Offset + b.Length
	}
	return n, int(end - start)
}

// fromSpan opens a blob that was read with its neighbours, unless readErr says why it wasn't. If that comes to nothing, it
// is read by itself, then elsewhere. After an error of the storage only elsewhere: that was tried long enough, and
// each blob of a pack would wait for it anew.
func (r *Repo) fromSpan(ctx context.Context, here index.Location, sealed []byte, readErr error, buf []byte) ([]byte, error) {
	if readErr == nil {
		if plain, err := r.openBlob(sealed, here.Blob, buf); err == nil {
			return plain, nil
		}
		r.copies.distrust(here.Pack, here.Type)
	}
	var locations []index.Location
	if readErr == nil || errors.Is(readErr, storage.ErrShort) {
		locations = append(locations, here)
		readErr = nil
	} else {
		readErr = fmt.Errorf("load blob %s: %w", here.Handle, packError(here.Pack, here.Handle, readErr))
	}
	for _, l := range r.Index().Lookup(here.Handle) {
		if l != here {
			locations = append(locations, l)
		}
	}
	if len(locations) == 0 {
		return nil, readErr
	}
	plain, err := r.loadFrom(ctx, locations, buf)
	if err != nil {
		return nil, errors.Join(readErr, err)
	}
	return plain, nil
}

// PackBlobs returns the blobs of a pack as its own header lists them. Size is that of the file.
func (r *Repo) PackBlobs(ctx context.Context, id crypto.ID, size int64) ([]pack.Blob, error) {
	blobs, err := r.packBlobs(ctx, id, size)
	if errors.Is(err, ErrDamaged) { // maybe only on its way
		blobs, err = r.packBlobs(ctx, id, size)
	}
	if err != nil {
		return nil, fmt.Errorf("read header of %s: %w", Packs.short(id), err)
	}
	return blobs, nil
}

func (r *Repo) packBlobs(ctx context.Context, id crypto.ID, size int64) ([]pack.Blob, error) {
	tail, err := r.packTail(ctx, id, size, min(size, pack.TailSize))
	if err != nil {
		return nil, err
	}
	need, err := pack.TailNeeded(size, tail)
	if err == nil && need > len(tail) {
		if tail, err = r.packTail(ctx, id, size, int64(need)); err != nil {
			return nil, err
		}
	}
	var blobs []pack.Blob
	if err == nil {
		blobs, err = pack.Parse(r.key, size, tail)
	}
	if err != nil {
		return nil, &DamageError{Type: Packs, ID: id, Err: err}
	}
	return blobs, nil
}

func (r *Repo) packTail(ctx context.Context, id crypto.ID, size, n int64) ([]byte, error) {
	tail := make([]byte, n)
	if err := r.backend.Load(ctx, Packs.Name(id), tail, size-n); err != nil {
		return nil, packError(id, pack.Handle{}, err)
	}
	return tail, nil
}
