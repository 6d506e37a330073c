package storagetest

import (
	"fmt"
	"slices"
	"sync"
)

// Op is a kind of call.
type Op string

// The kinds of calls.
const (
	Save   Op = "save"
	Load   Op = "load"
	List   Op = "list"
	Stat   Op = "stat"
	Remove Op = "remove"
)

// Call is one call that a Faulty backend was asked for.
type Call struct {
	N      int    // its number among all calls, from 1, in the order in which they began
	Op     Op     //
	Name   string // of the file, or the folder of a listing
	Offset int64  // of a Load
	Size   int64  // bytes of a Save or a Load; files yielded by a List
	Fault  Fault  // what was done to it; None if it went through
	Done   bool   // it took effect in the backend below, whatever the caller was told
	Err    error  // what the caller was told
}

func (c Call) String() string {
	return fmt.Sprintf("%d %s %q at %d size %d fault %q done %t: %v", c.N, c.Op, c.Name, c.Offset, c.Size, c.Fault, c.Done, c.Err)
}

// trace keeps calls.
type trace struct {
	mu    sync.Mutex
	calls []Call         // guarded by mu
	ops   map[Op]int     // guarded by mu: calls of each kind so far
	same  map[string]int // guarded by mu: calls of each kind on each name so far
}

// begin numbers a call: among all, among those of its kind, and among those of its kind on its name.
func (t *trace) begin(op Op, name string) (n, ofOp, ofName int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ops == nil {
		t.ops, t.same = make(map[Op]int), make(map[string]int)
	}
	t.calls = append(t.calls, Call{N: len(t.calls) + 1, Op: op, Name: name})
	t.ops[op]++
	key := string(op) + " " + name
	t.same[key]++
	return len(t.calls), t.ops[op], t.same[key]
}

func (t *trace) end(c Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls[c.N-1] = c
}

func (t *trace) snapshot() []Call {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.calls)
}
