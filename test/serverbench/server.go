//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const password = "violet-harbour-lantern-42"

// site is an installation on one database, and its server while that runs.
type site struct {
	options
	database string // its kind
	url      string // of the database; "" for a file
	data     string // folder of the server
	record   func(row)
	say      func(format string, args ...any)

	owner  *http.Client
	server *process
	real   realThings
	tokens tokens
	rows   ids
}

// process is a running server.
type process struct {
	cmd     *exec.Cmd
	address string // host:port
	claim   string
	ready   time.Duration // from exec to the first good answer of /health
	ended   chan error
	log     *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write keeps the beginning: a server that says much says it again.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.b.Len() < 1<<20 {
		l.b.Write(p)
	}
	return len(p), nil
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (s *site) logged() string {
	if s.server == nil {
		return ""
	}
	text := s.server.log.String()
	return text[max(0, len(text)-2000):]
}

// start starts the server, and waits until it answers.
func (s *site) start(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	p := &process{address: l.Addr().String(), ended: make(chan error, 1), log: &lockedBuffer{}}
	if err := l.Close(); err != nil {
		return err
	}
	args := []string{"serve", "--listen", p.address, "--data", s.data, "--log-level", "warn"}
	if s.url != "" {
		args = append(args, "--database", s.url)
	}
	p.cmd = exec.Command(s.Program, args...)
	p.cmd.Env = []string{"HOME=" + s.data, "PATH=" + os.Getenv("PATH")}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Stderr = p.log
	console, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := p.cmd.Start(); err != nil {
		return err
	}
	claim := make(chan string, 1)
	go p.follow(console, claim)
	s.server = p
	for !p.healthy() {
		select {
		case err := <-p.ended:
			return fmt.Errorf("the server ended: %w\n%s", err, p.log)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(2 * time.Millisecond):
		}
		if time.Since(begun) > time.Minute {
			return errors.New("the server does not answer")
		}
	}
	p.ready = time.Since(begun)
	select {
	case p.claim = <-claim:
	case <-time.After(200 * time.Millisecond): // one that is claimed says no code
	}
	return nil
}

func (p *process) follow(console io.Reader, claim chan<- string) {
	for lines := bufio.NewScanner(console); lines.Scan(); {
		if _, code, ok := strings.Cut(lines.Text(), "this code: "); ok {
			claim <- code
		}
	}
	p.ended <- p.cmd.Wait()
}

// healthy asks on a connection of its own, without the start of a client that is part of what is measured.
func (p *process) healthy() bool {
	c, err := net.Dial("tcp", p.address)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second)) // a fresh connection takes a deadline
	if _, err := io.WriteString(c, "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		return false
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	return err == nil && strings.Contains(line, " 200 ")
}

// stop ends the server as a service manager does.
func (s *site) stop() {
	if s.server == nil {
		return
	}
	_ = s.server.cmd.Process.Signal(syscall.SIGTERM) // it may be over
	select {
	case <-s.server.ended:
	case <-time.After(30 * time.Second):
		_ = s.server.cmd.Process.Kill()
		<-s.server.ended
	}
	if s.owner != nil {
		s.owner.CloseIdleConnections()
	}
	s.server = nil
}

// memory is the resident memory of the server in MiB, and the part of it that is no page of a file.
func (p *process) memory() (resident, anonymous float64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kib, _ := strconv.ParseFloat(fields[1], 64) // of the lines that count it is a number
		switch fields[0] {
		case "VmRSS:":
			resident = kib / 1024
		case "RssAnon:":
			anonymous = kib / 1024
		}
	}
	return resident, anonymous, nil
}

// descriptors is how many files and connections are open.
func (p *process) descriptors() int {
	all, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid)) // of a process that is gone there are none
	return len(all)
}

// processorTime is what a process and its threads have taken so far.
func processorTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // the kernel counts in hundredths of a second
}

// machineTime is what the whole machine has worked so far, on all cores.
func machineTime() (busy time.Duration) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line)[1:] {
		if n, _ := strconv.Atoi(field); i != 3 && i != 4 { // idle and waiting for disks
			busy += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return busy
}

// databaseSize is what the database takes on the disk, in MiB.
func (s *site) databaseSize() (mib float64) {
	for _, name := range []string{"backstay.db", "backstay.db-wal"} {
		if info, err := os.Stat(filepath.Join(s.data, name)); err == nil {
			mib += float64(info.Size()) / (1 << 20)
		}
	}
	return mib
}

// ask sends a request of the owner that has to be accepted.
func (s *site) ask(ctx context.Context, method, path string, body, into any) error {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	if s.owner == nil {
		jar, err := cookiejar.New(nil)
		if err != nil {
			return err
		}
		s.owner = &http.Client{Jar: jar}
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://localhost:"+port(s.server.address)+"/api/v1"+path, content)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := s.owner.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 300 {
		return errors.Join(err, fmt.Errorf("%s %s = %d %s", method, path, answer.StatusCode, said))
	}
	if into != nil {
		return json.Unmarshal(said, into)
	}
	return nil
}

func port(address string) string {
	_, port, _ := net.SplitHostPort(address) // of a listener it is well formed
	return port
}

// measureStarts starts the server three times, and looks at the memory of the last one after a while.
func (s *site) measureStarts(ctx context.Context, what string) error {
	var took []time.Duration
	for range 3 {
		s.stop()
		if err := s.start(ctx); err != nil {
			return err
		}
		took = append(took, s.server.ready)
	}
	s.record(row{Stage: "start", What: what, Figure: "start, median", Value: ms(median(took)), Unit: "ms", Most: 1000})
	before := processorTime(s.server.cmd.Process.Pid)
	select {
	case <-time.After(s.Idle):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	resident, anonymous, err := s.server.memory()
	if err != nil {
		return err
	}
	s.record(row{Stage: "start", What: what, Figure: "idle memory", Value: resident, Unit: "MiB", Most: 100})
	s.record(row{Stage: "start", What: what, Figure: "of it anonymous", Value: anonymous, Unit: "MiB"})
	s.record(row{Stage: "start", What: what, Figure: "idle processor", Value: 100 * (processorTime(s.server.cmd.Process.Pid) - before).Seconds() / s.Idle.Seconds(), Unit: "% of a core"})
	return nil
}

func (s *site) measureEmpty(ctx context.Context) error { return s.measureStarts(ctx, "empty database") }

func (s *site) measureFull(ctx context.Context) error {
	if size := s.databaseSize(); size > 0 {
		s.record(row{Stage: "start", What: "large database", Figure: "size of the database", Value: size, Unit: "MiB", Most: 2048})
	}
	return s.measureStarts(ctx, "large database")
}
