//go:build linux

package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// result is all that a run of the benchmark found, as it is saved.
type result struct {
	Started time.Time `json:"started"`
	Machine string    `json:"machine"`
	Options options   `json:"options"`
	Rows    []row     `json:"rows"`

	out io.Writer
}

// row is one figure.
type row struct {
	Database string  `json:"database"`
	Stage    string  `json:"stage"`
	What     string  `json:"what"`
	Figure   string  `json:"figure"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	Most     float64 `json:"most,omitempty"` // what is allowed; 0: nothing is demanded unless None
	None     bool    `json:"none,omitempty"` // 0 is demanded
}

func (r row) verdict() string {
	switch {
	case r.Most == 0 && !r.None:
		return ""
	case r.Value > r.Most:
		return "missed"
	}
	return "ok"
}

func (r row) demand() string {
	switch {
	case r.None:
		return "0"
	case r.Most > 0:
		return fmt.Sprintf("<= %g %s", r.Most, r.Unit)
	}
	return "-"
}

func (res *result) add(r row) {
	res.Rows = append(res.Rows, r)
	fmt.Fprintf(res.out, "%s: %s: %s %.1f %s %s\n", r.Database, r.What, r.Figure, r.Value, r.Unit, r.verdict())
}

func (res *result) print() error {
	w := tabwriter.NewWriter(res.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\ndatabase\tstage\twhat\tfigure\tvalue\tdemand\tverdict\n")
	count := map[string]int{}
	for _, r := range res.Rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.1f %s\t%s\t%s\n", r.Database, r.Stage, r.What, r.Figure, r.Value, r.Unit, r.demand(), r.verdict())
		count[r.verdict()]++
	}
	fmt.Fprintf(w, "\n%d figures ok, %d missed, %d with nothing demanded\n", count["ok"], count["missed"], count[""])
	return w.Flush()
}

func (res *result) save(path string) error {
	b, err := json.MarshalIndent(res, "", "  ")
	if err == nil {
		err = os.WriteFile(path, append(b, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("save result: %w", err)
	}
	return nil
}

// percentile returns the value that p percent of all are not above.
func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}

func median[T cmp.Ordered](all []T) T { return slices.Sorted(slices.Values(all))[len(all)/2] }

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// thisMachine is what the figures were measured on.
func thisMachine() string {
	name := "unknown processor"
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
				name = strings.TrimSpace(value)
				break
			}
		}
	}
	load, _ := os.ReadFile("/proc/loadavg") // without it the line is shorter
	return fmt.Sprintf("%s, %d cores, %s, load %s", name, runtime.NumCPU(), runtime.Version(), strings.TrimSpace(string(load)))
}
