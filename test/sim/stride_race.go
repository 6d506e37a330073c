//go:build race

package sim

// Stride is how far a sweep goes with each step: one of four is taken, since the race detector makes them about eight times as
// slow. Without it a sweep takes all.
const Stride = 4
