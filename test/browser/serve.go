package browser

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is a server as people start it: the program itself, on a folder that was empty.
type Server struct {
	URL   string
	Claim string // the code for the first account
	Data  string // its folder
	log   lines
}

// lines are what a program wrote. They are written and read at once.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Log is all that the server has logged.
func (s *Server) Log() string { return s.log.String() }

// Serve starts the program with more arguments, waits until it answers, and ends it with the test. Its passwords cost what they cost people;
// servertest.Start is the faster server for tests that are not about the whole way.
func Serve(t testing.TB, args ...string) *Server {
	t.Helper()
	program, err := backstay()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Data: filepath.Join(t.TempDir(), "server")}
	cmd := exec.Command(program, append([]string{"serve", "--data", s.Data, "--listen", "localhost:0", "--log-level", "warn"}, args...)...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = &s.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told, ended := make(chan string, 8), make(chan error, 1)
	go func() {
		follow(out, told)
		ended <- cmd.Wait()
	}()
	t.Cleanup(func() { s.end(t, cmd.Process, ended) })
	for s.URL == "" || s.Claim == "" {
		select {
		case line := <-told:
			s.hear(line)
		case <-time.After(30 * time.Second):
			t.Fatalf("serve does not come up; it logged:\n%s", s.Log())
		}
	}
	return s
}

// follow reads what the console is told, to its end; nobody waits for what comes after the first lines.
func follow(out io.Reader, told chan<- string) {
	for scanner := bufio.NewScanner(out); scanner.Scan(); {
		select {
		case told <- scanner.Text():
		default:
		}
	}
}

// hear takes what a line of the console says.
func (s *Server) hear(line string) {
	if url, ok := strings.CutPrefix(line, "Backstay is at "); ok {
		s.URL = strings.Fields(url)[0]
	}
	if _, code, ok := strings.Cut(line, "this code: "); ok {
		s.Claim = strings.TrimSpace(code)
	}
}

func (s *Server) end(t testing.TB, process *os.Process, ended <-chan error) {
	_ = process.Signal(syscall.SIGTERM) // it may be over
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("serve ended: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the server does not end by SIGTERM")
		_ = process.Kill()
		<-ended
	}
	if t.Failed() {
		t.Logf("the server logged:\n%s", s.Log())
	}
}
