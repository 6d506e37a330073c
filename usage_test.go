package backstay_test

import (
	"math"
	"testing"
	"time"

	"github.com/backstay/backstay"
)

func TestAStorageIsFullWhenTheLineThroughItsDaysMeetsItsLimit(t *testing.T) {
	now := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	ago := func(bytes ...int64) (days []backstay.UsageDay) { // of the last days, today last
		for i, b := range bytes {
			days = append(days, backstay.UsageDay{Day: now.AddDate(0, 0, i+1-len(bytes)).Format(time.DateOnly), Bytes: b})
		}
		return days
	}
	long := ago(append(append([]int64{}, make([]int64, 40)...), 100, 110, 120)...) // nothing for 40 days, of which the line sees 28
	gap := ago(100, 0, 0, 130)
	gap = append(gap[:1:1], ago(0, 120, 130)[1:]...)
	for _, c := range []struct {
		name         string
		days         []backstay.UsageDay
		bytes, limit int64
		growth       float64
		full         float64 // in days from now; 0 for never
	}{
		{"ten bytes a day", ago(100, 110, 120), 120, 170, 10, 5},
		{"ten a day with one day missing", gap, 130, 170, 10, 4},
		{"up and down, but growing", ago(100, 130, 120, 150), 150, 178, 14, 2},
		{"above its limit already", ago(100, 110, 120), 120, 110, 10, 1e-9},
		{"no limit", ago(100, 110, 120), 120, 0, 10, 0},
		{"shrinking", ago(120, 110, 100), 100, 170, -10, 0},
		{"flat", ago(120, 120, 120), 120, 170, 0, 0},
		{"two days", ago(110, 120), 120, 170, 0, 0},
		{"no days", nil, 120, 170, 0, 0},
		{"a byte a day, to a limit far away", ago(100, 101, 102), 102, 1e6, 1, 0},
		{"only the last 30 days count", long, 120, 1e6, 1.9911, 0},
	} {
		growth := backstay.Growth(c.days, now)
		if math.Abs(growth-c.growth) > 1e-3 {
			t.Errorf("%s: it grows by %v a day, want %v", c.name, growth, c.growth)
		}
		full := backstay.FullOn(c.bytes, c.limit, growth, now)
		if (full != nil) != (c.full != 0) || full != nil && math.Abs(full.Sub(now).Hours()/24-c.full) > 1e-3 {
			t.Errorf("%s: it is full on %v, want %v days from %v", c.name, full, c.full, now)
		}
	}
}
