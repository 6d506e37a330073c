//go:build !race

package sim

// Stride is how far a sweep goes with each step: it takes all steps there are. The race detector makes them about eight times as
// slow; with it a sweep takes one of four.
const Stride = 1
