package checker

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/progress"
)

// How many bytes of a pack are read at once, unless a blob is larger. From near by the bytes are in the cache while they are hashed and
// opened; from afar it is the requests that take the time.
const (
	nearSpan    = 4 << 20
	distantSpan = 8 << 20
)

// readPacks reads in full the packs that were asked for, and those in which the walk met damage, to learn of all of it.
func (c *check) readPacks(ctx context.Context) error {
	chosen, total, err := c.choosePacks()
	if err != nil || len(chosen) == 0 {
		return err
	}
	c.opt.Progress.Send(progress.Event{Kind: progress.Total, Item: "packs", Files: int64(len(chosen)), Bytes: total})
	n, span := c.packReaders()
	readers := make(chan *packReader, n)
	for range n {
		readers <- &packReader{c: c, hash: sha256.New(), most: span}
	}
	var group errgroup.Group
	for id, blobs := range c.index.EachPack() {
		size, ok := chosen[id]
		if !ok {
			continue
		}
		if ctx.Err() != nil {
			break
		}
		pr := <-readers
		blobs = slices.Clone(blobs)
		group.Go(func() error {
			defer func() { readers <- pr }()
			pr.check(ctx, id, size, blobs)
			return nil
		})
	}
	_ = group.Wait() // no goroutine has an error
	return context.Cause(ctx)
}

// packReaders returns how many packs are in work at once, and how much of each is read at once. Where more are loaded at once than there
// are cores the storage is a distant one: then another one is hashed and opened meanwhile, so that it is seldom left waiting.
func (c *check) packReaders() (n int, span int64) {
	if c.workers > runtime.GOMAXPROCS(0) {
		return c.workers + 1, distantSpan
	}
	return c.workers, nearSpan
}

// choosePacks returns the packs to read, with their sizes, and the sum of these.
func (c *check) choosePacks() (chosen map[crypto.ID]int64, total int64, err error) {
	var packs []repo.FileInfo
	chosen = make(map[crypto.ID]int64)
	for id, p := range c.packs {
		if !p.listed || !p.indexed {
			continue
		}
		if c.opt.ReadData {
			packs = append(packs, repo.FileInfo{ID: id, Size: p.size})
		}
		if p.fault != nil && p.fault.kind == PackDamaged {
			chosen[id] = p.size
		}
	}
	slices.SortFunc(packs, func(a, b repo.FileInfo) int { return slices.Compare(a.ID[:], b.ID[:]) })
	packs, err = c.opt.Subset.choose(packs, c.r.Options().Rand)
	for _, p := range packs {
		chosen[p.ID] = p.Size
	}
	for _, size := range chosen {
		total += size
	}
	return chosen, total, err
}

// packReader reads packs in full, one after the other.
type packReader struct {
	c     *check
	hash  hash.Hash
	most  int64 // bytes of a span
	span  []byte
	plain []byte
}

// pass is what one reading of a pack showed.
type pass struct {
	err     error // why it could not be read to its end
	named   bool  // its hash is its name
	header  []pack.Blob
	headErr error // why there is no header
	bad     []pack.Handle
	badErr  error // of the first of them
}

// check reads a pack, a second time if the first shows damage, and blames it for what the second shows.
func (pr *packReader) check(ctx context.Context, id crypto.ID, size int64, blobs []pack.Blob) {
	skip := pr.seen(id)
	p := pr.read(ctx, id, size, blobs, skip)
	if ctx.Err() == nil && !p.good(blobs) {
		p = pr.read(ctx, id, size, blobs, nil)
	}
	if ctx.Err() != nil {
		return
	}
	pr.judge(id, blobs, p)
	c := pr.c
	c.mu.Lock()
	c.report.PacksRead++
	c.report.BytesRead += size
	c.mu.Unlock()
	c.opt.Progress.Send(progress.Event{Kind: progress.Advanced, Item: repo.Packs.Name(id), Bytes: size})
}

func (p *pass) good(blobs []pack.Blob) bool {
	return p.err == nil && p.named && p.headErr == nil && slices.Equal(p.header, blobs) && len(p.bad) == 0
}

// seen tells which blobs of the pack need not be opened if its hash is right: the walk found them whole, here.
func (pr *packReader) seen(id crypto.ID) func(pack.Blob) bool {
	c := pr.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.packs[id].fault != nil {
		return nil
	}
	return func(b pack.Blob) bool {
		if b.Type != pack.Tree {
			return false
		}
		n, ok := c.index.Number(b.Handle)
		l, _ := c.index.First(b.Handle)
		return ok && c.trees.has(n) && l == index.Location{Pack: id, Blob: b}
	}
}

// read reads a pack once from its start to its end. The blobs are those of the index, by their offsets; where they can't be
// right, those that its header lists are opened.
func (pr *packReader) read(ctx context.Context, id crypto.ID, size int64, blobs []pack.Blob, skip func(pack.Blob) bool) (p pass) {
	whole := pack.Fits(blobs, size)
	if !whole {
		if p.header, p.headErr = pr.c.r.PackBlobs(ctx, id, size); p.headErr == nil {
			blobs, whole = p.header, true
		} else {
			blobs, p.bad = inside(blobs, size)
		}
	}
	pr.hash.Reset()
	for at := int64(0); at < size; {
		n, end := nextSpan(blobs, at, size, pr.most, whole)
		pr.span = grow(pr.span, int(end-at))
		if p.err = pr.load(ctx, id, at); p.err != nil {
			for _, b := range blobs {
				p.bad = append(p.bad, b.Handle)
			}
			return p
		}
		pr.hash.Write(pr.span)
		for _, b := range blobs[:n] {
			if skip == nil || !skip(b) {
				pr.open(&p, b, at)
			}
		}
		blobs, at = blobs[n:], end
		if whole && at == size {
			p.header, p.headErr = pr.c.r.ParsePack(size, pr.span)
		}
	}
	p.named = crypto.ID(pr.hash.Sum(nil)) == id
	return p
}

// load fills the span. No more than c.workers do so at once.
func (pr *packReader) load(ctx context.Context, id crypto.ID, at int64) error {
	select {
	case pr.c.loading <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-pr.c.loading }()
	return pr.c.r.Backend().Load(ctx, repo.Packs.Name(id), pr.span, at)
}

func (pr *packReader) open(p *pass, b pack.Blob, at int64) {
	sealed := pr.span[int64(b.Offset)-at:][:b.Length]
	plain, err := pr.c.r.OpenBlob(sealed, b, pr.plain)
	if err == nil {
		pr.plain = plain
		return
	}
	p.bad = append(p.bad, b.Handle)
	p.badErr = cmp.Or(p.badErr, err)
}

// nextSpan returns how many blobs are read with the next span, and where it ends. After the last blob comes the header, at
// once if the pack is whole.
func nextSpan(blobs []pack.Blob, at, size, most int64, whole bool) (n int, end int64) {
	end = at
	for _, b := range blobs {
		next := int64(b.Offset) + int64(b.Length)
		if n > 0 && next-at > most {
			break
		}
		if n == 0 && int64(b.Offset)-at > most { // bytes that belong to no blob
			return 0, at + most
		}
		n, end = n+1, next
	}
	switch {
	case n > 0:
		return n, end
	case whole:
		return 0, size
	}
	return 0, min(size, at+most)
}

var errPackHash = errors.New("its hash is not its name")

// judge blames a pack for what its last reading showed.
func (pr *packReader) judge(id crypto.ID, blobs []pack.Blob, p pass) {
	c := pr.c
	loss := fmt.Errorf("%d of its %d blobs are damaged: %w", len(p.bad), len(blobs), cmp.Or(p.badErr, p.headErr))
	agreed := p.headErr != nil || slices.Equal(p.header, blobs)
	switch {
	case p.err != nil:
		c.blame(id, kindOf(p.err), p.err, p.bad)
	case !agreed && (p.named || len(p.bad) == 0):
		c.blameIndex(id, blobs, p.header)
	case len(p.bad) > 0 && p.named:
		c.blame(id, BlobDamaged, loss, p.bad)
	case len(p.bad) > 0:
		c.blame(id, PackDamaged, loss, p.bad)
	case p.headErr != nil:
		c.blame(id, PackHeader, p.headErr, nil)
	case !p.named:
		c.blame(id, PackHeader, errPackHash, nil)
	default:
		c.doubt(id)
	}
}

// doubt notes of a pack that is good that it was read wrongly before, twice: it is not damaged, but who knows what else the
// storage gives.
func (c *check) doubt(id crypto.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.packs[id].fault; f != nil && f.kind != PackSplit {
		f.kind, f.err = PackUnread, fmt.Errorf("it is good now, but was read wrongly before: %w", f.err)
		clear(f.blobs)
	}
}
