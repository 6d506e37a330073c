package mount

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
)

func (m *mounted) loadBlob(id crypto.ID) ([]byte, int, error) {
	p, err := m.repo.LoadBlob(m.ctx, pack.Handle{ID: id, Type: pack.Data}, nil)
	return p, cap(p), err
}

// file is a regular file of a snapshot.
type file struct{ node }

var _ fs.NodeOpener = (*file)(nil)

// Open finds out where the blobs of the file begin. The kernel may keep what was read: it never changes.
func (f *file) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return nil, 0, syscall.EROFS
	}
	n, errno := f.stored(ctx)
	if errno != fs.OK {
		return nil, 0, errno
	}
	o := &openFile{file: f, ids: n.Content, size: int64(n.Size), last: -2, lost: make(map[int]bool)}
	if err := o.measure(f.repo); err != nil {
		f.fail(f.Path(nil), err)
	}
	return o, fuse.FOPEN_KEEP_CACHE, fs.OK
}

// openFile is a file that somebody reads. Its methods may be called from any goroutine.
type openFile struct {
	file *file
	ids  []crypto.ID
	ends []int64 // where each blob ends in the file; shorter than ids if a blob is not known
	size int64   // that the file is said to have

	mu   sync.Mutex   // guards what follows
	last int          // number of the blob read last; -2 before the first: one read alone is no reading on
	lost map[int]bool // blobs known to be damaged: the kernel asks for each page of one again
}

var (
	_ fs.FileReader  = (*openFile)(nil)
	_ fs.FileFlusher = (*openFile)(nil)
)

// Flush says that there is no such thing as flushing here, so that the kernel doesn't ask at each close again.
func (o *openFile) Flush(context.Context) syscall.Errno { return syscall.ENOSYS }

// measure fills in where the blobs end. An error says from where on the file can't be read.
func (o *openFile) measure(r *repo.Repo) error {
	o.ends = make([]int64, 0, len(o.ids))
	end := int64(0)
	for _, id := range o.ids {
		size, ok := r.Index().Size(pack.Handle{ID: id, Type: pack.Data})
		if !ok {
			return fmt.Errorf("from byte %d on: blob %s: %w", end, id.Short(), repo.ErrUnknownBlob)
		}
		end += int64(size)
		o.ends = append(o.ends, end)
	}
	if end < o.size {
		return fmt.Errorf("it is said to have %d bytes, but its blobs have %d", o.size, end)
	}
	return nil
}

// Read fills dest from the blobs that overlap it. If one of them can't be read nothing of it is: a short answer would
// mean that the file ends there. The kernel then asks again page by page.
func (o *openFile) Read(ctx context.Context, dest []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	if offset >= o.size {
		return fuse.ReadResultData(nil), fs.OK
	}
	dest = dest[:min(int64(len(dest)), o.size-offset)]
	i := sort.Search(len(o.ends), func(i int) bool { return o.ends[i] > offset })
	for filled := 0; filled < len(dest); i++ {
		if i == len(o.ends) {
			return nil, syscall.EIO // Open has reported it
		}
		p, errno := o.blob(ctx, i)
		if errno != fs.OK {
			return nil, errno
		}
		filled += copy(dest[filled:], p[offset+int64(filled)-o.start(i):])
	}
	return fuse.ReadResultData(dest), fs.OK
}

// blob returns blob number i, and has the next one loaded for who reads on from there.
func (o *openFile) blob(ctx context.Context, i int) ([]byte, syscall.Errno) {
	o.mu.Lock()
	readsOn := i == o.last+1
	o.last = i
	lost := o.lost[i]
	o.mu.Unlock()
	if lost {
		return nil, syscall.EIO
	}
	if readsOn && i+1 < len(o.ends) {
		o.file.blobs.ask(o.ids[i]) // has its turn first
		o.file.blobs.ask(o.ids[i+1])
	}
	p, err := o.file.blobs.get(ctx, o.ids[i])
	if err == nil && int64(len(p)) != o.ends[i]-o.start(i) {
		err = fmt.Errorf("blob %s has %d bytes, another number than the index says: %w", o.ids[i].Short(), len(p), repo.ErrDamaged)
	}
	if err == nil {
		return p, fs.OK
	}
	if errors.Is(err, repo.ErrDamaged) {
		o.mu.Lock()
		lost, o.lost[i] = o.lost[i], true
		o.mu.Unlock()
	}
	if lost { // another reader has reported it
		return nil, syscall.EIO
	}
	return nil, o.file.failed(ctx, fmt.Errorf("bytes %d to %d: %w", o.start(i), o.ends[i], err))
}

// start returns where blob number i begins in the file.
func (o *openFile) start(i int) int64 {
	if i == 0 {
		return 0
	}
	return o.ends[i-1]
}
