package chain

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"
)

// Kind is what is wrong with a log.
type Kind string

// The kinds of what is wrong.
const (
	Altered   Kind = "altered"   // an entry is not what its hash says
	Missing   Kind = "missing"   // entries are not there
	Misplaced Kind = "misplaced" // an entry is there twice, or not in its place
	Rewritten Kind = "rewritten" // entries and their hashes fit, but are not those that were signed
	CutOff    Kind = "cut-off"   // the log ends before the last entry that was signed
	Forged    Kind = "forged"    // a head is not signed with a key that is known
)

// Problem is the first place of a log that is wrong.
type Problem struct {
	Kind  Kind
	First uint64 // the number of the first entry that is wrong, or, where only heads tell of it, may be
	Last  uint64 // and of the last one that this problem is about; what comes after was not looked at
	Text  string // a sentence for a person: what it means
}

// Report is what was found in a log.
type Report struct {
	Entries uint64   // how many were read and found right
	Hash    Hash     // of the last of them
	Signed  Head     // the last head that the log agrees with; the zero value if there is none
	Problem *Problem // nil: nothing is wrong
}

// Unsigned returns how many entries came after the last head. Somebody who can write to the database can change those unnoticed.
func (r Report) Unsigned() uint64 { return r.Entries - r.Signed.Seq }

// Verify reads the entries of a log in their order and compares them with the heads: those of the database and those from elsewhere,
// in any order. It holds no more than one entry. It stops at the first problem, which is in the report. The error tells why the log
// could not be read to its end, and is no proof of anything.
func Verify(ctx context.Context, entries iter.Seq2[Entry, error], heads []Head, keys Keys) (Report, error) {
	v := verifier{keys: keys, heads: slices.Clone(heads)}
	slices.SortStableFunc(v.heads, func(a, b Head) int { return cmp.Or(cmp.Compare(a.Seq, b.Seq), a.Time.Compare(b.Time)) })
	v.heads = slices.CompactFunc(v.heads, Head.equal) // most are in the database and elsewhere as well
	v.matchHeads()
	for e, err := range entries {
		if v.report.Problem != nil {
			return v.report, nil
		}
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return v.report, fmt.Errorf("read entry %d: %w", v.report.Entries+1, err)
		}
		v.add(e)
	}
	if v.report.Problem == nil && v.next < len(v.heads) {
		v.end()
	}
	return v.report, nil
}

// verifier is a log that is being read.
type verifier struct {
	report Report
	heads  []Head // in the order of their entries
	next   int    // of heads: the first one that was not compared
	keys   Keys
}

// add takes the next entry.
func (v *verifier) add(e Entry) {
	want := v.report.Entries + 1
	switch {
	case e.Seq > want:
		v.wrong(Missing, want, e.Seq-1, "After entry %d comes entry %d: %s removed.", v.report.Entries, e.Seq, between(want, e.Seq-1, "was", "were"))
	case e.Seq < want:
		v.wrong(Misplaced, want, want, "Where entry %d should be there is entry %d, again or out of its place.", want, e.Seq)
	case e.Hash != Link(v.report.Hash, e.Seq, e.Record):
		v.wrong(Altered, want, want, "Entry %d is not what its hash says: it or its hash was changed, or an entry was put in, removed or moved there.", want)
	default:
		v.report.Entries, v.report.Hash = e.Seq, e.Hash
		v.matchHeads()
	}
}

// matchHeads compares the log up to here with the heads about it.
func (v *verifier) matchHeads() {
	for v.next < len(v.heads) && v.heads[v.next].Seq == v.report.Entries && v.report.Problem == nil {
		h := v.heads[v.next]
		switch err := v.keys.Check(h); {
		case err != nil:
			v.forged(h, err)
		case h.Hash != v.report.Hash:
			first := min(v.common(h)+1, h.Seq)
			v.wrong(Rewritten, first, h.Seq, "What was signed at %s for entry %d is not what the log has: %s replaced after that, or an older copy of the log was put back and written on.",
				when(h), h.Seq, between(first, h.Seq, "was", "were"))
		default:
			v.report.Signed = h
			v.next++
		}
	}
}

// common returns up to which entry the log is what it was when the head was signed, as far as heads tell: those signed before it do,
// those signed later may have been signed when the log was another one already.
func (v *verifier) common(h Head) (seq uint64) {
	for _, earlier := range v.heads[:v.next] {
		if earlier.Time.Before(h.Time) {
			seq = earlier.Seq
		}
	}
	return seq
}

// end is called where the log ends, with heads left that tell of more.
func (v *verifier) end() {
	last := v.heads[len(v.heads)-1]
	for _, h := range v.heads[v.next:] {
		if err := v.keys.Check(h); err != nil {
			v.forged(h, err)
			return
		}
	}
	gone, known := v.report.Entries+1, v.common(last)
	v.wrong(CutOff, known+1, last.Seq, "The log ends at entry %d, but at %s entry %d was signed: %s removed, or an older copy of the log was put back. What is left is known to be right up to entry %d.",
		v.report.Entries, when(last), last.Seq, between(gone, last.Seq, "was", "were"), known)
}

func (v *verifier) forged(h Head, why error) {
	v.wrong(Forged, h.Seq, h.Seq, "The head of %s for entry %d proves nothing: %v. It was changed or made up, or the key that signed it is not among those given.", when(h), h.Seq, why)
}

func (v *verifier) wrong(kind Kind, first, last uint64, text string, args ...any) {
	v.report.Problem = &Problem{Kind: kind, First: first, Last: last, Text: fmt.Sprintf(text, args...)}
}

func when(h Head) string { return h.Time.UTC().Format(time.RFC3339) }

// between names entries from first to last, with the verb for one or several.
func between(first, last uint64, one, several string) string {
	if first == last {
		return fmt.Sprintf("entry %d %s", first, one)
	}
	return fmt.Sprintf("entries %d to %d %s", first, last, several)
}
