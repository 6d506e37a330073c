package retention_test

import (
	"testing"
	"time"

	"github.com/backstay/backstay/retention"
)

// A duration that is accepted is written in a form that means the same, and leads back in time.
func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"0", "1y5m7d2h", "3d", "12h", "-1d", "1y1y", "99999999999999999999y", "m"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		d, err := retention.ParseDuration(s)
		if err != nil {
			return
		}
		again, err := retention.ParseDuration(d.String())
		if err != nil || again != d {
			t.Fatalf("%q is %+v, written as %q, which is %+v, %v", s, d, d.String(), again, err)
		}
		if d.Years < 200 && d.Months < 2000 && d.Days < 50_000 && d.Hours < 1_000_000 && d.Before(now).After(now) {
			t.Fatalf("%q before %v is %v", s, now, d.Before(now))
		}
	})
}
