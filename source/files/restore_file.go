package files

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
)

const (
	restoreKeep   = 64 << 20 // bytes from which on a file that was cut short is worth going on with
	restoreBlock  = 4 << 10  // bytes of the blocks that may become holes
	restorePrefix = ".backstay-"
)

// restoreTemp is the name that e has until it is complete. The same entry has the same one in the next restore.
func restoreTemp(e *entry.Entry) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d.%d", e.Name, e.Size, e.ModTime.Unix(), e.ModTime.Nanosecond()))
	return restorePrefix + hex.EncodeToString(sum[:10])
}

func restoreIsTemp(name string) bool {
	digits, found := strings.CutPrefix(name, restorePrefix)
	return found && len(digits) == 20 && strings.Trim(digits, "0123456789abcdef") == ""
}

// restoreFile is a file on its way into its place.
type restoreFile struct {
	*restoreItem
	r       *restorer
	temp    string
	handle  *restoreHandle
	id      atID                  // of the temporary file; zero before it is there
	known   restoreKnown          // of the temporary file
	old     bool                  // it holds bytes that an earlier restore left
	partial bool                  // only what differs from them is fetched
	end     atomic.Int64          // end of what was delivered
	solid   atomic.Int64          // end of what was written: behind it are only holes
	failed  atomic.Pointer[error] // first error of a write
	writing sync.Mutex            // the kernel lets one write to a file at a time, and has the others burn the processor
	done    bool                  // Done was called, by one goroutine before Fetch returned
}

func newRestoreFile(r *restorer, it *restoreItem) *restoreFile {
	f := &restoreFile{restoreItem: it, r: r, temp: restoreTemp(&it.entry)}
	f.handle = newRestoreHandle(f.open)
	return f
}

// open makes the temporary file, or opens it again after it was closed to make room.
func (f *restoreFile) open() (fd int, err error) {
	err = f.dir.change(f.r, func(dir int) error {
		if f.id != (atID{}) {
			fd, err = f.reopen(dir)
			return err
		}
		flags := unix.O_RDWR | unix.O_CREAT | unix.O_EXCL
		fd, err = atOpen(dir, f.temp, flags, f.firstMode())
		if err == unix.EEXIST { // a restore that was killed left it
			if err = atRemove(dir, f.temp, false); err == nil {
				fd, err = atOpen(dir, f.temp, flags, f.firstMode())
			}
		}
		return err
	})
	if err != nil {
		return -1, fmt.Errorf("open temporary file: %w", err)
	}
	if f.id == (atID{}) {
		st, err := atOpened(fd).stat()
		if err != nil {
			return -1, errors.Join(fmt.Errorf("stat temporary file: %w", err), unix.Close(fd))
		}
		f.id = atIDOf(st)
		f.known = restoreKnown{made: true, uid: st.Uid, gid: st.Gid, mode: st.Mode & 0o7777, bare: f.dir.bare}
	}
	return fd, nil
}

// firstMode is the mode of the temporary file: the final one where that gives nobody more than he will have. A file that may
// be gone on with is for its owner only, and one with an access list until it has it.
func (f *restoreFile) firstMode() uint32 {
	if f.entry.Size > restoreKeep || len(f.entry.Attributes) > 0 {
		return 0o600
	}
	return atMode(f.entry.Mode)&0o777 | 0o600
}

func (f *restoreFile) reopen(dir int) (int, error) {
	fd, err := atOpen(dir, f.temp, unix.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	st, err := atOpened(fd).stat()
	if err == nil && atIDOf(st) != f.id {
		err = errors.New("it was replaced while in use")
	}
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// resume finds what an earlier restore left of a large file and returns what is still to be fetched, nil for all. What
// somebody else may have put there, such as a second name of another file, is not written to.
func (f *restoreFile) resume() []entry.Range {
	if f.entry.Size <= restoreKeep {
		return nil
	}
	err := f.dir.use(func(dir int) error {
		st, err := atStat(dir, f.temp)
		if err != nil || st == nil {
			return err
		}
		if st.Mode == unix.S_IFREG|0o600 && st.Nlink == 1 && int(st.Uid) == f.r.t.uid {
			f.id, f.old = atIDOf(st), true
		}
		return nil
	})
	if err != nil || !f.old {
		return nil // open meets the same error, or makes the file anew
	}
	var ranges []entry.Range
	err = f.r.files.use(f.handle, func(fd int) (err error) {
		ranges, err = f.r.contents.Match(f.r.ctx, f.entry, atReader(fd))
		return err
	})
	if err != nil {
		return nil
	}
	f.partial = true
	return append([]entry.Range{}, ranges...) // not nil: that stands for all
}

// write puts p in its place, or leaves a hole for blocks of zeros.
func (f *restoreFile) write(p []byte, offset int64) error {
	restoreRaise(&f.end, offset+int64(len(p)))
	return f.r.files.use(f.handle, func(fd int) error {
		f.writing.Lock()
		defer f.writing.Unlock()
		for len(p) > 0 {
			n, zero := len(p), false
			if !f.r.t.opt.NoSparse {
				n, zero = restoreSpan(p, offset)
			}
			var err error
			switch {
			case !zero:
				err = atWrite(fd, p[:n], offset)
				restoreRaise(&f.solid, offset+int64(n))
			case f.old:
				err = atZero(fd, p[:n], offset)
			}
			if err != nil {
				return err
			}
			p, offset = p[n:], offset+int64(n)
		}
		return nil
	})
}

// restoreRaise makes v at least n.
func restoreRaise(v *atomic.Int64, n int64) {
	for {
		old := v.Load()
		if old >= n || v.CompareAndSwap(old, n) {
			return
		}
	}
}

// restoreSpan returns how many bytes at the start of p, which belongs at offset of a file, are alike: whole blocks of
// zeros, or anything else.
func restoreSpan(p []byte, offset int64) (n int, zero bool) {
	for n < len(p) {
		size := min(restoreBlock-int((offset+int64(n))%restoreBlock), len(p)-n)
		block := p[n : n+size]
		hole := size == restoreBlock && block[0] == 0 && bytes.Equal(block[1:], block[:size-1])
		if n > 0 && hole != zero {
			return n, zero
		}
		n, zero = n+size, hole
	}
	return n, zero
}

// complete gives the file its length and metadata and then its name. The metadata may be incomplete although the file
// is in its place.
func (f *restoreFile) complete() (kept restoreKept, incomplete, err error) {
	err = f.r.files.use(f.handle, func(fd int) error {
		size, notice := int64(f.entry.Size), ""
		if end := f.end.Load(); !f.partial && end != size {
			// The bytes are the truth; the size was noted before they were read.
			notice = fmt.Sprintf("has %d bytes, but %d are on record; ", end, size)
			size = end
		}
		if f.old || f.solid.Load() != size {
			if err := atRetry(func() error { return unix.Ftruncate(fd, size) }); err != nil {
				return fmt.Errorf("set length: %w", err)
			}
		}
		kept, incomplete = f.r.setMeta(f.dir.system, atOpened(fd), &f.entry, f.known)
		kept.notice = strings.TrimSuffix(notice+kept.notice, "; ")
		return nil
	})
	if err != nil {
		return restoreKept{}, nil, err
	}
	if err := f.r.files.close(f.handle); err != nil {
		return restoreKept{}, nil, fmt.Errorf("close temporary file: %w", err)
	}
	return kept, incomplete, f.dir.change(f.r, func(dir int) error { return f.commit(dir, f.temp) })
}

// discard removes the temporary file.
func (f *restoreFile) discard() error {
	err := f.r.files.close(f.handle)
	if f.id == (atID{}) {
		return err
	}
	return errors.Join(err, f.dir.change(f.r, func(dir int) error { return atRemove(dir, f.temp, false) }))
}

// commit gives what is complete under the name temp the name of the entry.
func (it *restoreItem) commit(dir int, temp string) error {
	replace := it.change.Action == entry.Overwrite
	err := atRename(dir, temp, it.entry.Name, replace)
	if replace && err == unix.EISDIR { // the plan emptied it
		if err = atRemove(dir, it.entry.Name, true); err == nil {
			err = atRename(dir, temp, it.entry.Name, false)
		}
	}
	if err == unix.EEXIST {
		err = fmt.Errorf("something has appeared there since the plan: %w", err)
	}
	if err != nil {
		return fmt.Errorf("rename temporary file: %w", err)
	}
	return nil
}
