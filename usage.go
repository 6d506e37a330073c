package backstay

import "time"

// UsageDay is what was held on a day.
type UsageDay struct {
	Day       string `json:"day" doc:"In UTC, such as 2026-11-28"`
	Bytes     int64  `json:"bytes"`
	Snapshots int64  `json:"snapshots"`
}

// TrendDays is how many days tell how fast something grows, and fullWithin how far ahead that tells anything.
const (
	TrendDays  = 30
	fullWithin = 10 * 365
)

// Growth is by how many bytes a day something grows, from the days that it was measured on, the oldest first: the slope of the line through those of the last 30
// days for which the squares of the distances are least, Σ(x-x̄)(y-ȳ) / Σ(x-x̄)². It is 0 with fewer than three days.
func Growth(days []UsageDay, now time.Time) float64 {
	var xs, ys []float64
	var x, y float64
	for _, d := range days {
		at, err := time.Parse(time.DateOnly, d.Day)
		age := now.Sub(at).Hours() / 24
		if err != nil || age > TrendDays {
			continue
		}
		xs, ys = append(xs, -age), append(ys, float64(d.Bytes))
		x, y = x-age, y+float64(d.Bytes)
	}
	n := float64(len(xs))
	if n < 3 {
		return 0
	}
	var above, below float64
	for i := range xs {
		above += (xs[i] - x/n) * (ys[i] - y/n)
		below += (xs[i] - x/n) * (xs[i] - x/n)
	}
	if below == 0 {
		return 0
	}
	return above / below
}

// FullOn is when something that holds so much by now reaches its limit if it goes on growing so: now + (limit - bytes) / growth. There is none without a limit, for
// what doesn't grow, and if it would take longer than ten years.
func FullOn(bytes, limit int64, growth float64, now time.Time) *time.Time {
	if limit <= 0 || growth <= 0 {
		return nil
	}
	left := max(0, float64(limit-bytes)/growth)
	if left > fullWithin {
		return nil
	}
	at := now.Add(time.Duration(left * float64(24*time.Hour))).Truncate(time.Second)
	return &at
}
