// Package resticbin runs the real restic from tests, so that both programs are seen to read what the other wrote.
//
// A Bin is one restic program; a Repo is a repository that it works on. Two programs are looked for: the newest, named by
// RESTIC_BIN or else found on PATH, and an old one, named by RESTIC_OLD_BIN. A test that needs one that isn't there is
// skipped aloud on a laptop. It fails where the program was named, and where the variable CI is set: there a missing program
// would be a test nobody runs.
package resticbin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Bin is one restic program.
type Bin struct {
	Path    string
	Version string // "0.19.1"
}

// Newest returns the newest restic there is, or skips or fails the test. One that RESTIC_BIN names has to be there.
func Newest(t testing.TB) Bin {
	t.Helper()
	path := os.Getenv("RESTIC_BIN")
	if path == "" {
		path = "restic"
	}
	return need(t, "RESTIC_BIN", path)
}

// Old returns the restic that RESTIC_OLD_BIN names, or skips or fails the test.
func Old(t testing.TB) Bin {
	t.Helper()
	return need(t, "RESTIC_OLD_BIN", os.Getenv("RESTIC_OLD_BIN"))
}

func need(t testing.TB, variable, path string) Bin {
	t.Helper()
	bin, err := Open(t.Context(), path)
	if err == nil {
		return bin
	}
	if os.Getenv(variable) != "" || os.Getenv("CI") != "" {
		t.Fatalf("%v; set %s", err, variable)
	}
	t.Skipf("SKIPPED: %v; set %s", err, variable)
	return Bin{}
}

// Open finds the program, by its path or on PATH, and asks for its version.
func Open(ctx context.Context, program string) (Bin, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return Bin{}, fmt.Errorf("find restic %q: %w", program, err)
	}
	out, err := exec.CommandContext(ctx, path, "version").Output()
	if err != nil {
		return Bin{}, fmt.Errorf("ask %q for its version: %w", path, err)
	}
	words := strings.Fields(string(out))
	if len(words) < 2 || words[0] != "restic" {
		return Bin{}, fmt.Errorf("ask %q for its version: it answers %q", path, out)
	}
	return Bin{Path: path, Version: words[1]}, nil
}

// Repo is a repository that a restic works on. The zero values of the optional fields are useful.
type Repo struct {
	Bin      Bin
	Dir      string // its location, as -r takes it
	Password string
	Work     string   // working folder of the commands, optional
	Env      []string // "NAME=value" pairs added to a bare environment, optional; TZ for example
}

// Error is a command that didn't end with exit code 0.
type Error struct {
	Args   []string
	Exit   int // -1: it did not start, or was ended by a signal
	Stderr string
	Err    error
}

func (e *Error) Error() string {
	return fmt.Sprintf("restic %s: %v: %s", strings.Join(e.Args, " "), e.Err, strings.TrimSpace(e.Stderr))
}

// Unwrap returns what os/exec said.
func (e *Error) Unwrap() error { return e.Err }

// Command returns a command, without a cache, that is yet to be started.
func (r Repo) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, r.Bin.Path, append([]string{"--no-cache", "-r", r.Dir}, args...)...)
	cmd.Dir = r.Work
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(), "RESTIC_PASSWORD=" + r.Password}, r.Env...)
	return cmd
}

// patience is how long a command may take: one that hangs is to fail its test, not all that come after.
const patience = 5 * time.Minute

// Run runs a command and returns what it wrote to its standard output. The error is an *Error. One that takes longer than five
// minutes is killed.
func (r Repo) Run(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := r.Command(ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.Bytes(), &Error{Args: args, Exit: cmd.ProcessState.ExitCode(), Stderr: stderr.String(), Err: err}
	}
	return stdout.Bytes(), nil
}

// JSON runs a command with --json and decodes the one value that it writes.
func (r Repo) JSON(ctx context.Context, into any, args ...string) error {
	out, err := r.Run(ctx, append([]string{"--json"}, args...)...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, into); err != nil {
		return fmt.Errorf("restic %s: decode %.200q: %w", strings.Join(args, " "), out, err)
	}
	return nil
}

// Check runs check --read-data and returns an error if it ends with one, or with hints that something is odd, which
// restic reports and yet calls no error.
func (r Repo) Check(ctx context.Context) error {
	out, err := r.Run(ctx, "check", "--read-data")
	if err != nil {
		return err
	}
	if !bytes.Contains(out, []byte("no errors were found")) {
		return fmt.Errorf("restic check: doesn't say that no errors were found: %q", out)
	}
	for line := range strings.Lines(string(out)) {
		if hint(line) {
			return fmt.Errorf("restic check: hint %q in\n%s", strings.TrimSpace(line), out)
		}
	}
	return nil
}

// hint tells whether a line of check is about something odd.
func hint(line string) bool {
	line = strings.ToLower(line)
	for _, odd := range []string{"additional files", "not referenced", "unused", "duplicate", "mixed", "several ind", "multiple ind", "hint", "warning"} {
		if strings.Contains(line, odd) {
			return true
		}
	}
	return false
}
