//go:build linux

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/test/quickrepo"
)

const password = "a word that nobody may read"

// patience is how long a command may take before it counts as hanging.
const patience = 2 * time.Minute

var binary string // set by TestMain

func TestMain(m *testing.M) {
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "backstay-cli-*")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { // one test runs it as another user
		return 0, err
	}
	binary = filepath.Join(dir, "backstay")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/backstay/backstay/cmd/backstay").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build backstay: %w: %s", err, out)
	}
	return m.Run(), nil
}

// room is where one test happens.
type room struct {
	dir string
	env []string // added to the environment of the commands
}

// enter makes a room with an empty repository "repo" and a source "src" of two small files. The test then runs beside others:
// much of its time commands wait for other programs' locks to show.
func enter(t *testing.T) *room {
	t.Helper()
	t.Parallel()
	r := &room{dir: t.TempDir()}
	for _, dir := range []string{"tmp", "home", "src"} {
		if err := os.Mkdir(r.at(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.write(t, "src/a", []byte("the first file\n"))
	r.write(t, "src/b", []byte("the second file\n"))
	r.write(t, "password", []byte(password))
	r.newRepo(t, "repo")
	return r
}

// newRepo makes a repository that opens in no time.
func (r *room) newRepo(t *testing.T, name string) {
	t.Helper()
	if _, err := quickrepo.Make(t.Context(), local.New(local.OS{}, r.at(name), local.Options{}), password, 2); err != nil {
		t.Fatal(err)
	}
}

func (r *room) at(name string) string { return filepath.Join(r.dir, name) }

func (r *room) write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(r.at(name), content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// outcome is how a command ended.
type outcome struct {
	args           []string
	code           int
	stdout, stderr string
}

func (o outcome) String() string {
	return fmt.Sprintf("backstay %q ended with %d\nstdout: %.2000s\nstderr: %.4000s", o.args, o.code, o.stdout, o.stderr)
}

// command returns a call of the binary, on the repository "repo" unless the arguments say otherwise.
func (r *room) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = r.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.at("home"), "TMPDIR=" + r.at("tmp"), "TZ=UTC",
		"BACKSTAY_REPOSITORY=repo", "BACKSTAY_PASSWORD_FILE=" + r.at("password")}, r.env...)
	return cmd
}

// run runs the binary to its end, and fails the test where it says what it never may.
func (r *room) run(t *testing.T, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return finish(t, r.command(ctx, args...))
}

func finish(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	o := outcome{cmd.Args[1:], cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	for _, never := range []string{"panic:", "goroutine ", "context canceled", "context deadline", "%!", password} {
		if strings.Contains(o.stderr, never) {
			t.Errorf("%v\nwhich says %q", o, never)
		}
	}
	if strings.Contains(o.stdout, password) {
		t.Errorf("%v\nwhich tells the password", o)
	}
	return o
}

// want checks the exit code of a command, and that its standard error holds each of the words. Of a command that fails the
// message is the last but one line, and a hint the last, unless commands follow it that it tells to run.
func (o outcome) want(t *testing.T, code int, says ...string) {
	t.Helper()
	if o.code != code {
		t.Fatalf("%v\nwant %d", o, code)
	}
	for _, words := range says {
		if !strings.Contains(o.stderr, words) {
			t.Errorf("%v\nwhich does not say %q", o, words)
		}
	}
	if code != 0 {
		o.wantHint(t)
	}
}

// message is the last line but for the hint: what went wrong, with its code.
var message = regexp.MustCompile(`^backstay: .* \(BST-\d{4}\)$`)

func (o outcome) wantHint(t *testing.T) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(o.stderr), "\n")
	n := len(lines)
	for n > 2 && strings.HasPrefix(lines[n-1], "  backstay ") {
		n--
	}
	if n < 2 || !message.MatchString(lines[n-2]) || !strings.HasPrefix(lines[n-1], "Hint: ") {
		t.Errorf("%v\nwhich does not end with a message, its code and a hint", o)
	}
}

// wantSound checks that no lock and no temporary file is left, and that every byte of the repository is well.
func (r *room) wantSound(t *testing.T, repository string) {
	t.Helper()
	r.wantTidy(t, repository)
	r.run(t, "check", "--read-data", "-r", repository).want(t, 0)
}

// wantTidy checks that nothing is left behind: in the repository, the folder for temporary files, the home.
func (r *room) wantTidy(t *testing.T, repository string) {
	t.Helper()
	for _, name := range r.files(t, repository, "tmp", "home") {
		base := filepath.Base(name)
		if strings.Contains(name, "/locks/") || strings.HasPrefix(base, ".backstay") || strings.HasPrefix(name, "tmp/") {
			t.Errorf("%s is left behind", name)
		}
	}
}

// files returns the names of all files below folders of the room, those that are there.
func (r *room) files(t *testing.T, dirs ...string) (names []string) {
	t.Helper()
	for _, dir := range dirs {
		err := fs.WalkDir(os.DirFS(r.dir), dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				names = append(names, name)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return names
}

// wantFile checks the content of a file.
func (r *room) wantFile(t *testing.T, name string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(r.at(name))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s has %d bytes beginning with %.40q, %v; want %d beginning with %.40q", name, len(got), got, err, len(want), want)
	}
}

// noise returns n bytes that don't compress, the same ones for a seed.
func noise(n int, seed uint64) []byte {
	p := make([]byte, n)
	for i := range p {
		seed = seed*6364136223846793005 + 1442695040888963407
		p[i] = byte(seed >> 56)
	}
	return p
}
