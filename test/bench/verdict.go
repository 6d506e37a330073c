//go:build linux

package main

import (
	"cmp"
	"slices"
)

// figure is one of the things that are compared.
type figure struct {
	name string
	unit string
	of   func(s sample) float64
}

func figures() []figure {
	return []figure{
		{"wall", "s", func(s sample) float64 { return s.Wall }},
		{"cpu", "s", func(s sample) float64 { return s.CPU() }},
		{"peak", "MiB", func(s sample) float64 { return float64(s.Peak) / (1 << 20) }},
		{"own memory", "MiB", func(s sample) float64 { return float64(s.Own) / (1 << 20) }},
		{"repository", "MB", func(s sample) float64 { return float64(s.RepositoryBytes) / 1e6 }},
	}
}

// row is the medians of one figure of one operation, side by side.
type row struct {
	Set    string  `json:"set"`
	Op     string  `json:"op"`
	Figure string  `json:"figure"`
	Unit   string  `json:"unit"`
	A      float64 `json:"a"`
	B      float64 `json:"b"`
	Ratio  float64 `json:"ratio"`           // A / B
	Must   float64 `json:"must,omitempty"`  // the largest ratio allowed; 0: nothing is demanded
	Limit  float64 `json:"limit,omitempty"` // the largest A allowed, in units; 0: nothing is demanded
	Wrong  bool    `json:"wrong,omitempty"` // a command failed or restored another tree
}

// verdict is "ok", "missed", "wrong", or "" where nothing is demanded.
func (r row) verdict() string {
	switch {
	case r.Wrong:
		return "wrong"
	case r.Must == 0 && r.Limit == 0:
		return ""
	case r.Must > 0 && r.Ratio > r.Must, r.Limit > 0 && r.A > r.Limit:
		return "missed"
	}
	return "ok"
}

// must returns the largest ratio of the first engine's figure to the second's that the project allows itself; 0 where
// it demands nothing.
func must(set, op, figure string) float64 {
	if set == "million" || op == "init" {
		return 0
	}
	switch figure {
	case "peak", "own memory":
		return 1
	case "cpu":
		return mustCPU(set, op)
	case "wall":
		return mustWall(set, op)
	}
	return 0
}

func mustWall(set, op string) float64 {
	switch set + " " + op {
	case "small backup", "small restore", "small check", "mixed backup", "big backup":
		return 0.67
	case "small unchanged", "big day2":
		return 0.5
	case "mixed restore", "mixed check":
		return 0.9
	}
	return 0
}

func mustCPU(set, op string) float64 {
	switch {
	case op == "backup" || op == "unchanged" || op == "day2":
		return 0.75
	case op == "restore" && set == "small":
		return 0.67
	case op == "restore" || op == "check" && set != "small":
		return 1
	}
	return 0
}

// limit is what the first engine's figure may be at most, whatever the second's is: a backup of a million files takes
// less than 512 MiB of memory.
func limit(set, figure string) float64 {
	if set == "million" && figure == "peak" {
		return 512
	}
	return 0
}

// rows computes the medians of all operations that both engines a and b did, in the order they were done. An operation
// with a wrong sample is shown too, but none of its figures is praised.
func rows(samples []sample, a, b string) (all []row) {
	type key struct{ set, op string }
	var order []key
	by := map[key]map[string][]sample{}
	for _, s := range samples {
		k := key{s.Set, s.Op}
		if by[k] == nil {
			by[k] = map[string][]sample{}
			order = append(order, k)
		}
		by[k][s.Engine] = append(by[k][s.Engine], s)
	}
	for _, k := range order {
		left, right := by[k][a], by[k][b]
		if len(left) == 0 || len(right) == 0 {
			continue
		}
		for _, f := range figures() {
			if f.name == "repository" && !slices.Contains([]string{"backup", "day2", "prune"}, k.op) {
				continue // the others leave it as it is
			}
			r := row{Set: k.set, Op: k.op, Figure: f.name, Unit: f.unit, A: median(left, f.of), B: median(right, f.of)}
			r.Must, r.Limit = must(k.set, k.op, f.name), limit(k.set, f.name)
			r.Wrong = slices.ContainsFunc(slices.Concat(left, right), func(s sample) bool { return s.Wrong != "" })
			if r.B > 0 {
				r.Ratio = r.A / r.B
			}
			all = append(all, r)
		}
	}
	return all
}

func median(samples []sample, of func(sample) float64) float64 {
	sorted := slices.SortedFunc(slices.Values(samples), func(x, y sample) int { return cmp.Compare(of(x), of(y)) })
	n := len(sorted)
	return (of(sorted[(n-1)/2]) + of(sorted[n/2])) / 2
}
