package servers

import (
	"slices"
	"testing"
	"time"
)

// Compare has two sides do the same by turns, so that what else the machine does meets both, and reports the median of each and of how
// many times as fast ours is ("x-bare").
func Compare(b *testing.B, bare, ours func() error) {
	b.Helper()
	var times [2][]float64
	var ratios []float64
	for b.Loop() {
		var took [2]float64
		for i, side := range []func() error{bare, ours} {
			begun := time.Now()
			if err := side(); err != nil {
				b.Fatal(err)
			}
			took[i] = time.Since(begun).Seconds() * 1000
			times[i] = append(times[i], took[i])
		}
		ratios = append(ratios, took[0]/took[1])
	}
	b.ReportMetric(median(times[0]), "ms-bare")
	b.ReportMetric(median(times[1]), "ms-ours")
	b.ReportMetric(median(ratios), "x-bare")
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
