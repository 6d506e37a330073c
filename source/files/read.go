package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
)

// Open opens the file without following a link. What stands there by now has to be a regular file. It may have been replaced
// by another one, as editors do, unless it had several names: its content is taken to be that of all of them.
func (it *viewItem) Open(ctx context.Context) (io.ReadCloser, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if it.entry.Type != entry.File {
		return nil, fmt.Errorf("open: a %s has no content", it.entry.Type)
	}
	r := &viewReader{size: it.entry.Size, modTime: it.entry.ModTime}
	err := it.dir.use(func(dir int) (err error) {
		r.file, err = atOpenRead(dir, it.name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	var st unix.Stat_t
	err = unix.Fstat(int(r.file), &st)
	if err == nil && it.entry.Links > 1 && (st.Ino != it.entry.Inode || it.dir.view.picture.Device(st.Dev) != it.entry.DeviceID) {
		err = errors.New("another file has its name since its metadata was read")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open: %w", err), r.Close())
	}
	r.sparse = st.Size-st.Blocks*512 >= minHole
	return r, nil
}

// LinkTarget returns where the link points.
func (it *viewItem) LinkTarget() (target string, err error) {
	err = it.dir.use(func(dir int) error {
		target, err = atReadlink(dir, it.name)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read link: %w", err)
	}
	return target, nil
}

// Attributes returns the extended attributes. They are reached by way of /proc, since the calls take no directory. With an
// error it returns those that could be read.
func (it *viewItem) Attributes() (attributes []entry.Attribute, err error) {
	err = it.dir.use(func(dir int) error {
		names, err := atAttributeNames(dir, it.name)
		if err != nil {
			return fmt.Errorf("list attributes: %w", err)
		}
		path := atProc(dir) + "/" + it.name
		var lost error
		for _, name := range names {
			value, err := readAttribute(path, name)
			switch {
			case err == nil:
				attributes = append(attributes, entry.Attribute{Name: name, Value: value})
			case err != unix.ENODATA: // which says that it was removed meanwhile
				lost = errors.Join(lost, fmt.Errorf("attribute %q: %w", name, err))
			}
		}
		return lost
	})
	return attributes, err
}

func readAttribute(path, name string) ([]byte, error) {
	for size := 256; ; size *= 4 {
		p := make([]byte, size)
		n, err := unix.Lgetxattr(path, name, p)
		if err == unix.ERANGE && size < 1<<20 { // Linux allows 64 KiB
			continue
		}
		if err != nil {
			return nil, err
		}
		return slices.Clip(p[:n]), nil
	}
}

// minHole is the shortest hole that is worth not reading; each one takes calls too.
const minHole = 64 << 10

var _ entry.FileReader = (*viewReader)(nil)

// viewReader reads one file. Holes are not read but made up.
type viewReader struct {
	file    atReader
	offset  int64
	sparse  bool
	hole    int64 // sparse: there is no data between offset and here
	size    uint64
	modTime time.Time
}

func (r *viewReader) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.sparse && r.offset >= r.hole {
		if r.hole, err = r.NextData(r.offset); err != nil {
			return 0, err
		}
	}
	if hole := r.hole - r.offset; hole >= minHole {
		n = int(min(hole, int64(len(p))))
		clear(p[:n])
		r.offset += int64(n)
		return n, nil
	}
	err = atRetry(func() error {
		n, err = unix.Pread(int(r.file), p, r.offset)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read at %d: %w", r.offset, err)
	}
	if n == 0 {
		return 0, io.EOF
	}
	r.offset += int64(n)
	return n, nil
}

// NextData is that of entry.Sparse.
func (r *viewReader) NextData(offset int64) (int64, error) {
	if !r.sparse {
		return offset, nil
	}
	return r.file.NextData(offset)
}

// SkipTo makes offset the place that is read next.
func (r *viewReader) SkipTo(offset int64) { r.offset = offset }

// Changed says whether the file has another size or modification time than its entry.
func (r *viewReader) Changed() (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(r.file), &st); err != nil {
		return false, fmt.Errorf("read metadata: %w", err)
	}
	return uint64(st.Size) != r.size || !time.Unix(st.Mtim.Unix()).Equal(r.modTime), nil
}

func (r *viewReader) Close() error { return unix.Close(int(r.file)) }
