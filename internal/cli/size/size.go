// Package size reads numbers of bytes as people write them, with or without a binary unit: 1000, 500K, 1.5G.
//
// The invariant: a size is never negative.
package size

import (
	"fmt"
	"strings"
)

// Flag is a flag of a command that holds a size.
type Flag int64

// String implements pflag.Value.
func (f *Flag) String() string { return fmt.Sprint(int64(*f)) }

// Type implements pflag.Value.
func (f *Flag) Type() string { return "SIZE" }

// Set implements pflag.Value.
func (f *Flag) Set(s string) error {
	n, err := Parse(s)
	*f = Flag(n)
	return err
}

// Parse returns a size in bytes.
func Parse(s string) (int64, error) {
	number := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(s), "B"), "I")
	unit := int64(1)
	if n := len(number); n > 0 {
		if i := strings.IndexByte("KMGT", number[n-1]); i >= 0 {
			number, unit = number[:n-1], 1<<(10*(i+1))
		}
	}
	var size float64
	var rest string
	if n, _ := fmt.Sscanf(number+" ", "%g%s", &size, &rest); n != 1 || !(size >= 0 && size*float64(unit) <= 1<<62) {
		return 0, fmt.Errorf("size %q: write it like 500M or 1.5G", s)
	}
	return int64(size * float64(unit)), nil
}
