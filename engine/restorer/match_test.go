package restorer_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/restorer"
	"github.com/backstay/backstay/entry"
)

func TestMatchTellsWhichRangesDiffer(t *testing.T) {
	s := newSite(t)
	f := s.wanted(s.save(folder{"f": lines("0123", "4567", "89ab", "cde")}))[0]
	for there, want := range map[string][]entry.Range{
		"0123456789abcde":      nil,
		"0123456789abcde more": nil,
		"":                     {{Offset: 0, Length: 15}},
		"0123456789abcd":       {{Offset: 12, Length: 3}},
		"0123456x89abcde":      {{Offset: 4, Length: 4}},
		"x123456789xbcde":      {{Offset: 0, Length: 4}, {Offset: 8, Length: 4}},
		"01234xxxxxxbcde":      {{Offset: 4, Length: 8}},
	} {
		got, err := restorer.NewContents(s.repo, 0).Match(s.ctx, f, bytes.NewReader([]byte(there)))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("Match with %q, %v (-want +got)\n%s", there, err, diff)
		}
	}
}

func TestMatchCannotCompareWithALostChunk(t *testing.T) {
	s := newSite(t)
	f := s.wanted(s.save(folder{"f": []crypto.ID{crypto.Hash([]byte("gone"))}}))[0]
	if got, err := restorer.NewContents(s.repo, 0).Match(s.ctx, f, bytes.NewReader(nil)); !errors.Is(err, repo.ErrUnknownBlob) {
		t.Errorf("Match = %v, %v", got, err)
	}
}

// holed is a file with holes. Whatever of them is read counts.
type holed struct {
	content []byte
	hole    []bool // for each byte
	read    int
}

func (h *holed) ReadAt(p []byte, offset int64) (int, error) {
	for i := offset; i < min(offset+int64(len(p)), int64(len(h.content))); i++ {
		if h.hole[i] {
			h.read++
		}
	}
	return bytes.NewReader(h.content).ReadAt(p, offset)
}

func (h *holed) NextData(offset int64) (int64, error) {
	for ; offset < int64(len(h.content)) && h.hole[offset]; offset++ {
	}
	return offset, nil
}

// newHoled makes a file of runs of data and holes.
func newHoled(rng *rand.Rand, size int) *holed {
	h := &holed{content: make([]byte, size), hole: make([]bool, size)}
	for at := 0; at < size; {
		n, hole := 1+rng.IntN(40), rng.IntN(2) == 0
		for ; n > 0 && at < size; n, at = n-1, at+1 {
			if h.hole[at] = hole; !hole {
				h.content[at] = byte(rng.IntN(3)) // zeros that are stored, too
			}
		}
	}
	return h
}

func TestMatchKnowsHolesWithoutReadingThem(t *testing.T) {
	s := newSite(t)
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		there := newHoled(rng, rng.IntN(300))
		stored := bytes.Clone(there.content)
		for range rng.IntN(4) {
			stored = append(stored, make([]byte, rng.IntN(30))...)
			if len(stored) > 0 {
				stored[rng.IntN(len(stored))] ^= byte(rng.IntN(2))
			}
		}
		var cut chunks
		for rest := stored; len(rest) > 0; {
			n := min(len(rest), []int{1, 8, 8, 8, 20}[rng.IntN(5)])
			cut, rest = append(cut, rest[:n]), rest[n:]
		}
		f := s.wanted(s.save(folder{"f": cut}))[0]
		c := restorer.NewContents(s.repo, 0)
		got, err := c.Match(s.ctx, f, there)
		want, errPlain := c.Match(s.ctx, f, bytes.NewReader(there.content))
		if diff := cmp.Diff(want, got); diff != "" || err != nil || errPlain != nil {
			t.Fatalf("seed %d: Match, %v, %v (-as without holes +got)\n%s", seed, err, errPlain, diff)
		}
	}
	whole := &holed{content: make([]byte, 80), hole: slices.Repeat([]bool{true}, 80)}
	f := s.wanted(s.save(folder{"f": chunks{make([]byte, 40), make([]byte, 40)}}))[0]
	if got, err := restorer.NewContents(s.repo, 0).Match(s.ctx, f, whole); err != nil || got != nil || whole.read > 0 {
		t.Errorf("Match with a hole = %v, %v, and reads %d bytes of it", got, err, whole.read)
	}
}
