package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The heap may grow to freeHeap before the garbage collector is of use: nearly every command derives a key at its start, which takes
// more than that. Beyond it the memory is buffers that live as long as the run, so that there is little to collect, and the
// heap may grow by leastGrowth percent only.
const (
	freeHeap    = 48 << 20
	leastGrowth = 10
)

// tuneGC sets after each collection how far the heap may grow until the next. A finalizer tells of the collection.
func tuneGC() {
	debug.SetGCPercent(leastGrowth) // until the first
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/globals:bytes"}, {Name: "/gc/scan/stack:bytes"}}
	var collected func(*[16]byte)
	collected = func(sentinel *[16]byte) {
		metrics.Read(samples)
		live, globals, stacks := samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64()
		debug.SetGCPercent(growth(live, globals+stacks))
		runtime.SetFinalizer(sentinel, collected)
	}
	runtime.SetFinalizer(new([16]byte), collected)
}

// growth returns the percentage for a heap of which live bytes are in use. The collector takes it of these and of the roots, the
// bytes of stacks and globals; or of 4 MiB if that comes to more.
func growth(live, roots uint64) int {
	if live >= freeHeap {
		return leastGrowth
	}
	return max(leastGrowth, int((freeHeap-live)*100/max(live+roots, 4<<20)))
}
