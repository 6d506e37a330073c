package checker

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
)

// Subset says which packs are read. The zero value is all of them.
type Subset struct {
	part, parts uint64  // part 1 to parts
	percent     float64 // of the bytes
	bytes       float64
}

// ParseSubset reads what people write: "3/10" is the third of ten parts, which together are all packs, and which are the
// same each time; "2.5%" is a share of the bytes and "500M" a number of them (K, M, G and T are powers of 1024), of packs
// chosen anew at random each time.
func ParseSubset(text string) (Subset, error) {
	var s Subset
	var err error
	if part, parts, ok := strings.Cut(text, "/"); ok {
		s.part, err = strconv.ParseUint(part, 10, 32)
		if err == nil {
			s.parts, err = strconv.ParseUint(parts, 10, 32)
		}
		if err != nil || s.part < 1 || s.part > s.parts {
			return Subset{}, fmt.Errorf("subset %q: it is like 3/10, the third of ten parts", text)
		}
		return s, nil
	}
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		s.percent, err = strconv.ParseFloat(percent, 64)
		if err != nil || !(s.percent > 0 && s.percent <= 100) {
			return Subset{}, fmt.Errorf("subset %q: it is like 2.5%%, more than 0%% and at most 100%%", text)
		}
		return s, nil
	}
	number, unit := text, 1.0
	if n := len(text); n > 0 {
		if i := strings.IndexByte("KMGT", text[n-1]&^0x20); i >= 0 && text[n-1] > '9' {
			number, unit = text[:n-1], math.Pow(1024, float64(i+1))
		}
	}
	s.bytes, err = strconv.ParseFloat(number, 64)
	s.bytes *= unit
	if err != nil || !(s.bytes > 0) || math.IsInf(s.bytes, 1) {
		return Subset{}, fmt.Errorf("subset %q: it is like 3/10, 2.5%% or 500M", text)
	}
	return s, nil
}

// choose returns the packs to read. Those of a share are drawn by numbers that follow from 32 bytes of rand.
func (s Subset) choose(packs []repo.FileInfo, rand io.Reader) ([]repo.FileInfo, error) {
	if s.parts > 0 {
		return slices.DeleteFunc(packs, func(p repo.FileInfo) bool { return binary.BigEndian.Uint64(p.ID[:])%s.parts != s.part-1 }), nil
	}
	if s == (Subset{}) {
		return packs, nil
	}
	target := s.bytes
	if s.percent > 0 {
		for _, p := range packs {
			target += float64(p.Size) * s.percent / 100
		}
	}
	var seed crypto.ID
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return nil, fmt.Errorf("choose packs: read random bytes: %w", err)
	}
	draw := func(id crypto.ID) crypto.ID { return crypto.Hash(append(seed[:], id[:]...)) }
	slices.SortFunc(packs, func(a, b repo.FileInfo) int {
		x, y := draw(a.ID), draw(b.ID)
		return bytes.Compare(x[:], y[:])
	})
	n := 0
	for ; n < len(packs) && target > 0; n++ {
		target -= float64(packs[n].Size)
	}
	return packs[:n], nil
}
