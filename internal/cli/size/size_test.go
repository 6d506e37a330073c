package size_test

import (
	"testing"

	"github.com/backstay/backstay/internal/cli/size"
)

func TestAUnitIsBinary(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "1000": 1000, "500K": 500 << 10, "1KiB": 1 << 10, "1.5G": 3 << 29, "2tb": 2 << 40} {
		if got, err := size.Parse(text); err != nil || got != want {
			t.Errorf("Parse(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "NaN", "inf", "1e400", "M", "1X"} {
		if n, err := size.Parse(text); err == nil {
			t.Errorf("Parse(%q) = %d, want an error", text, n)
		}
	}
}

// A size is not negative.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"0", "500M", "1.5G", "1KiB", "-1", "NaN", "1e400", "inf", "5 M"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := size.Parse(s); err == nil && n < 0 {
			t.Fatalf("%q is %d bytes", s, n)
		}
	})
}
