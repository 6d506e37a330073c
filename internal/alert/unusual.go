package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay"
)

// A run is unusual if one of its numbers is far from those of the good runs of the same type before it: more than factor times their
// median or less than that part of it, more than spread times as far from it as they usually are, and by so much that somebody would
// care. All three have to be so: the factor alone cries at small numbers, the spread alone at plans that hardly vary.
const (
	history    = 10 // how many runs before are looked at, at most
	enough     = 5  // and at least; before that nothing is known to be usual
	factor     = 3.0
	spread     = 5.0
	careTime   = 2 * time.Minute
	careAmount = 16 << 20
)

// unusual compares a good run with those before it, the newest first.
func unusual(last backstay.Run, before []backstay.Run) (f Finding, is bool) {
	var past []backstay.Run
	for _, r := range before {
		if r.State.Good() && r.Type == last.Type && len(past) < history {
			past = append(past, r)
		}
	}
	if len(past) < enough {
		return f, false
	}
	var all []string
	for _, number := range []struct {
		what  string
		of    func(backstay.Run) float64
		care  float64
		write func(float64) string
		less  bool // than usual matters, too
	}{
		{"took", func(r backstay.Run) float64 { return r.Duration().Seconds() }, careTime.Seconds(), seconds, false},
		{"read", func(r backstay.Run) float64 { return float64(r.Figures.Bytes) }, careAmount, amount, true},
		{"added", func(r backstay.Run) float64 { return float64(r.Figures.Added) }, careAmount, amount, false},
	} {
		usual, off := median(past, number.of)
		is := number.of(last)
		far := max(is-usual, usual-is)
		if far < number.care || far <= spread*off || !(is > usual*factor || number.less && is < usual/factor) {
			continue
		}
		all = append(all, fmt.Sprintf("it %s %s, usual are %s", number.what, number.write(is), number.write(usual)))
	}
	if len(all) == 0 {
		return f, false
	}
	return Finding{Kind: backstay.AlertRunUnusual, Severity: backstay.SeverityWarning, Run: last.ID, Text: "The last backup was unlike those before: " + strings.Join(all, "; ") + ".",
		Next: "See whether much was added, changed or removed at the source, on purpose."}, true
}

// median returns the median of a number of runs, and the median distance from it.
func median(runs []backstay.Run, of func(backstay.Run) float64) (middle, distance float64) {
	values := make([]float64, len(runs))
	for i, r := range runs {
		values[i] = of(r)
	}
	middle = centre(values)
	for i, v := range values {
		values[i] = max(v-middle, middle-v)
	}
	return middle, centre(values)
}

// centre is the middle one of the values, or what lies between the two. It sorts them.
func centre(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

func seconds(s float64) string { return (time.Duration(s) * time.Second).String() }

func amount(bytes float64) string {
	unit := 0
	for ; bytes >= 1024 && unit < 4; unit++ {
		bytes /= 1024
	}
	return fmt.Sprintf("%.1f %s", bytes, []string{"B", "KiB", "MiB", "GiB", "TiB"}[unit])
}
