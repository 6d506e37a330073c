package archiver

import (
	"errors"
	"slices"
	"sync"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/entry"
)

// maxChunks is how many chunks a file may have. One with more, 12 TiB as a rule but no more than 4 TiB of nothing but holes,
// is lost: the tree with its node would be too large to be read again, and no other file is to suffer for that.
const maxChunks = 8 << 20

var errTooLong = errors.New("it has more chunks than the tree of its directory can hold")

// content is what is read of a file, for one or several names of it.
type content struct {
	mu         sync.Mutex
	ids        [][]crypto.ID // by group
	chunks     int           // in work, and one for the reader
	size       uint64
	attributes []entry.Attribute
	flaw       string // why the attributes are not whole
	err        error
	done       bool
	names      []*leaf // that wait for it
}

func newContent(l *leaf) *content { return &content{chunks: 1, names: []*leaf{l}} }

// then has the leaf get the content too.
func (c *content) then(a *archive, l *leaf) {
	c.mu.Lock()
	if !c.done {
		c.names = append(c.names, l)
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	c.give(a, l)
}

// release says that one chunk, or the reader, is done with it. When the run has ended, what is lost is not this file.
func (c *content) release(a *archive, err error) {
	if a.ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	c.err = errors.Join(c.err, err)
	c.chunks--
	if c.chunks > 0 {
		c.mu.Unlock()
		return
	}
	names := c.names
	c.done, c.names = true, nil
	c.mu.Unlock()
	for _, l := range names {
		c.give(a, l)
	}
}

// give hands the content to a leaf. Nothing writes to it any more.
func (c *content) give(a *archive, l *leaf) {
	if c.err != nil {
		a.lost(l, c.err)
	} else {
		for i, n := range l.nodes {
			n.Content, n.Size, n.Attributes, n.Error = c.ids[i], c.size, c.attributes, c.flaw
		}
		a.archived(l)
	}
	a.done(l.dir)
}

// slot adds a place for the next chunk of a group, to be filled and then released.
func (c *content) slot(group int) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := c.ids[group]
	if len(ids) >= maxChunks {
		return 0, errTooLong
	}
	c.ids[group] = append(ids, crypto.ID{})
	c.chunks++
	return len(ids), nil
}

// repeat adds n times the same chunk of a group.
func (c *content) repeat(group int, id crypto.ID, n int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := c.ids[group]
	if n > int64(maxChunks-len(ids)) {
		return errTooLong
	}
	ids = slices.Grow(ids, int(n))
	for range n {
		ids = append(ids, id)
	}
	c.ids[group] = ids
	return nil
}

func (c *content) fill(group, slot int, id crypto.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids[group][slot] = id
}
