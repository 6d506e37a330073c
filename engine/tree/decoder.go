package tree

import (
	"io"
	"iter"

	"github.com/backstay/backstay/engine/internal/jsonscan"
	"github.com/backstay/backstay/entry"
)

// Decode gives the nodes of the tree in p in their order. A *ProblemError comes with the node it is about; after one of
// Kind Malformed nothing follows. p must not change meanwhile; the nodes don't refer to it.
func Decode(p []byte) iter.Seq2[Node, error] {
	return func(yield func(Node, error) bool) {
		var d Decoder
		d.Reset(p)
		for {
			var n Node
			err := d.Next(&n)
			if err == io.EOF || !yield(n, err) {
				return
			}
		}
	}
}

// Decoder reads trees, one after the other; what many nodes have in common (names of users, zones) it keeps in memory
// once. The zero Decoder reads nothing. It must not be copied, and is not safe for use by several goroutines.
type Decoder struct {
	scanner jsonscan.Scanner
	state   state
	names   []string        // of the nodes so far, those out of order left out: ascending
	seen    map[string]bool // all names so far; nil until one is out of order
	memory
	times times
}

type state uint8

const (
	atEnd   state = iota // nothing is left
	atStart              // nothing is read
	inNodes              // in the list of nodes
	behind               // after the list of nodes
)

// Reset makes d read the tree in p, which must not change until its last node is read. The nodes don't refer to p.
func (d *Decoder) Reset(p []byte) {
	d.scanner.Reset(p)
	d.state = atStart
	d.names, d.seen = d.names[:0], nil
	d.expect(len(p))
}

// Next reads the next node into n, replacing all of it. At the end of the tree it returns io.EOF. Another error is a
// *ProblemError about n; the nodes after it can still be read, except that after one of Kind Malformed comes io.EOF.
func (d *Decoder) Next(n *Node) error {
	*n = Node{}
	if d.state == atStart {
		d.findNodes()
	}
	if d.state == inNodes {
		if d.scanner.Element() {
			return d.next(n)
		}
		d.state = behind
	}
	if d.state == behind {
		d.skipRest()
		return d.end()
	}
	return io.EOF
}

// findNodes enters the list of nodes.
func (d *Decoder) findNodes() {
	s := &d.scanner
	d.state = behind
	s.Object()
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		switch {
		case string(key) != "nodes":
			s.Skip()
		case s.Null(): // as some writers say an empty list
			return
		default:
			s.Array()
			d.state = inNodes
			return
		}
	}
	s.Fail("no list of nodes")
}

func (d *Decoder) skipRest() {
	s := &d.scanner
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		if string(key) == "nodes" {
			s.Fail("a second list of nodes")
		}
		s.Skip()
	}
}

// end reports an error of the document, once, or else io.EOF.
func (d *Decoder) end() error {
	d.state = atEnd
	if err := d.scanner.End(); err != nil {
		return &ProblemError{Kind: Malformed, Err: err}
	}
	return io.EOF
}

func (d *Decoder) next(n *Node) error {
	s := &d.scanner
	start := *s
	nameOK := d.readNode(n)
	if err := s.Err(); err != nil {
		*s = start
		if s.Skip(); s.Err() != nil {
			return d.end()
		}
		return &ProblemError{Kind: BadValue, Name: n.Name, Err: err}
	}
	kind := d.place(n.Name)
	switch own := n.problem(); {
	case !nameOK:
		kind = BadName
	case own != "":
		kind = own
	case n.Type == entry.File && n.Content == nil:
		kind = NoContent
	}
	if kind != "" {
		return &ProblemError{Kind: kind, Name: n.Name}
	}
	return nil
}

// place compares name with those before it.
func (d *Decoder) place(name string) Kind {
	inOrder := len(d.names) == 0 || name > d.names[len(d.names)-1]
	if !inOrder && d.seen == nil {
		d.seen = make(map[string]bool, len(d.names))
		for _, earlier := range d.names {
			d.seen[earlier] = true
		}
	}
	duplicate := d.seen[name]
	if d.seen != nil {
		d.seen[name] = true
	}
	switch {
	case inOrder:
		d.names = append(d.names, name)
		return ""
	case duplicate:
		return Duplicate
	}
	return Unsorted
}
