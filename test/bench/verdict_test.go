//go:build linux

package main

import "testing"

func TestMedianIsTheMiddleOrTheMeanOfTheTwoMiddle(t *testing.T) {
	wall := func(s sample) float64 { return s.Wall }
	for _, c := range []struct {
		walls []float64
		want  float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 100, 2}, 3},
	} {
		var samples []sample
		for _, w := range c.walls {
			samples = append(samples, sample{usage: usage{Wall: w}})
		}
		if got := median(samples, wall); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.walls, got, c.want)
		}
	}
}

func TestRowsCompareTheMediansAndJudgeThem(t *testing.T) {
	one := func(engine string, wall, cpu float64, peak int64) sample {
		return sample{Set: "small", Op: "backup", Engine: engine, usage: usage{Wall: wall, User: cpu, Peak: peak, Own: peak / 2}, RepositoryBytes: 5e6}
	}
	samples := []sample{
		one("a", 4, 9, 100<<20), one("b", 8, 10, 90<<20),
		one("a", 5, 9, 100<<20), one("b", 10, 10, 90<<20),
		one("a", 99, 9, 100<<20), one("b", 12, 10, 90<<20),
	}
	want := map[string]struct {
		ratio   float64
		verdict string
	}{
		"wall": {0.5, "ok"}, "cpu": {0.9, "missed"}, "peak": {100.0 / 90, "missed"}, "own memory": {100.0 / 90, "missed"}, "repository": {1, ""},
	}
	got := rows(samples, "a", "b")
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for _, r := range got {
		if w := want[r.Figure]; r.Ratio != w.ratio || r.verdict() != w.verdict {
			t.Errorf("%s: ratio %v %q, want %v %q", r.Figure, r.Ratio, r.verdict(), w.ratio, w.verdict)
		}
	}
	samples[0].Wrong = "lost a file"
	for _, r := range rows(samples, "a", "b") {
		if r.verdict() != "wrong" {
			t.Errorf("%s after a wrong sample: %q, want wrong", r.Figure, r.verdict())
		}
	}
}

func TestAMillionFilesHaveALimitInMemoryAlone(t *testing.T) {
	for mib, verdict := range map[int64]string{511: "ok", 513: "missed"} {
		samples := []sample{
			{Set: "million", Op: "backup", Engine: "a", usage: usage{Peak: mib << 20}},
			{Set: "million", Op: "backup", Engine: "b", usage: usage{Peak: 1 << 20}},
		}
		for _, r := range rows(samples, "a", "b") {
			if want := map[bool]string{true: verdict}[r.Figure == "peak"]; r.verdict() != want {
				t.Errorf("%s at %d MiB: %q, want %q", r.Figure, mib, r.verdict(), want)
			}
		}
	}
}

func TestDemandsAreThoseThatThePagePromises(t *testing.T) {
	for _, c := range []struct {
		set, op, figure string
		want            float64
	}{
		{"small", "backup", "wall", 0.67}, {"small", "unchanged", "wall", 0.5}, {"small", "restore", "wall", 0.67}, {"small", "check", "wall", 0.67},
		{"mixed", "backup", "wall", 0.67}, {"mixed", "restore", "wall", 0.9}, {"mixed", "check", "wall", 0.9},
		{"big", "backup", "wall", 0.67}, {"big", "day2", "wall", 0.5}, {"big", "restore", "wall", 0},
		{"small", "backup", "cpu", 0.75}, {"big", "day2", "cpu", 0.75}, {"small", "restore", "cpu", 0.67}, {"mixed", "restore", "cpu", 1},
		{"big", "check", "cpu", 1}, {"small", "check", "cpu", 0}, {"small", "prune", "cpu", 0}, {"small", "prune", "peak", 1}, {"small", "prune", "own memory", 1},
		{"small", "init", "peak", 0}, {"small", "backup", "repository", 0},
	} {
		if got := must(c.set, c.op, c.figure); got != c.want {
			t.Errorf("must(%s, %s, %s) = %v, want %v", c.set, c.op, c.figure, got, c.want)
		}
	}
}
