//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test program be the small process that measure starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "exec" {
		if err := execMain(os.Args[2:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			syscall.Exit(1)
		}
		syscall.Exit(0) // os.Exit of a program with the race detector sleeps for a second
	}
	os.Exit(m.Run())
}

// copier is an engine that keeps whole copies. LOSS stands for a command that is run after each restore.
const copier = `#!/bin/sh
set -e
case "$1" in
version) echo "copier 1.0"; exit ;;
esac
shift; repo=$2; shift 2
case "$1" in
init) mkdir "$repo" ;;
backup) rm -rf "$repo/copy"; mkdir -p "$repo/copy$(dirname "$2")"; cp -a "$2" "$repo/copy$2" ;;
restore) mkdir "$4"; cp -a "$repo/copy/." "$4"; LOSS ;;
check) test -d "$repo/copy" ;;
forget) test "$*" = "forget --keep-last 1 --prune" ;;
*) exit 3 ;;
esac
`

func script(t *testing.T, name, loss string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(copier, "LOSS", loss)), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// benchTiny runs the whole benchmark on tiny data.
func benchTiny(t *testing.T, a, b string, flags ...string) (result, string, error) {
	t.Helper()
	saved := filepath.Join(t.TempDir(), "bench.json")
	set, err := parse(append([]string{"-a", a, "-b", b, "-dir", t.TempDir(), "-scale", "0.0005", "-rounds", "2", "-out", saved}, flags...))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	benchErr := bench(t.Context(), set, &out)
	b2, err := os.ReadFile(saved)
	if err != nil {
		t.Fatalf("%v, bench said %v and\n%s", err, benchErr, out.String())
	}
	var res result
	if err := json.Unmarshal(b2, &res); err != nil {
		t.Fatal(err)
	}
	return res, out.String(), benchErr
}

func TestEnginesTakeTurnsAndAllIsPrintedAndSaved(t *testing.T) {
	res, out, err := benchTiny(t, script(t, "left", ":"), script(t, "right", ":"), "-sets", "small,big")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got, want := len(res.Samples), 2*2*2*len(ops()); got != want {
		t.Fatalf("%d samples, want %d: two sets, rounds and engines", got, want)
	}
	for i := 0; i < len(res.Samples); i += 2 {
		x, y := res.Samples[i], res.Samples[i+1]
		first := map[int]string{1: "left", 2: "right"}[x.Round]
		if x.Op != y.Op || x.Engine == y.Engine || x.Engine != first {
			t.Errorf("samples %d and %d are %s of %s and %s of %s in round %d", i, i+1, x.Op, x.Engine, y.Op, y.Engine, x.Round)
		}
	}
	for _, want := range []string{"copier 1.0", "warm", "files edited", "full restore", "forget --keep-last 1 --prune", "Raw figures"} {
		if !strings.Contains(out, want) {
			t.Errorf("the report lacks %q:\n%s", want, out)
		}
	}
}

func TestARestoreThatLosesAFileIsWrong(t *testing.T) {
	lossy := script(t, "lossy", `find "$4" -type f | sort | head -n 1 | tr '\n' '\0' | xargs -0 rm`)
	res, out, err := benchTiny(t, lossy, script(t, "right", ":"), "-sets", "small")
	if err == nil || !strings.Contains(out, "WRONG") {
		t.Errorf("bench = %v, want an error and the word WRONG in\n%s", err, out)
	}
	for _, s := range res.Samples {
		suspect := s.Engine == "lossy" && (s.Op == "restore" || s.Op == "prune" && s.Round == 1)
		if suspect != (s.Wrong != "") {
			t.Errorf("%s of %s in round %d: wrong is %q", s.Op, s.Engine, s.Round, s.Wrong)
		}
	}
}

func TestACommandThatFailsIsReportedWithItsLastWords(t *testing.T) {
	failing := script(t, "failing", "echo nothing left >&2; exit 7")
	_, out, err := benchTiny(t, failing, script(t, "right", ":"), "-sets", "big", "-ops", "restore")
	if err == nil || !strings.Contains(out, "exit code 7: nothing left") {
		t.Errorf("bench = %v, want an error and the exit code with the command's words in\n%s", err, out)
	}
}

func TestTheWorkFolderIsEmptyAfterwards(t *testing.T) {
	dir := t.TempDir()
	if _, out, err := benchTiny(t, script(t, "a", ":"), script(t, "b", ":"), "-sets", "big", "-dir", dir); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestMeasureLeavesOutTheMemoryOfItsCaller(t *testing.T) {
	ballast := bytes.Repeat([]byte{1}, 200<<20)
	u, err := measure(t.Context(), os.Environ(), filepath.Join(t.TempDir(), "log"), []string{"true"})
	if err != nil {
		t.Fatal(err)
	}
	if u.Peak == 0 || u.Peak > 64<<20 || len(ballast) == 0 {
		t.Errorf("peak of true = %d bytes, want more than none and less than 64 MiB", u.Peak)
	}
}

// A shell that keeps 50 MB of text has that much memory of its own, and more is resident with its program.
func TestMeasureTellsWhatMemoryIsTheProcesssOwn(t *testing.T) {
	keeps := `x=$(head -c 50000000 /dev/zero | tr '\0' a); sleep 0.2`
	u, err := measure(t.Context(), os.Environ(), filepath.Join(t.TempDir(), "log"), []string{"sh", "-c", keeps})
	if err != nil {
		t.Fatal(err)
	}
	if u.Own < 50e6 || u.Own >= u.Peak {
		t.Errorf("own memory = %d bytes of %d, want at least 50,000,000 and less than all", u.Own, u.Peak)
	}
}

func TestMeasureTellsTimeExitCodeAndOutput(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	busy := "echo said; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.2; exit 5"
	u, err := measure(t.Context(), os.Environ(), log, []string{"sh", "-c", busy})
	if err != nil {
		t.Fatal(err)
	}
	if u.Exit != 5 || u.CPU() <= 0 || u.Wall < 0.2+u.CPU()/2 {
		t.Errorf("measure = %+v, want exit 5, some CPU and at least 0.2 s more of wall", u)
	}
	if b, err := os.ReadFile(log); err != nil || string(b) != "said\n" {
		t.Errorf("log = %q, %v", b, err)
	}
}

func TestMeasureEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := measure(ctx, os.Environ(), filepath.Join(t.TempDir(), "log"), []string{"sleep", "60"})
	if err == nil || time.Since(start) > 20*time.Second {
		t.Errorf("measure = %v after %v, want an error soon", err, time.Since(start))
	}
}

func TestMeasureFailsWithoutTheProgram(t *testing.T) {
	if _, err := measure(t.Context(), os.Environ(), filepath.Join(t.TempDir(), "log"), []string{"/nothing/here"}); err == nil {
		t.Error("measure of a program that isn't there = nil error")
	}
}

func TestFlagsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-scale", "0"}, {"-rounds", "0"}, {"word"}, {"-nonsense"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("parse(%q) = nil error", args)
		}
	}
	if _, err := selectOps([]string{"restore", "nap"}); err == nil || !strings.Contains(err.Error(), `"nap"`) {
		t.Errorf("selectOps with an unknown one = %v", err)
	}
	if _, err := selectSets([]string{"huge"}, 1); err == nil {
		t.Error("selectSets with an unknown one = nil error")
	}
}

func TestSelectedOperationsKeepTheirOrderAndBringWhatTheyNeed(t *testing.T) {
	selected, err := selectOps([]string{"check", "day2"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range selected {
		names = append(names, o.name)
	}
	if got, want := strings.Join(names, " "), "init backup day2 check"; got != want {
		t.Errorf("selectOps = %s, want %s", got, want)
	}
}

func TestAFolderWithoutRoomIsRefused(t *testing.T) {
	if _, err := workFolder(t.TempDir(), 1<<60); err == nil || !strings.Contains(err.Error(), "are needed") {
		t.Errorf("workFolder = %v, want the room that is needed", err)
	}
}
