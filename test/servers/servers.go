// Package servers starts real servers for tests, on loopback addresses and free ports, and stops them when the test ends.
//
// One file for each kind of server. Where the program of a server is missing the test is skipped, with what to install; in CI a skip
// is a failure.
package servers

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program returns the path of an installed program, or skips the test. Debian keeps some outside of a user's PATH.
func program(t testing.TB, name, pkg string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name, "/usr/lib/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	t.Skipf("no %s on this machine: apt-get install %s", name, pkg)
	return ""
}

// tool builds a Go program that tools/go.mod pins, and returns its path. Go keeps what it built, so a second time is quick.
func tool(t testing.TB, pkg string) string {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(file), "..", "..")
	path := filepath.Join(root, "bin", filepath.Base(pkg))
	build := exec.Command("go", "build", "-o", path, pkg)
	build.Dir = filepath.Join(root, "tools")
	building.Lock()
	defer building.Unlock()
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return path
}

var building sync.Mutex

// free returns a loopback address with a port that nobody used a moment ago.
func free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a server until the test ends, and waits until it answers at an address. What it prints is shown where the test fails.
func start(t testing.TB, address string, cmd *exec.Cmd) {
	t.Helper()
	var out buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // with those it has started
		<-ended
		if t.Failed() {
			t.Logf("%s printed:\n%s", filepath.Base(cmd.Path), out.tail())
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		if c, err := new(net.Dialer).DialContext(ctx, "tcp", address); err == nil {
			c.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended: %v\n%s", filepath.Base(cmd.Path), err, out.tail())
		case <-ctx.Done():
			t.Fatalf("%s doesn't answer at %s\n%s", filepath.Base(cmd.Path), address, out.tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// buffer keeps what a server printed.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) tail() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.b.Bytes()
	return string(p[max(0, len(p)-4000):])
}

// write writes a file of a server's own, for its owner only.
func write(t testing.TB, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
