// Package differ compares two directories of a repository, mostly the roots of two snapshots.
//
// Both trees are walked at once and their nodes merged by name. A Change is a path that one of them lacks, or that
// differs; a path that is the same in both is passed by. Directories with one ID are equal with all they hold, so
// comparing two neighbours of a million files costs what changed, not what is there. Trees that come next are loaded
// ahead, a few for each level.
//
// The invariant: what can't be read on one side is never said to be added or removed. Its path is an *entry.Error, and
// the comparison goes on with the next one.
package differ

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"maps"
	"runtime"
	"slices"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
)

// Kind says how a path differs.
type Kind string

// The kinds. What is in an added or removed directory is added or removed path by path; so is what is in a directory
// that became something else, or was something else.
const (
	Added    Kind = "added"
	Removed  Kind = "removed"
	Modified Kind = "modified" // a file has other content, a link another target, a device another number
	Metadata Kind = "metadata" // only times, mode, owner or attributes differ
	Retyped  Kind = "retyped"  // it is of another type
)

// Change is a path that differs.
type Change struct {
	Path string // slash-separated, without a leading slash
	Kind Kind
	Old  *tree.Node // nil if Added
	New  *tree.Node // nil if Removed
}

// Silent reports whether the content of a file differs although its size, times, mode and owner do not: nothing that
// writes files does that, so one of the two was probably read from a failing disk.
func (c Change) Silent() bool {
	return c.Kind == Modified && c.New.Type == entry.File && c.Old.Size == c.New.Size &&
		c.Old.ChangeTime.Equal(c.New.ChangeTime) && sameMeta(c.Old, c.New)
}

// Options say what is wanted of a comparison besides its changes. The zero value wants nothing.
type Options struct {
	// Stats is filled while the changes are yielded, and complete after the last one; nil if nobody wants it. To know which
	// blobs are only on one side, the directories that are equal are read too.
	Stats *Stats
}

// Diff yields what differs between the trees a and b, in tree order. A null ID stands for an empty tree. The
// repository's index must be loaded. What can't be read is yielded as an *entry.Error; any other error (a root that
// can't be read, the end of ctx) is the last element.
//
// Whether metadata differs is judged by what a restore brings back: access and change times, inode numbers and the
// number of links don't count. Links are compared by their targets, devices by their numbers.
func Diff(ctx context.Context, r *repo.Repo, a, b crypto.ID, opt Options) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		w := walker{ctx: ctx, repo: r, yield: yield, ahead: max(r.Options().Connections, runtime.GOMAXPROCS(0))}
		defer w.loads.Wait()
		defer cancel()
		if opt.Stats != nil {
			*opt.Stats = Stats{}
			w.census = newCensus(opt.Stats)
		}
		w.run(a, b)
	}
}

// Compare returns how two nodes of one name differ, "" if not at all. One of them may be nil. What is in a directory is
// not compared.
func Compare(before, after *tree.Node) Kind {
	switch {
	case before == nil:
		return Added
	case after == nil:
		return Removed
	case before.Type != after.Type:
		return Retyped
	case !sameContent(before, after):
		return Modified
	case !sameMeta(before, after):
		return Metadata
	}
	return ""
}

func sameContent(a, b *tree.Node) bool {
	return slices.Equal(a.Content, b.Content) && a.LinkTarget == b.LinkTarget && a.Device == b.Device
}

func sameMeta(a, b *tree.Node) bool {
	return a.Mode == b.Mode && a.ModTime.Equal(b.ModTime) &&
		a.UID == b.UID && a.GID == b.GID && a.User == b.User && a.Group == b.Group &&
		slices.EqualFunc(a.Attributes, b.Attributes, sameAttribute) &&
		maps.EqualFunc(a.Generic, b.Generic, func(x, y json.RawMessage) bool { return bytes.Equal(x, y) })
}

func sameAttribute(a, b entry.Attribute) bool {
	return a.Name == b.Name && bytes.Equal(a.Value, b.Value)
}
