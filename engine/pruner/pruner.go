// Package pruner frees the space of what no snapshot needs.
//
// A blob is needed if a snapshot reaches it. All other blobs are unused, and so are further copies of a needed one: of several
// copies the same one is kept by everybody who looks at the same repository. Prepare finds out what is needed, and makes a
// Plan: which packs stay, which go, and which are partly needed and worth to be replaced by packs of their needed blobs alone.
// Apply carries it out, in this order:
//
//	remove packs that no index names
//	save the new packs, and an index of them
//	save new index files, and prove that the index is right with them and without those they replace
//	remove the index files that are replaced
//	remove the packs that go
//
// An index file stays as it is if all its packs do and no other file names them. Where several name the same packs, as after a run that
// was killed, the largest one stays that names each of its packs completely. What then is named no more goes into new files, and so
// do the packs of files that are less than half full. New ones are filled but for the last. So no prune that replaces any leaves
// more than twice as many index files as are needed for the blobs, and one.
//
// The invariant: at every moment the index files together name each needed blob in a pack that is there. So a run may be
// killed anywhere, and the next one finishes its work. Nothing is removed on the word of a listing alone: Prepare and
// Apply refuse (RefusedError) where what is listed doesn't agree with what snapshots and index files name.
package pruner

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/progress"
)

// Reasons to refuse, wrapped by a *RefusedError. Others are what could not be read: snapshot.FileError, repo.ErrDamaged.
var (
	// ErrNoSnapshots means that fewer snapshots are listed than there should be.
	ErrNoSnapshots = errors.New("too few snapshots are listed")
	// ErrMissing means that a blob which a snapshot needs is in no pack that is listed with its right size.
	ErrMissing = errors.New("data that snapshots need is missing")
	// ErrChanged means that snapshots or index files came or went since the plan was made.
	ErrChanged = errors.New("the repository has changed since the plan was made")
	// ErrWithout means that the plan was made as if some snapshots were gone.
	ErrWithout = errors.New("the plan leaves out snapshots that were there")
)

// RefusedError says why no space can be freed safely. Nothing was removed.
type RefusedError struct {
	Hint string // what to do next, a sentence
	Err  error
}

func (e *RefusedError) Error() string { return "nothing was removed: " + e.Err.Error() }

// Unwrap returns the reason.
func (e *RefusedError) Unwrap() error { return e.Err }

// Options say how much to do. The zero value is useful.
type Options struct {
	// MaxUnused is how much unused data may stay in packs that are partly needed, because replacing them takes time. By
	// default Percent(5).
	MaxUnused Limit
	MaxRepack int64 // bytes of packs that are replaced at most; 0: no bound. 1 leaves all partly needed packs as they are
	// RepackSmall also replaces packs that are far from full, if that makes fewer of them.
	RepackSmall bool
	// MinSnapshots is how many snapshots there are, as far as the caller knows. Fewer in the listing are a reason to refuse. If it is
	// 0, one at least is expected where there is any data.
	MinSnapshots int
	// AllowEmpty says that the caller knows for sure that no snapshot is left, as who has just removed the last one does.
	AllowEmpty bool
	// Without are snapshots that Prepare takes for removed, to foretell what a prune will free once they are. Such a plan is for
	// its Figures alone: Apply refuses it, whether they are there still or not.
	Without  map[crypto.ID]bool
	Progress progress.Func

	indexBlobs int // that make an index file full; tests have fewer
}

func (o Options) withDefaults() Options {
	if o.MaxUnused == nil {
		o.MaxUnused = Percent(5) // little space, and most packs that lost a blob or two are left alone
	}
	if o.indexBlobs == 0 {
		o.indexBlobs = index.MaxBlobs
	}
	return o
}

// Limit returns how many unused bytes may stay beside the given number of needed ones.
type Limit func(used int64) int64

// Percent limits the unused bytes to a part of all that stays; p is 0 to less than 100.
func Percent(p float64) Limit {
	return func(used int64) int64 {
		if n := p / (100 - p) * float64(used); n < math.MaxInt64 {
			return int64(n)
		}
		return math.MaxInt64
	}
}

// Bytes limits the unused bytes to n.
func Bytes(n int64) Limit { return func(int64) int64 { return n } }

// Unlimited lets all partly needed packs be.
func Unlimited(int64) int64 { return math.MaxInt64 }

// ParseLimit reads "5%", "unlimited", or a number of bytes, which K, M, G or T multiply by powers of 1024.
func ParseLimit(s string) (Limit, error) {
	if s == "unlimited" {
		return Unlimited, nil
	}
	if number, ok := strings.CutSuffix(s, "%"); ok {
		p, err := strconv.ParseFloat(number, 64)
		if err != nil || !(p >= 0 && p < 100) {
			return nil, fmt.Errorf("limit %q: want 0%% to less than 100%%", s)
		}
		return Percent(p), nil
	}
	number, shift := s, 0
	if i := strings.IndexAny(s, "KMGT"); i >= 0 && i == len(s)-1 {
		number, shift = s[:i], 10*(1+strings.IndexByte("KMGT", s[i]))
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>shift {
		return nil, fmt.Errorf("limit %q: want a percentage, a number of bytes such as 500M, or unlimited", s)
	}
	return Bytes(n << shift), nil
}
