//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/backstay/backstay/test/bench/dataset"
)

// result is all that a run of the benchmark found, as it is saved.
type result struct {
	Started  time.Time                `json:"started"`
	Machine  machine                  `json:"machine"`
	Engines  [2]engine                `json:"engines"` // a and b of the rows
	Settings settings                 `json:"settings"`
	Sets     map[string]dataset.Stats `json:"sets"`
	Rows     []row                    `json:"rows"`
	Samples  []sample                 `json:"samples"` // in the order they were measured
}

func (s sample) String() string {
	text := fmt.Sprintf("%s: %-9s %-12s wall %7.2f s, user %7.2f s, system %6.2f s, peak %6.1f MiB, own %6.1f MiB, repository %.1f MB in %d files, load %s",
		s.Set, s.Op, s.Engine, s.Wall, s.User, s.System, float64(s.Peak)/(1<<20), float64(s.Own)/(1<<20), float64(s.RepositoryBytes)/1e6, s.RepositoryFiles, s.Load)
	if s.Wrong != "" {
		text += "\n  WRONG: " + s.Wrong
	}
	return text
}

// print writes the medians with their ratios and verdicts, then all raw figures.
func (r result) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	a, b := r.Engines[0].Name, r.Engines[1].Name
	fmt.Fprintf(w, "\nMedians of %d rounds\nset\toperation\tfigure\t%s\t%s\tratio\tmust\tverdict\n", r.Settings.Rounds, a, b)
	titles := map[string]string{}
	for _, o := range ops() {
		titles[o.name] = o.title
	}
	for _, row := range r.Rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.2f %s\t%.2f %s\t%.2f\t%s\t%s\n",
			row.Set, titles[row.Op], row.Figure, row.A, row.Unit, row.B, row.Unit, row.Ratio, row.demand(), row.verdict())
	}
	fmt.Fprint(w, "\nRaw figures, in the order they were measured\n",
		"set\tround\toperation\tengine\twall s\tuser s\tsystem s\tpeak bytes\town bytes\trepository bytes\trepository files\texit\tload\n")
	for _, s := range r.Samples {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%.3f\t%.3f\t%.3f\t%d\t%d\t%d\t%d\t%d\t%s\n", s.Set, s.Round, s.Op, s.Engine, s.Wall, s.User, s.System,
			s.Peak, s.Own, s.RepositoryBytes, s.RepositoryFiles, s.Exit, s.Load)
	}
	fmt.Fprintln(w)
	count := map[string]int{}
	for _, row := range r.Rows {
		count[row.verdict()]++
	}
	fmt.Fprintf(w, "%d figures ok, %d missed, %d wrong, %d with nothing demanded\n", count["ok"], count["missed"], count["wrong"], count[""])
	return w.Flush()
}

// demand is the must column.
func (r row) demand() string {
	switch {
	case r.Limit > 0:
		return fmt.Sprintf("<= %g %s", r.Limit, r.Unit)
	case r.Must > 0:
		return fmt.Sprintf("<= %.2f", r.Must)
	}
	return "-"
}

// wrong tells whether any command failed or restored another tree.
func (r result) wrong() bool {
	for _, s := range r.Samples {
		if s.Wrong != "" {
			return true
		}
	}
	return false
}

func (r result) save(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("save result: %w", err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("save result: %w", err)
	}
	return nil
}
