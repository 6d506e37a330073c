package main

import (
	"strings"
	"testing"
)

// run returns what is printed for the events.
func run(t *testing.T, strict bool, events ...string) string {
	t.Helper()
	var out strings.Builder
	s := &summary{out: &out, strict: strict, output: map[test]string{}, inPackage: map[string]int{}}
	if err := s.read(strings.NewReader(strings.Join(events, "\n"))); err != nil {
		t.Fatal(err)
	}
	if err := s.finish(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTheSummaryTells(t *testing.T) {
	for _, test := range []struct {
		name   string
		strict bool
		events []string
		want   string
	}{
		{"what passed", false, []string{
			`{"Action":"run","Package":"p","Test":"A"}`,
			`{"Action":"output","Package":"p","Test":"A","Output":"noise\n"}`,
			`{"Action":"pass","Package":"p","Test":"A"}`,
			`{"Action":"pass","Package":"p","Elapsed":1.25}`,
		}, "ok    p 1.2s\n1 passed, 0 failed, 0 skipped\n"},
		{"the figures of tests, also of those that passed", false, []string{
			`{"Action":"output","Package":"p","Test":"A","Output":"    a_test.go:3: noise R1: 2\n    a_test.go:4: R1: 60 kills, 0 lost\n"}`,
			`{"Action":"pass","Package":"p","Test":"A"}`,
			`{"Action":"output","Package":"p","Test":"B","Output":"    b_test.go:12: R10 with a bug: 3 lost\n"}`,
			`{"Action":"output","Package":"p","Test":"B","Output":"    storagetest.go:12: LACK: any name can be saved: it can't\n"}`,
			`{"Action":"pass","Package":"p","Test":"B"}`,
			`{"Action":"pass","Package":"p"}`,
		}, "ok    p 0.0s\nR1: 60 kills, 0 lost\nR10 with a bug: 3 lost\nLACK: any name can be saved: it can't\n2 passed, 0 failed, 0 skipped\n"},
		{"what failed, and what it printed", false, []string{
			`{"Action":"output","Package":"p","Test":"A","Output":"got 1, want 2\n"}`,
			`{"Action":"fail","Package":"p","Test":"A"}`,
			`{"Action":"pass","Package":"p","Test":"B"}`,
			`{"Action":"fail","Package":"p"}`,
		}, "FAIL  p A\ngot 1, want 2\nFAIL  p 0.0s\n1 passed, 1 failed, 0 skipped\n"},
		{"a failure in one of two packages at once", false, []string{
			`{"Action":"output","Package":"p","Test":"A","Output":"got 1, want 2\n"}`,
			`{"Action":"fail","Package":"p","Test":"A"}`,
			`{"Action":"pass","Package":"q"}`,
			`{"Action":"fail","Package":"p"}`,
		}, "FAIL  p A\ngot 1, want 2\nok    q 0.0s\nFAIL  p 0.0s\n0 passed, 1 failed, 0 skipped\n"},
		{"the reason of a skip, at the end", false, []string{
			`{"Action":"output","Package":"p","Test":"A","Output":"=== RUN   A\n"}`,
			`{"Action":"output","Package":"p","Test":"A","Output":"    a_test.go:3: no x\n"}`,
			`{"Action":"output","Package":"p","Test":"A","Output":"--- SKIP: A (0.00s)\n"}`,
			`{"Action":"skip","Package":"p","Test":"A"}`,
			`{"Action":"pass","Package":"p"}`,
			`{"Action":"skip","Package":"no-tests"}`,
		}, "ok    p 0.0s\nSKIPPED  p A: a_test.go:3: no x\n0 passed, 0 failed, 1 skipped\n"},
		{"a skip as a failure when strict", true, []string{
			`{"Action":"output","Package":"p","Test":"A","Output":"no x\n"}`,
			`{"Action":"skip","Package":"p","Test":"A"}`,
			`{"Action":"output","Package":"p","Test":"B","Output":"this machine has no FUSE\n"}`,
			`{"Action":"skip","Package":"p","Test":"B"}`,
		}, "FAIL  p A\nskipped, where nothing may be: no x\nSKIPPED  p B: this machine has no FUSE\n0 passed, 1 failed, 1 skipped\n"},
		{"a package that was not built", false, []string{
			`{"Action":"build-output","ImportPath":"p","Output":"p.go:1: undefined: x\n"}`,
			`{"Action":"output","Package":"p","Output":"FAIL p [build failed]\n"}`,
			`{"Action":"fail","Package":"p"}`,
			`{"Action":"exit","Package":"."}`,
		}, "p.go:1: undefined: x\nFAIL  p \nFAIL p [build failed]\n0 passed, 1 failed, 0 skipped\n"},
		{"a module that go cannot read", false, []string{`{"Action":"exit","Package":"m"}`},
			"FAIL  module m: go test ended with an error\n0 passed, 1 failed, 0 skipped\n"},
		{"lines that are no events", false, []string{"go: downloading x", ""}, "go: downloading x\n0 passed, 0 failed, 0 skipped\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := run(t, test.strict, test.events...); got != test.want {
				t.Errorf("summary of %s =\n%s\nwant\n%s", strings.Join(test.events, "\n"), got, test.want)
			}
		})
	}
}
