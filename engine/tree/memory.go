package tree

import (
	"strings"

	"github.com/backstay/backstay/engine/crypto"
)

const (
	maxTextBlock = 4096 // bytes
	maxIDBlock   = 64   // ids
	maxWords     = 1000 // more means that they are no words shared by many nodes
)

// memory hands out the strings and slices of nodes, many of them from one allocation. Blocks are small, so that a node
// kept for long keeps little else with it, and smaller still where the tree is.
type memory struct {
	texts     strings.Builder // the block in use: strings are slices of what was written to it
	textBlock int
	idsLeft   []crypto.ID // unused capacity of the block in use
	idBlock   int
	words     map[string]string
}

// expect chooses blocks that suit a tree of size bytes: about one part in 16 is names.
func (m *memory) expect(size int) {
	m.textBlock = min(size/16, maxTextBlock)
	m.idBlock = min(size/512+1, maxIDBlock)
}

// text returns p as a string.
func (m *memory) text(p []byte) string {
	if m.texts.Cap()-m.texts.Len() < len(p) {
		m.texts.Reset()
		m.texts.Grow(max(len(p), m.textBlock))
	}
	start := m.texts.Len()
	m.texts.Write(p)
	return m.texts.String()[start:]
}

// word returns p as a string that is shared with equal ones.
func (m *memory) word(p []byte) string {
	if w, ok := m.words[string(p)]; ok {
		return w
	}
	if m.words == nil || len(m.words) == maxWords {
		m.words = map[string]string{}
	}
	w := string(p)
	m.words[w] = w
	return w
}

// ids returns an empty list to append to, which keep then takes back.
func (m *memory) ids() []crypto.ID {
	if cap(m.idsLeft) == 0 {
		m.idsLeft = make([]crypto.ID, 0, m.idBlock)
	}
	return m.idsLeft
}

// keep returns a list made from ids, which nothing else is appended to.
func (m *memory) keep(list []crypto.ID) []crypto.ID {
	n := len(list)
	switch {
	case n == 0:
		return []crypto.ID{}
	case n <= cap(m.idsLeft): // it did not outgrow the block
		m.idsLeft = m.idsLeft[n:n]
	}
	return list[:n:n]
}
