package checker

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
)

// packState is what is known of a pack.
type packState struct {
	size   int64  // in the storage; meaningless unless listed
	digest uint64 // of what the first index file says of it

	listed, indexed bool
	repeated, split bool // in several index files, and there differently
	fault           *fault
}

// fault is what is wrong with a pack. Its fields are guarded by check.mu.
type fault struct {
	kind  Kind
	err   error
	all   bool                     // no blob of it can be read
	blobs map[pack.Handle]struct{} // else those that can't
}

// readIndex reads the index files, each by itself, and compares them with the packs that are there.
func (c *check) readIndex(ctx context.Context) error {
	files, err := c.list(ctx, repo.Index)
	if err != nil {
		return err
	}
	c.report.IndexFiles = len(files)
	seed := maphash.MakeSeed()
	err = each(ctx, c.workers, files, func(ctx context.Context, info repo.FileInfo) { c.readIndexFile(ctx, info.ID, seed) })
	if err != nil {
		return err
	}
	packs, err := c.list(ctx, repo.Packs)
	if err != nil {
		return err
	}
	for _, info := range packs {
		p := c.pack(info.ID)
		p.size, p.listed = info.Size, true
	}
	c.report.Packs = len(packs)
	c.report.Blobs = c.index.Count(pack.Data) + c.index.Count(pack.Tree)
	c.trees, c.data = newBitmap(c.index.Count(pack.Tree)), newBitmap(c.index.Count(pack.Data))
	return c.comparePacks(ctx)
}

func (c *check) readIndexFile(ctx context.Context, id crypto.ID, seed maphash.Seed) {
	var plain []byte
	err := twice(ctx, func() (err error) {
		plain, err = c.r.LoadFile(ctx, repo.Index, id)
		return err
	})
	if err == nil {
		err = index.Decode(plain, func(id crypto.ID, blobs []pack.Blob) error {
			c.named(id, blobs, seed)
			return nil
		})
	}
	if err == nil || ctx.Err() != nil {
		return
	}
	kind := IndexUnreadable
	if errors.Is(err, index.ErrFormat) {
		kind = WrongKind
	}
	f := about(kind, Error, file(repo.Index, id))
	if kind == WrongKind {
		f.Remedy = repairIndex
	}
	f.Message = fmt.Sprintf("%s: %v", f.Object, err)
	c.found(f)
}

// named takes in what an index file says of a pack.
func (c *check) named(id crypto.ID, blobs []pack.Blob, seed maphash.Seed) {
	c.index.Add(id, blobs)
	var digest uint64 // the order of the blobs is of no meaning
	for _, b := range blobs {
		digest += maphash.Comparable(seed, b)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pack(id)
	switch {
	case !p.indexed:
		p.indexed, p.digest = true, digest
	case p.digest == digest:
		p.repeated = true
	default:
		p.split = true
	}
}

// pack returns the state of a pack. Stages with several goroutines hold c.mu.
func (c *check) pack(id crypto.ID) *packState {
	p := c.packs[id]
	if p == nil {
		p = new(packState)
		c.packs[id] = p
	}
	return p
}

// comparePacks judges each pack that the index names by its size.
func (c *check) comparePacks(ctx context.Context) error {
	for id, blobs := range c.index.EachPack() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p := c.packs[id]
		err := c.seek(ctx, id, p)
		switch {
		case err != nil:
			c.blame(id, kindOf(err), err, nil)
			p.fault.all = true
		case !pack.Fits(blobs, p.size):
			c.compareHeader(ctx, id, p.size, blobs)
		}
		if p.split {
			c.blame(id, PackSplit, errors.New("index files list different blobs of it"), nil)
		} else if p.repeated {
			f := about(PackRepeated, Hint, file(repo.Packs, id))
			f.Message = fmt.Sprintf("several index files list %s", f.Object)
			c.found(f)
		}
		if slices.ContainsFunc(blobs, func(b pack.Blob) bool { return b.Type != blobs[0].Type }) {
			f := about(PackMixed, Warning, file(repo.Packs, id))
			f.Message = fmt.Sprintf("%s holds both data and trees", f.Object)
			c.found(f)
		}
	}
	return nil
}

// seek asks for a pack that the listing lacks: a listing may be short.
func (c *check) seek(ctx context.Context, id crypto.ID, p *packState) error {
	if p.listed {
		return nil
	}
	info, err := c.r.Backend().Stat(ctx, repo.Packs.Name(id))
	p.size, p.listed = info.Size, err == nil
	return err
}

// compareHeader finds out who is right, the index or the pack, where they can't both be. A header that can be read is right: it is
// sealed and fits the size of the file.
func (c *check) compareHeader(ctx context.Context, id crypto.ID, size int64, blobs []pack.Blob) {
	header, err := c.r.PackBlobs(ctx, id, size)
	switch {
	case err == nil:
		c.blameIndex(id, blobs, header)
	case !errors.Is(err, repo.ErrDamaged):
		c.blame(id, kindOf(err), err, nil)
	default:
		_, outside := inside(blobs, size)
		c.blame(id, PackSize, fmt.Errorf("its size of %d bytes is not what the index says, and its header is damaged: %w", size, err), outside)
	}
}

// blameIndex records that the index lists blobs that the pack doesn't have there.
func (c *check) blameIndex(id crypto.ID, blobs, header []pack.Blob) {
	right := make(map[pack.Blob]bool, len(header))
	for _, b := range header {
		right[b] = true
	}
	var wrong []pack.Handle
	for _, b := range blobs {
		if !right[b] {
			wrong = append(wrong, b.Handle)
		}
	}
	c.blame(id, IndexMismatch, fmt.Errorf("the index lists %d blobs of it, %d of them wrongly; it has %d", len(blobs), len(wrong), len(header)), wrong)
}

// inside parts the blobs into those that lie in order within the size, and others. The blobs are sorted by their offsets.
func inside(blobs []pack.Blob, size int64) (in []pack.Blob, outside []pack.Handle) {
	end := int64(0)
	for _, b := range blobs {
		if next := int64(b.Offset) + int64(b.Length); int64(b.Offset) >= end && next <= size && b.Length <= maxSealed {
			in, end = append(in, b), next
		} else {
			outside = append(outside, b.Handle)
		}
	}
	return in, outside
}

// blame records what is wrong with a pack.
func (c *check) blame(id crypto.ID, kind Kind, err error, blobs []pack.Handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pack(id)
	if p.fault == nil {
		p.fault = &fault{kind: kind, err: err, blobs: make(map[pack.Handle]struct{})}
	}
	if slices.Index(packKinds, kind) < slices.Index(packKinds, p.fault.kind) {
		p.fault.kind, p.fault.err = kind, err
	}
	for _, h := range blobs {
		p.fault.blobs[h] = struct{}{}
	}
}

// kindOf tells what an error of reading a pack means.
func kindOf(err error) Kind {
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return PackMissing
	case errors.Is(err, storage.ErrShort):
		return PackSize
	}
	return PackUnread
}
