package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// event is one line of "go test -json". The action "exit" is not one of go's: the caller writes it when go ended with an
// error, so that a module that could not even be listed does not look like one without tests.
type event struct {
	Action  string
	Package string
	Test    string // "" for the package as a whole
	Output  string
	Elapsed float64 // seconds
}

// test names a test, or with an empty name a package.
type test struct{ pkg, name string }

// summary adds up events. Subtests count like tests.
type summary struct {
	out                     io.Writer
	strict                  bool
	output                  map[test]string // of what runs
	passed, failed, skipped int
	inPackage               map[string]int // failures so far, by package: several are in work at once
	figures                 []string       // that tests have logged: "R2: 2,226 power cuts, 0 lost"
	reasons                 []string       // of the skipped tests
	err                     error          // of the first print that went wrong
}

// read adds up the events of r, and passes on lines that are none.
func (s *summary) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		var e event
		if json.Unmarshal([]byte(line), &e) == nil {
			s.add(e)
		} else {
			s.printf("%s", line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read test events: %w", err)
		}
	}
}

func (s *summary) add(e event) {
	t := test{e.Package, e.Test}
	switch e.Action {
	case "output":
		s.output[t] += e.Output
		return
	case "build-output":
		s.printf("%s", e.Output)
		return
	case "exit":
		if s.failed == 0 {
			s.failed++
			s.printf("FAIL  module %s: go test ended with an error\n", e.Package)
		}
		return
	case "pass", "fail", "skip":
	default:
		return
	}
	if e.Test == "" {
		s.endPackage(e)
	} else {
		s.endTest(t, e.Action)
	}
	delete(s.output, t)
}

// figure is a line that a test logs to be read by people also where it passes: a figure of a rig, or a promise that a storage lacks.
var figure = regexp.MustCompile(`(?m)^ *\w+\.go:\d+: ((?:[RS]\d+|LACK)\b.{0,180})`)

func (s *summary) endTest(t test, action string) {
	for _, match := range figure.FindAllStringSubmatch(s.output[t], -1) {
		s.figures = append(s.figures, match[1])
	}
	switch action {
	case "pass":
		s.passed++
	case "fail":
		s.fail(t, s.output[t])
	case "skip":
		s.skip(t, reason(s.output[t]))
	}
}

func (s *summary) fail(t test, output string) {
	s.failed++
	s.inPackage[t.pkg]++
	s.printf("FAIL  %s %s\n%s", t.pkg, t.name, output)
}

func (s *summary) skip(t test, reason string) {
	if s.strict && !strings.Contains(reason, "this machine") {
		s.fail(t, "skipped, where nothing may be: "+reason+"\n")
		return
	}
	s.skipped++
	s.reasons = append(s.reasons, fmt.Sprintf("SKIPPED  %s %s: %s", t.pkg, t.name, reason))
}

// endPackage prints the line of a package. One that failed though none of its tests did was not built, or ended early.
func (s *summary) endPackage(e event) {
	t := test{e.Package, ""}
	switch {
	case e.Action == "fail" && s.inPackage[e.Package] == 0:
		s.fail(t, s.output[t])
	case e.Action == "fail":
		s.printf("FAIL  %s %.1fs\n", e.Package, e.Elapsed)
	case e.Action == "pass":
		s.printf("ok    %s %.1fs\n", e.Package, e.Elapsed)
	}
	delete(s.inPackage, e.Package)
}

// reason returns what a skipped test said, without the lines that go adds.
func reason(output string) string {
	var said []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			said = append(said, line)
		}
	}
	return strings.Join(said, " ")
}

// finish prints the figures, the skipped tests and the counts. Its error is the first one of all that was printed.
func (s *summary) finish() error {
	for _, line := range slices.Concat(s.figures, s.reasons) {
		s.printf("%s\n", line)
	}
	s.printf("%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
	return s.err
}

func (s *summary) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(s.out, format, args...); err != nil && s.err == nil {
		s.err = fmt.Errorf("print: %w", err)
	}
}
