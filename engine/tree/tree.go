// Package tree reads and writes directories as a repository keeps them.
//
// A tree is one directory: a JSON list of its nodes. A node is one name in it with everything known of the entry: a
// file's node lists the blobs of its content, a directory's node names the blob that holds its own tree. A Builder
// makes a tree from nodes, a Decoder gives them back.
//
// A tree is named by the hash of its bytes, so equal directories must give equal bytes: fields stand in a fixed order,
// those that are zero are left out as restic leaves them out, and what restic wrote is the same after decoding and
// encoding. Names are any bytes: they are quoted like a Go string first and as a JSON string then.
//
// The invariant: in a tree from a Builder the names are safe (a single path element) and strictly ascending by their
// bytes. A tree from a repository may have been written by anybody, so a Decoder checks the same and reports each node
// that breaks it without giving up the others.
package tree

import (
	"fmt"
	"strings"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/entry"
)

// Node is one name in a tree.
type Node struct {
	entry.Meta
	Content []crypto.ID // of a File: its data blobs in order; empty, not nil, for an empty file. nil for other types
	Subtree crypto.ID   // of a Dir: the blob of its tree. null for other types
	Error   string      // what the writer could not read of the entry, "" in all but old snapshots
}

// Kind says what is wrong with a node or a tree.
type Kind string

// The kinds of problems. A node with a Duplicate or Unsorted name is complete; with any other problem it must not be
// restored, and its fields serve to tell people about it only.
const (
	Malformed   Kind = "not a tree"                // the tree is no JSON of the right shape: nothing can be read from here on
	BadValue    Kind = "unreadable value"          // a field has the wrong type or range
	BadName     Kind = "name with a broken escape" // Name is what stands in the tree
	UnsafeName  Kind = "unsafe name"               // empty, "." or "..", or with a slash or NUL in it
	UnknownType Kind = "unknown type"
	NoContent   Kind = "file without a content list"
	NoSubtree   Kind = "directory without a subtree"
	Duplicate   Kind = "duplicate name" // a node before has the same name
	Unsorted    Kind = "name out of order"
)

// ProblemError is a problem with one node, or with the rest of the tree if its Kind is Malformed.
type ProblemError struct {
	Kind Kind
	Name string // of the node, "" if it could not be read
	Err  error  // the cause of Malformed and BadValue, else nil
}

func (e *ProblemError) Error() string {
	var b strings.Builder
	if e.Kind != Malformed {
		fmt.Fprintf(&b, "node %q: ", e.Name)
	}
	b.WriteString(string(e.Kind))
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *ProblemError) Unwrap() error { return e.Err }

// problem returns what makes n unfit for a tree wherever it stands, "" if nothing.
func (n *Node) problem() Kind {
	switch {
	case !safeName(n.Name):
		return UnsafeName
	case !knownType(n.Type):
		return UnknownType
	case n.Type == entry.Dir && n.Subtree.IsNull():
		return NoSubtree
	}
	return ""
}

func safeName(name string) bool {
	return name != "" && name != "." && name != ".." && strings.IndexByte(name, '/') < 0 && strings.IndexByte(name, 0) < 0
}

func knownType(t entry.Type) bool {
	switch t {
	case entry.File, entry.Dir, entry.Symlink, entry.Device, entry.CharDev, entry.Fifo, entry.Socket:
		return true
	}
	return false
}
