//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// TestTheBenchmarkMeasuresASmallServer runs what takes little time of the benchmark in a small database. How long anything takes is no matter; that nothing
// fails is.
func TestTheBenchmarkMeasuresASmallServer(t *testing.T) {
	program, saved := filepath.Join(t.TempDir(), "backstay"), filepath.Join(t.TempDir(), "bench.json")
	if out, err := exec.Command("go", "build", "-C", "../../cmd/backstay", "-o", program).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	var out bytes.Buffer
	err := run([]string{"-program", program, "-databases", "sqlite", "-stages", "start,lists,clients", "-scale", "0.01", "-clients", "100", "-for", "5s", "-think", "500ms", "-idle", "1s", "-rounds", "2", "-out", saved}, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	var res result
	text, err := os.ReadFile(saved)
	if err == nil {
		err = json.Unmarshal(text, &res)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, stage := range []string{"start", "lists", "clients"} {
		if !slices.ContainsFunc(res.Rows, func(r row) bool { return r.Stage == stage && r.Value > 0 }) {
			t.Errorf("there are no figures of %s", stage)
		}
	}
	for _, r := range res.Rows {
		if r.None && r.Value > 0 {
			t.Errorf("%s: %s: %v, want none", r.What, r.Figure, r.Value)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

func TestAFigureAboveItsDemandIsMissed(t *testing.T) {
	for _, c := range []struct {
		row  row
		want string
	}{{row{Value: 5}, ""}, {row{Value: 5, Most: 5}, "ok"}, {row{Value: 6, Most: 5}, "missed"}, {row{None: true}, "ok"}, {row{Value: 1, None: true}, "missed"}} {
		if got := c.row.verdict(); got != c.want {
			t.Errorf("verdict of %+v = %q, want %q", c.row, got, c.want)
		}
	}
}
