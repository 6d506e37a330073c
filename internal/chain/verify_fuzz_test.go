package chain

import (
	"bytes"
	"slices"
	"testing"
)

// program changes a log as the bytes say, three for each change: what, where, and how. There are 30 changes at most.
func program(l *written, heads []Head, code []byte) {
	for code = code[:min(len(code), 90)]; len(code) >= 3; code = code[3:] {
		where, how := int(code[1]), int(code[2])
		if len(l.entries) > 0 {
			change(l, int(code[0])%10, where%len(l.entries), how)
		}
		if len(heads) > 0 && code[0]%10 == 9 {
			changeHead(&heads[where%len(heads)], how)
		}
	}
}

func change(l *written, what, i, how int) {
	e := &l.entries[i]
	switch what {
	case 0:
		flip(e, how)
	case 1:
		e.Hash[how%32] ^= 1 << (how % 8)
	case 2:
		e.Seq += uint64(how) - 128
	case 3:
		l.entries = slices.Delete(l.entries, i, i+1)
	case 4:
		l.entries = slices.Insert(l.entries, how%(len(l.entries)+1), *e)
	case 5:
		j := how % len(l.entries)
		l.entries[i], l.entries[j] = l.entries[j], l.entries[i]
	case 6:
		l.entries = l.entries[:i]
	case 7:
		l.rehash(i)
	case 8:
		e.Record = e.Record[:how%(len(e.Record)+1)]
	}
}

func changeHead(h *Head, how int) {
	switch how % 5 {
	case 0:
		h.Seq += uint64(how)
	case 1:
		h.Hash[how%32] ^= 1
	case 2:
		h.Time = h.Time.Add(1 << how)
	case 3:
		h.KeyID = h.KeyID[:how%(len(h.KeyID)+1)]
	case 4:
		h.Signature = h.Signature[:how%(len(h.Signature)+1)]
	}
}

// same reports whether a log begins with all the entries of another, as far as it matters: numbers, hashes and records.
func same(l, all written) bool {
	return len(l.entries) >= len(all.entries) && slices.EqualFunc(l.entries[:len(all.entries)], all.entries, func(a, b Entry) bool {
		return a.Seq == b.Seq && a.Hash == b.Hash && bytes.Equal(a.Record, b.Record)
	})
}

// Whatever is done to a log and to the heads in its database, it passes only if it has the very entries that the heads elsewhere tell of.
func FuzzVerify(f *testing.F) {
	all := newLog(12, 4)
	for _, seed := range [][]byte{{}, {0, 3, 1}, {0, 3, 1, 7, 3, 0}, {3, 5, 0, 7, 5, 0}, {6, 2, 0}, {4, 1, 12, 7, 11, 0}, {5, 2, 3, 5, 3, 2}, {9, 1, 4}, {8, 0, 0, 7, 0, 0}, {2, 1, 200}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, code []byte) {
		l, heads := all.clone(), slices.Clone(all.heads)
		program(&l, heads, code)
		r := verify(t, l, all.heads...)
		kept := same(l, all)
		if !kept && r.Problem == nil || kept && len(l.entries) == len(all.entries) && r.Problem != nil {
			t.Errorf("after %v: the entries are kept: %t, problem: %+v", code, kept, r.Problem)
		}
		if r.Problem == nil && (r.Entries != uint64(len(l.entries)) || r.Signed.Seq != 12) {
			t.Errorf("after %v: %+v", code, r)
		}
		if p := r.Problem; p != nil && (p.First > p.Last || p.Text == "" || r.Entries > p.Last) {
			t.Errorf("after %v: %+v", code, p)
		}
		l.heads = heads // changed ones, alone
		verify(t, l)
	})
}
