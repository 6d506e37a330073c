package tree

import (
	"errors"
	"io"
	"slices"
	"strings"
)

// Element is a node as it was read.
type Element struct {
	Node
	Err error // the *ProblemError of the node, nil if it is sound
}

// bytesPerNode is about what a node takes in a tree.
const bytesPerNode = 350

// All reads the tree in p whole. The elements come in the order of their names, whatever their order in the tree: one that
// stands out of order there is sound here. Of several with one name the first of the tree comes first, and the others are
// Duplicate. An error is a *ProblemError of Kind Malformed: what came before it was read.
func (d *Decoder) All(p []byte) ([]Element, error) {
	d.Reset(p)
	elements := make([]Element, 0, len(p)/bytesPerNode+1)
	for {
		var e Element
		err := d.Next(&e.Node)
		var problem *ProblemError
		if err == io.EOF || errors.As(err, &problem) && problem.Kind == Malformed {
			if d.seen != nil { // a name was out of order
				slices.SortStableFunc(elements, func(a, b Element) int { return strings.Compare(a.Name, b.Name) })
			}
			if err == io.EOF {
				err = nil
			}
			return elements, err
		}
		if problem == nil || problem.Kind != Unsorted {
			e.Err = err
		}
		elements = append(elements, e)
	}
}
