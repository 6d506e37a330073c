// Package source is what can be backed up and restored to.
//
// A Source opens a View: a still picture of the thing at one moment, from which entries are read in tree order (see
// package entry). A Restorer is a source's way back: it first plans, then applies just that plan. Adapters live in
// packages of their own (files, and later databases and directories); what each owes is written as tests in sourcetest.
package source

import (
	"context"
	"iter"

	"github.com/backstay/backstay/entry"
)

// Source is something that can be backed up.
type Source interface {
	// Open fixes the moment and returns the view of it. The caller closes the view.
	Open(ctx context.Context) (View, error)
}

// View is a source at one moment.
type View interface {
	// Entries yields every entry once, in tree order. It is ranged over once, by one goroutine. An *entry.Error loses
	// the entry it names and the iteration goes on; any other error is the last element.
	Entries(ctx context.Context) iter.Seq2[entry.Entry, error]
	// Parallel is how many contents may be open at once; 1 for a pipe.
	Parallel() int
	// Close ends the view and what belongs to it. Its error means that the view was not good: a dump that failed, a
	// snapshot that ran full. A backup of a view whose Close fails is no backup.
	Close() error
}

// Restorer is a place that entries are restored to.
type Restorer interface {
	// Plan says what would be done for each entry, and for what is in the way, in tree order, and changes nothing.
	Plan(ctx context.Context, entries iter.Seq2[entry.Entry, error], contents entry.Contents) iter.Seq2[entry.Change, error]
	// Apply does what plan says. It is given the same entries again, in the same order, and the changes of the plan
	// as Plan yielded them (a person may have turned actions into skip). It reports each change as it was done, a failed
	// one with the action Failed, from one goroutine at a time. Losing one entry does not end it. An error it returns does.
	Apply(ctx context.Context, plan iter.Seq2[entry.Change, error], entries iter.Seq2[entry.Entry, error], contents entry.Contents,
		report func(entry.Change)) error
}
