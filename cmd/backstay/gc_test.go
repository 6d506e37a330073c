package main

import "testing"

func TestTheHeapGrowsFreelyUpToALimitAndLittleBeyond(t *testing.T) {
	for live, limit := range map[uint64]uint64{0: freeHeap, 1 << 20: freeHeap, 28 << 20: freeHeap, 48 << 20: 53 << 20, 200 << 20: 220 << 20} {
		const roots = 1 << 20
		percent := growth(live, roots)
		goal := max(live+(live+roots)*uint64(percent)/100, 4<<20*uint64(percent)/100) // as the runtime computes it
		if goal > limit+1<<20 || goal < limit-1<<20 {
			t.Errorf("growth(%d, %d) = %d: the heap grows to %d, want about %d", live, roots, percent, goal, limit)
		}
	}
}
