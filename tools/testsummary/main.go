// Command testsummary reads what "go test -json" prints, of one module after another, and tells a person: one line for each
// package, the output of each test that failed, the figures that tests logged as "R7: ...", the reason of each one that was
// skipped, and as the last line the counts.
//
// Its exit code is 1 if a test failed, or if none ran. With -strict a skipped test is a failed one too, unless its reason
// speaks of "this machine": that is what no installation could mend.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

func main() {
	strict := flag.Bool("strict", false, "count a skipped test as failed, unless its reason says \"this machine\"")
	flag.Parse()
	s := &summary{out: os.Stdout, strict: *strict, output: map[test]string{}, inPackage: map[string]int{}}
	if err := errors.Join(s.read(os.Stdin), s.finish()); err != nil {
		fmt.Fprintf(os.Stderr, "testsummary: %v\n", err)
		os.Exit(1)
	}
	if s.failed > 0 || s.passed == 0 {
		os.Exit(1)
	}
}
