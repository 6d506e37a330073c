package restorer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/entry"
)

// ErrForeign means that an entry did not come from Entries, or is no file.
var ErrForeign = errors.New("not a file of a snapshot")

// Contents hands out the bytes of the entries that Entries yielded. It implements entry.Contents.
type Contents struct {
	r       *repo.Repo
	workers int
}

// NewContents returns the Contents of a repository whose index is loaded. At most workers packs are read at once; 0 stands
// for as many as the repository has connections, and at least one for each processor.
func NewContents(r *repo.Repo, workers int) *Contents {
	if workers == 0 {
		workers = max(r.Options().Connections, runtime.GOMAXPROCS(0))
	}
	return &Contents{r: r, workers: workers}
}

// chunks returns the IDs of the chunks of a file.
func chunks(e entry.Entry) ([]crypto.ID, error) {
	n, ok := e.Content.(*node)
	if !ok || e.Type != entry.File {
		return nil, fmt.Errorf("read %q: %w", e.Path, ErrForeign)
	}
	return n.Content, nil
}

// Open returns the bytes of a file in order. A few chunks are loaded ahead.
func (c *Contents) Open(ctx context.Context, e entry.Entry) (io.ReadCloser, error) {
	ids, err := chunks(e)
	if err != nil {
		return nil, err
	}
	return newStream(ctx, c.r, ids), nil
}

// Fetch delivers the bytes of the wanted files to sink, pack by pack, each chunk read and opened once. A chunk that is
// lost costs the files that hold it, whose Done gets the reason.
func (c *Contents) Fetch(ctx context.Context, wanted []entry.Entry, sink entry.Sink) error {
	f := newFetch(c.r, sink, len(wanted))
	for i, e := range wanted {
		ids, err := chunks(e)
		if err != nil {
			return err
		}
		f.add(i, ids)
	}
	group, loading := errgroup.WithContext(ctx)
	group.SetLimit(c.workers)
	for _, p := range f.packs {
		if loading.Err() != nil {
			break
		}
		group.Go(func() error { return f.load(loading, p) })
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("fetch contents: %w", err)
	}
	return context.Cause(ctx)
}

// fetch is one call of Fetch.
type fetch struct {
	r      *repo.Repo
	sink   entry.Sink
	files  []file
	places []place
	blobs  map[crypto.ID]int // first of the places that want it
	packs  []*packWant       // in the order in which the files need them
	byID   map[crypto.ID]*packWant
}

// file is the state of one wanted entry.
type file struct {
	mu   sync.Mutex
	left int // places not yet filled, and one until all are known
	err  error
}

// place is where a chunk goes.
type place struct {
	file   int
	offset int64
	next   int // another place for the same chunk; -1: none
}

type packWant struct {
	id    crypto.ID
	blobs []pack.Blob
}

func newFetch(r *repo.Repo, sink entry.Sink, n int) *fetch {
	return &fetch{r: r, sink: sink, files: make([]file, n), blobs: make(map[crypto.ID]int), byID: make(map[crypto.ID]*packWant)}
}

// add takes note of what file i wants.
func (f *fetch) add(i int, ids []crypto.ID) {
	f.files[i].left = 1
	var lost error
	ranges := f.sink.Want(i)
	offset := int64(0)
	for _, id := range ids {
		location, ok := f.r.Index().First(pack.Handle{ID: id, Type: pack.Data})
		if !ok {
			lost = fmt.Errorf("chunk %s: %w", id.Short(), repo.ErrUnknownBlob)
			break
		}
		size := int64(location.PlainLength())
		if overlaps(ranges, offset, size) {
			f.want(i, offset, location.Pack, location.Blob)
		}
		offset += size
	}
	f.done(i, lost)
}

func overlaps(ranges []entry.Range, offset, size int64) bool {
	for _, r := range ranges {
		if r.Offset < offset+size && offset < r.Offset+r.Length {
			return true
		}
	}
	return ranges == nil
}

func (f *fetch) want(i int, offset int64, packID crypto.ID, b pack.Blob) {
	f.files[i].left++
	first, known := f.blobs[b.ID]
	if !known {
		first = -1
		p := f.byID[packID]
		if p == nil {
			p = &packWant{id: packID}
			f.byID[packID] = p
			f.packs = append(f.packs, p)
		}
		p.blobs = append(p.blobs, b)
	}
	f.blobs[b.ID] = len(f.places)
	f.places = append(f.places, place{file: i, offset: offset, next: first})
}

// load delivers all chunks that are wanted of a pack.
func (f *fetch) load(ctx context.Context, p *packWant) error {
	return f.r.LoadPack(ctx, p.id, p.blobs, func(b pack.Blob, plain []byte, err error) error {
		for at := f.blobs[b.ID]; at >= 0; at = f.places[at].next {
			to := f.places[at]
			failed := err
			if failed == nil && !f.failed(to.file) {
				failed = f.sink.WriteAt(to.file, plain, to.offset)
			}
			f.done(to.file, failed)
			if ctx.Err() != nil { // a chunk of zeros may have very many places
				return context.Cause(ctx)
			}
		}
		return nil
	})
}

func (f *fetch) failed(i int) bool {
	f.files[i].mu.Lock()
	defer f.files[i].mu.Unlock()
	return f.files[i].err != nil
}

// done takes note that one place of file i is filled, or lost, and tells the sink after the last one.
func (f *fetch) done(i int, err error) {
	s := &f.files[i]
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.left--
	last, err := s.left == 0, s.err
	s.mu.Unlock()
	if last {
		f.sink.Done(i, err)
	}
}
