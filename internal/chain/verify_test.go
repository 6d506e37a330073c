package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const size = 10_000

// written is a log with heads, as a server writes it.
type written struct {
	entries []Entry
	heads   []Head
	start   time.Time
	every   int // so many entries have a head
}

func newLog(n, every int) written {
	l := written{start: start, every: every}
	l.write(n)
	return l
}

// write appends entries up to number n, with heads.
func (l *written) write(n int) {
	for i := len(l.entries) + 1; i <= n; i++ {
		when := l.start.Add(time.Duration(i) * time.Second).Format(time.RFC3339)
		l.append(fmt.Appendf(nil, `{"action":"plan.started","actor":{"name":"ada","role":"operator"},"address":"203.0.113.7","id":%d,`+
			`"object":{"id":"plan-%d","kind":"plan"},"result":"allowed","time":%q}`, i, i%17, when))
		if i%l.every == 0 || i == n {
			l.sign()
		}
	}
}

func (l *written) append(record []byte) {
	var last Entry
	if n := len(l.entries); n > 0 {
		last = l.entries[n-1]
	}
	l.entries = append(l.entries, Entry{last.Seq + 1, Link(last.Hash, last.Seq+1, record), record})
}

func (l *written) sign() {
	last := l.entries[len(l.entries)-1]
	l.heads = append(l.heads, signer.Sign(last.Seq, last.Hash, l.start.Add(time.Duration(last.Seq)*time.Second)))
}

// clone returns a log that can be changed; records are shared.
func (l written) clone() written {
	return written{slices.Clone(l.entries), slices.Clone(l.heads), l.start, l.every}
}

// rollback makes it what it was when it had n entries, a day later.
func (l *written) rollback(n int) {
	l.entries = l.entries[:n]
	l.heads = slices.DeleteFunc(l.heads, func(h Head) bool { return h.Seq > uint64(n) })
	l.start = l.start.AddDate(0, 0, 1)
}

// rehash makes numbers and hashes fit from entry i on, counted from 0, as who has the power over the database can, and takes away the
// heads that would tell.
func (l *written) rehash(i int) {
	var last Entry
	if i > 0 {
		last = l.entries[i-1]
	}
	for j := i; j < len(l.entries); j++ {
		e := &l.entries[j]
		e.Seq = last.Seq + 1
		e.Hash = Link(last.Hash, e.Seq, e.Record)
		last = *e
	}
	l.heads = slices.DeleteFunc(l.heads, func(h Head) bool { return h.Seq > uint64(i) })
}

func (l written) seq() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, e := range l.entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// verify verifies a log with its own heads and others.
func verify(t testing.TB, l written, outside ...Head) Report {
	t.Helper()
	report, err := Verify(t.Context(), l.seq(), append(slices.Clone(l.heads), outside...), keys)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestALogThatNobodyTouchedPasses(t *testing.T) {
	for _, n := range []int{1, 2, 100, 101, size} {
		l := newLog(n, 100)
		r := verify(t, l, l.heads...)
		if r.Problem != nil || r.Entries != uint64(n) || r.Signed.Seq != uint64(n) || r.Unsigned() != 0 || r.Hash != l.entries[n-1].Hash {
			t.Errorf("Verify of %d entries = %+v, %+v", n, r, r.Problem)
		}
	}
	if r := verify(t, written{}, signer.Sign(0, Hash{}, start)); r.Problem != nil || r.Entries != 0 {
		t.Errorf("Verify of an empty log = %+v", r)
	}
}

// attack changes a log at entry i, counted from 0. It returns false if there is nothing to change in that way.
type attack struct {
	name string
	do   func(l *written, i int) bool
	from int  // the first entry that is wrong then, from i
	once bool // computing the hashes anew changes nothing, or mends it
}

func flip(e *Entry, bit int) {
	if e.Record = bytes.Clone(e.Record); len(e.Record) == 0 {
		return
	}
	e.Record[bit/8%len(e.Record)] ^= 1 << (bit % 8)
}

var attacks = []attack{
	{"flip", func(l *written, i int) bool { flip(&l.entries[i], i*31); return true }, 0, false},
	{"delete", func(l *written, i int) bool { l.entries = slices.Delete(l.entries, i, i+1); return true }, 0, false},
	{"insert", func(l *written, i int) bool {
		made := l.entries[i]
		flip(&made, 9)
		l.entries = slices.Insert(l.entries, i, made)
		return true
	}, 0, false},
	{"repeat", func(l *written, i int) bool { l.entries = slices.Insert(l.entries, i, l.entries[i]); return true }, 1, false},
	{"reorder", func(l *written, i int) bool {
		if i+1 == len(l.entries) {
			return false
		}
		l.entries[i], l.entries[i+1] = l.entries[i+1], l.entries[i]
		return true
	}, 0, false},
	{"move to the end", func(l *written, i int) bool {
		if i+1 == len(l.entries) {
			return false
		}
		moved := l.entries[i]
		l.entries = append(slices.Delete(l.entries, i, i+1), moved)
		return true
	}, 0, false},
	{"swap the records", func(l *written, i int) bool {
		a, b := &l.entries[i], &l.entries[(i+len(l.entries)/2)%len(l.entries)]
		a.Record, b.Record = b.Record, a.Record
		return a != b
	}, 0, false},
	{"empty", func(l *written, i int) bool { l.entries[i].Record = nil; return true }, 0, false},
	{"truncate", func(l *written, i int) bool { l.entries = l.entries[:i]; return true }, 0, false},
	{"put back an old copy", func(l *written, i int) bool { l.rollback(i); return true }, 0, true},
	{"put back an old copy and write on", func(l *written, i int) bool {
		l.rollback(i)
		l.write(i + 2*l.every) // by the server, which signs it
		return true
	}, 0, true},
	{"change the hash", func(l *written, i int) bool { l.entries[i].Hash[i%32] ^= 1; return true }, 0, true},
	{"change the number", func(l *written, i int) bool { l.entries[i].Seq += 1 << (i % 40); return true }, 0, true},
}

// positions are where a log of n entries is attacked: a sample, or with BACKSTAY_SOAK=1 everywhere.
func positions(n int) (all []int) {
	if os.Getenv("BACKSTAY_SOAK") == "1" {
		for i := range n {
			all = append(all, i)
		}
		return all
	}
	random := rand.New(rand.NewPCG(4, 2026))
	all = []int{0, 1, 499, 500, n - 2, n - 1}
	for range 10 {
		all = append(all, random.IntN(n))
	}
	return all
}

// S7: each attack at each position is found, by one who leaves the hashes as they are and by one who computes them anew, and the
// problem names the place.
func TestEachAttackIsFoundAtEachPosition(t *testing.T) {
	l := newLog(size, 500)
	for _, a := range attacks {
		for _, rehashed := range []bool{false, true} {
			if rehashed && a.once {
				continue
			}
			t.Run(fmt.Sprintf("%s, hashes computed anew: %t", a.name, rehashed), func(t *testing.T) {
				t.Parallel()
				tried := 0
				for _, i := range positions(size) {
					changed := l.clone()
					if !a.do(&changed, i) {
						continue
					}
					if rehashed {
						changed.rehash(max(0, i-size/2)) // where a record may come from
					}
					tried++
					r := verify(t, changed, l.heads...)
					if r.Problem == nil && r.Unsigned() == 1 && a.name == "repeat" && i+1 == size {
						continue // it comes after all that was signed
					}
					if r.Problem == nil {
						t.Fatalf("at entry %d it passes", i+1)
					}
					first := uint64(i + 1 + a.from)
					if a.name == "swap the records" {
						first = min(first, uint64((i+size/2)%size+1))
					}
					guessed := r.Problem.Kind == Rewritten || r.Problem.Kind == CutOff
					if first < r.Problem.First || first > r.Problem.Last || !guessed && first != r.Problem.First || !guessed && rehashed {
						t.Errorf("at entry %d: the problem is said to be in %d to %d: %s", first, r.Problem.First, r.Problem.Last, r.Problem.Text)
					}
				}
				t.Logf("%d of %d found", tried, tried)
			})
		}
	}
}

func TestAProblemSaysWhatItMeans(t *testing.T) {
	l := newLog(500, 100)
	truncated, rewritten, removed, altered, again := l.clone(), l.clone(), l.clone(), l.clone(), l.clone()
	truncated.entries = truncated.entries[:449]
	flip(&rewritten.entries[249], 1)
	rewritten.rehash(249)
	removed.entries = slices.Delete(removed.entries, 9, 12)
	flip(&altered.entries[6], 1)
	again.entries = slices.Insert(again.entries, 3, again.entries[1])
	forged := l.clone()
	forged.heads[1] = other.Sign(200, l.entries[199].Hash, start)
	for _, c := range []struct {
		log         written
		kind        Kind
		first, last uint64
		text        string
	}{
		{truncated, CutOff, 401, 500, "The log ends at entry 449, but at 2026-11-27T12:08:20Z entry 500 was signed: entries 450 to 500 were removed, or an older copy of the log was put back. What is left is known to be right up to entry 400."},
		{rewritten, Rewritten, 201, 300, "What was signed at 2026-11-27T12:05:00Z for entry 300 is not what the log has: entries 201 to 300 were replaced after that, or an older copy of the log was put back and written on."},
		{removed, Missing, 10, 12, "After entry 9 comes entry 13: entries 10 to 12 were removed."},
		{altered, Altered, 7, 7, "Entry 7 is not what its hash says: it or its hash was changed, or an entry was put in, removed or moved there."},
		{again, Misplaced, 4, 4, "Where entry 4 should be there is entry 2, again or out of its place."},
		{forged, Forged, 200, 200, "The head of 2026-11-27T12:00:00Z for entry 200 proves nothing: it is signed with key \"" + other.id + "\", which is not known. It was changed or made up, or the key that signed it is not among those given."},
	} {
		r := verify(t, c.log, l.heads...)
		want := Problem{c.kind, c.first, c.last, c.text}
		if r.Problem == nil || *r.Problem != want {
			t.Errorf("got  %+v\nwant %+v", r.Problem, want)
		}
	}
}

func TestAForkIsNotHiddenByHeadsThatWereSignedAfterIt(t *testing.T) {
	l := newLog(500, 100)
	fork := l.clone()
	fork.rollback(150)
	fork.write(600)
	r := verify(t, fork, l.heads[2]) // of entry 300
	if r.Problem == nil || r.Problem.Kind != Rewritten || r.Problem.First != 101 || r.Problem.Last != 300 {
		t.Errorf("Verify = %+v, want entries 101 to 300 rewritten, of which entry 151 is the first", r.Problem)
	}
}

func TestAHeadThatSomebodyMadeUpAboutEntriesToComeIsForged(t *testing.T) {
	l := newLog(500, 100)
	r := verify(t, l, other.Sign(600, Hash{6}, start))
	if r.Problem == nil || r.Problem.Kind != Forged || r.Problem.First != 600 {
		t.Errorf("Verify = %+v, want a forged head", r.Problem)
	}
}

// This is the limit: what it tells is how much is not protected.
func TestWhatNoHeadTellsOfIsCountedAsUnsigned(t *testing.T) {
	l := newLog(500, 100)
	flip(&l.entries[249], 1)
	l.rehash(249)
	if r := verify(t, l); r.Problem != nil || r.Unsigned() != 300 || r.Signed.Seq != 200 {
		t.Errorf("Verify with heads up to 200 = %+v, %+v, want 300 unsigned entries", r, r.Problem)
	}
	l.heads = nil
	if r := verify(t, l); r.Problem != nil || r.Unsigned() != 500 {
		t.Errorf("Verify without heads = %+v, %+v, want 500 unsigned entries", r, r.Problem)
	}
}

func TestALogThatCannotBeReadIsNoProblemOfTheLog(t *testing.T) {
	l := newLog(10, 100)
	broken := errors.New("the database is gone")
	r, err := Verify(t.Context(), func(yield func(Entry, error) bool) {
		_ = yield(l.entries[0], nil) && yield(Entry{}, broken)
	}, l.heads, keys)
	if !errors.Is(err, broken) || r.Problem != nil || r.Entries != 1 || !strings.Contains(err.Error(), "entry 2") {
		t.Errorf("Verify = %+v, %v, want the error and no problem", r, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("somebody stopped it")
	cancel(why)
	if r, err := Verify(ctx, l.seq(), l.heads, keys); !errors.Is(err, why) || r.Problem != nil {
		t.Errorf("Verify of an ended context = %+v, %v, want its cause", r, err)
	}
}

func TestAVerifierHoldsOneEntry(t *testing.T) {
	const n = 200_000
	record := bytes.Repeat([]byte("x"), 300)
	var before, after runtime.MemStats
	var once sync.Once
	entries := func(yield func(Entry, error) bool) {
		var hash Hash
		for i := uint64(1); i <= n; i++ {
			once.Do(func() { runtime.GC(); runtime.ReadMemStats(&before) })
			hash = Link(hash, i, record)
			if !yield(Entry{i, hash, bytes.Clone(record)}, nil) {
				return
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
	}
	r, err := Verify(t.Context(), entries, nil, keys)
	if err != nil || r.Entries != n || r.Problem != nil {
		t.Fatalf("Verify = %+v, %v", r, err)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("%d bytes more are in use after %d entries", grown, n)
	}
}

func BenchmarkVerify(b *testing.B) {
	l := newLog(size, 500)
	for b.Loop() {
		if r := verify(b, l, l.heads...); r.Problem != nil {
			b.Fatal(r.Problem)
		}
	}
	b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
