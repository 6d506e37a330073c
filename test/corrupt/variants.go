package corrupt

import "slices"

// Variants returns all the ways to damage a Lab, each with a name of its own.
func Variants() []Variant { return slices.Concat(packs(), indexes(), trees(), files()) }
