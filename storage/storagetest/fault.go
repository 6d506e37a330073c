package storagetest

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/backstay/backstay/clock"
)

// ErrInjected is wrapped by each error that Faulty makes up.
var ErrInjected = errors.New("injected fault")

// Fault is a way to fail.
type Fault string

// The ways to fail. Those from SilentCut on break the promises of a Backend: a store that lies.
const (
	None       Fault = ""
	Refuse     Fault = "refuse"      // any call: an error, and no effect
	LostAnswer Fault = "lost answer" // Save, Remove: it took effect, and an error all the same
	NoSpace    Fault = "no space"    // Save: ErrFull, as of a full disk
	ShortRead  Fault = "short read"  // Load: half of the bytes, and ErrShort
	CutList    Fault = "cut list"    // List: the first half of the files, then an error
	Late       Fault = "late"        // any call: after a delay

	SilentCut Fault = "silent cut" // List: the first half of the files, as if that were all
	EmptyList Fault = "empty list" // List: no file, as if there were none
	StaleList Fault = "stale list" // List: as it was some changes ago
	FlipName  Fault = "flip name"  // List: one bit of one name is wrong
	FlipBody  Fault = "flip body"  // Load: one bit is wrong
	Vanish    Fault = "vanish"     // Load, Stat: the file is gone, for good
	TornWrite Fault = "torn write" // Save: half of the file is there under its name, and an error
)

// fits says to which calls a fault applies.
func (f Fault) fits(op Op) bool {
	switch f {
	case Refuse, Late:
		return true
	case LostAnswer:
		return op == Save || op == Remove
	case NoSpace, TornWrite:
		return op == Save
	case ShortRead, FlipBody:
		return op == Load
	case CutList, SilentCut, EmptyList, StaleList, FlipName:
		return op == List
	case Vanish:
		return op == Load || op == Stat
	}
	return false
}

// At is a fault at one certain call.
type At struct {
	N     int   // the number of the call, from 1
	Op    Op    // counted are calls of this kind only; "": all calls
	Fault Fault // must fit the call, or the call goes through
}

// Faults says what a Faulty backend does. The zero value does nothing: it only keeps the trace.
type Faults struct {
	Seed   uint64            // the same seed does the same to the same calls on a name, in whatever order names are used
	Chance map[Fault]float64 // how likely each fault is for a call that it fits, 0 to 1
	At     []At              // come before those of chance

	Clock clock.Clock   // for Late; default clock.System
	Delay time.Duration // of Late
}

func (f Faults) withDefaults() Faults {
	if f.Clock == nil {
		f.Clock = clock.System
	}
	return f
}

// pick returns the fault for a call, and a number to choose its details by.
func (f Faults) pick(op Op, name string, n, ofOp, ofName int) (Fault, uint64) {
	detail := f.roll(op, name, ofName, None)
	for _, at := range f.At {
		if (at.Op == "" && at.N == n || at.Op == op && at.N == ofOp) && at.Fault.fits(op) {
			return at.Fault, detail
		}
	}
	for _, fault := range slices.Sorted(maps.Keys(f.Chance)) {
		if fault.fits(op) && float64(f.roll(op, name, ofName, fault)>>11)/(1<<53) < f.Chance[fault] {
			return fault, detail
		}
	}
	return None, detail
}

// roll returns a number that depends on the seed and its arguments alone.
func (f Faults) roll(op Op, name string, ofName int, fault Fault) uint64 {
	hash := sha256.Sum256(fmt.Appendf(nil, "%d %s %q %d %s", f.Seed, op, name, ofName, fault))
	return binary.LittleEndian.Uint64(hash[:])
}
