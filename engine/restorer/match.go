package restorer

import (
	"context"
	"fmt"
	"io"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/entry"
)

// Match compares r with the chunks of a file and returns the ranges that differ. The holes of an r that is entry.Sparse are
// not read.
func (c *Contents) Match(ctx context.Context, e entry.Entry, r io.ReaderAt) ([]entry.Range, error) {
	ids, err := chunks(e)
	if err != nil {
		return nil, err
	}
	var differ []entry.Range
	m := newMatcher(r)
	offset := int64(0)
	for _, id := range ids {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		size, ok := c.r.Index().Size(pack.Handle{ID: id, Type: pack.Data})
		if !ok {
			return nil, fmt.Errorf("compare %q: chunk %s: %w", e.Path, id.Short(), repo.ErrUnknownBlob)
		}
		equal, err := m.equal(id, offset, int(size))
		if err != nil {
			return nil, fmt.Errorf("compare %q: %w", e.Path, err)
		}
		if !equal {
			differ = appendRange(differ, entry.Range{Offset: offset, Length: int64(size)})
		}
		offset += int64(size)
	}
	return differ, nil
}

// matcher compares the chunks of one file, in ascending order.
type matcher struct {
	r     io.ReaderAt
	holes entry.Sparse      // nil if r can't tell
	data  int64             // up to here there was a hole
	zeros map[int]crypto.ID // of chunks of zeros, by their size; a file has few sizes of them
	buf   []byte
}

func newMatcher(r io.ReaderAt) *matcher {
	holes, _ := r.(entry.Sparse)
	return &matcher{r: r, holes: holes, zeros: make(map[int]crypto.ID)}
}

// equal says whether the chunk is what stands at offset.
func (m *matcher) equal(id crypto.ID, offset int64, size int) (bool, error) {
	if m.holes != nil && offset >= m.data {
		var err error
		if m.data, err = m.holes.NextData(offset); err != nil {
			return false, err
		}
	}
	if cap(m.buf) < size {
		m.buf = make([]byte, size)
	}
	p := m.buf[:size]
	if offset+int64(size) <= m.data {
		return id == m.zero(p), nil
	}
	n, err := m.r.ReadAt(p, offset)
	if err != nil && err != io.EOF {
		return false, err
	}
	return n == size && crypto.Hash(p) == id, nil
}

// zero is the ID of a chunk of zeros as long as p, which it may overwrite.
func (m *matcher) zero(p []byte) crypto.ID {
	id, known := m.zeros[len(p)]
	if !known {
		clear(p)
		id = crypto.Hash(p)
		m.zeros[len(p)] = id
	}
	return id
}

// appendRange appends next, which comes after all of ranges, and joins it with the last one where they touch.
func appendRange(ranges []entry.Range, next entry.Range) []entry.Range {
	if n := len(ranges); n > 0 && ranges[n-1].Offset+ranges[n-1].Length == next.Offset {
		ranges[n-1].Length += next.Length
		return ranges
	}
	return append(ranges, next)
}
