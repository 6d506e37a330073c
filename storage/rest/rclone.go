package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// Rclone is the kind of storage that is a remote of the rclone which is installed on this machine, with its own configuration. It is
// started as restic starts it, and speaks the REST protocol over its standard input and output.
var Rclone = storage.Provider{Kind: "rclone", Title: "Remote of the installed rclone", Connections: 5, Form: "rclone:REMOTE:PATH", Parse: parseRclone, Open: openRclone,
	Fields: []settings.Field{
		{Name: "remote", Title: "Remote", Local: true, Help: "The name of a remote that rclone knows, a colon, and the path there.", Required: true},
		{Name: "program", Title: "Program", Local: true, Help: "The path of rclone, or a command with arguments that runs it elsewhere. It is run without a shell.", Default: "rclone"},
		{Name: "args", Title: "Arguments", Local: true, Help: "What rclone is to do.", Default: "serve restic --stdio --b2-hard-delete"},
	},
	Lacks: append([]storage.Lack{anyName, oneSaver}, inPart(
		"a file is seen whole or not at all while it is saved", "a save cancelled half way leaves no file, then or later",
		"a broken body leaves no file", "a body shorter than announced is refused", "a body longer than announced is refused",
		"a failed save can be repeated")...)}

// inPart is why a remote may show a part of a file.
func inPart(promises ...string) (lacks []storage.Lack) {
	for _, promise := range promises {
		lacks = append(lacks, storage.Lack{Promise: promise, Why: "It depends on the remote. Object stores show only whole files; where rclone writes " +
			"files in place, which it did on local disks before version 1.63, a part is seen under the name until rclone has removed it. " +
			"Readers find out: a file is checked against the hash in its name."})
	}
	return lacks
}

func parseRclone(rest string) (settings.Values, error) {
	if rest == "" || strings.HasPrefix(rest, "-") {
		return nil, errors.New("the remote can't be used: want REMOTE:PATH")
	}
	return settings.Values{"remote": rest}, nil
}

func openRclone(v settings.Values, env storage.Env) (storage.Backend, error) {
	if _, err := parseRclone(v["remote"]); err != nil {
		return nil, err
	}
	program, err := settings.Words(v["program"])
	if err != nil || len(program) == 0 {
		return nil, fmt.Errorf("setting \"program\" names none (%v)", err)
	}
	args, err := settings.Words(v["args"])
	if err != nil {
		return nil, fmt.Errorf("setting \"args\": %w", err)
	}
	r := &rclone{words: append(append(program, args...), v["remote"]), clock: env.Clock}
	r.transport = http.Transport{Protocols: new(http.Protocols), DialContext: r.start, MaxConnsPerHost: 1, IdleConnTimeout: unused, DisableCompression: true}
	r.transport.Protocols.SetUnencryptedHTTP2(true)
	return &backend{base: "http://localhost/", client: &http.Client{Transport: r, CheckRedirect: stay}, clock: env.Clock}, nil
}

const (
	// unused is after what time rclone is ended. The next call starts it again, for which it may have to log in.
	unused = 5 * time.Minute
	// farewell is how long rclone may take to end by itself.
	farewell = 5 * time.Second
)

// rclone makes requests of one running rclone, which it starts when there is none. It lives as long as the connection to it, so no longer
// than this process.
type rclone struct {
	words     []string // the command
	clock     clock.Clock
	transport http.Transport

	answered atomic.Bool             // it works: when it ends it may be started again
	current  atomic.Pointer[process] // the last one
}

// RoundTrip implements http.RoundTripper. Where rclone ends before it ever answered the error says why.
func (r *rclone) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := r.transport.RoundTrip(request)
	if err == nil {
		r.answered.Store(true)
		return answer, nil
	}
	p := r.current.Load()
	if p == nil || r.answered.Load() || errors.Is(err, storage.ErrPermanent) {
		return nil, err
	}
	select {
	case <-p.ended:
		return nil, storage.Mark(fmt.Errorf("rclone ends at once%s", r.reason(p)), storage.ErrPermanent)
	case <-request.Context().Done():
		return nil, err
	}
}

// CloseIdleConnections ends rclone, unless it is used.
func (r *rclone) CloseIdleConnections() { r.transport.CloseIdleConnections() }

// reason returns the last thing that rclone said. It may repeat the remote, in which secrets can stand.
func (r *rclone) reason(p *process) string {
	lines := strings.Split(strings.TrimSpace(p.said.String()), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	if last == "" || strings.Contains(r.words[len(r.words)-1], "=") {
		return ""
	}
	return ": " + last
}

// start runs rclone and returns the connection to it.
func (r *rclone) start(context.Context, string, string) (net.Conn, error) {
	cmd := exec.Command(r.words[0], r.words[1:]...)
	p := &process{cmd: cmd, clock: r.clock, ended: make(chan struct{})}
	cmd.Stderr = &p.said
	var err error
	if p.WriteCloser, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if p.Reader, err = cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, storage.Mark(fmt.Errorf("run rclone: %w", err), storage.ErrPermanent)
	}
	r.current.Store(p)
	return p, nil
}

// process is the connection to a program over its standard input and output, and the program: one ends with the other.
type process struct {
	io.Reader
	io.WriteCloser
	cmd   *exec.Cmd
	clock clock.Clock
	said  tail
	once  sync.Once
	ended chan struct{} // closed when the program has ended
}

// Close closes the input of the program, for which it ends. If it doesn't it is killed.
func (p *process) Close() error {
	p.once.Do(func() {
		_ = p.WriteCloser.Close()
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			defer close(p.ended)
			defer cancel()
			_ = p.cmd.Wait() // what it said is what matters
		}()
		go func() {
			if p.clock.Sleep(ctx, farewell) == nil {
				_ = p.cmd.Process.Kill()
			}
		}()
	})
	return nil
}

// The rest of net.Conn: there are no addresses, and nobody sets deadlines.

func (p *process) LocalAddr() net.Addr              { return stdio{} }
func (p *process) RemoteAddr() net.Addr             { return stdio{} }
func (p *process) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (p *process) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (p *process) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

type stdio struct{}

func (stdio) Network() string { return "stdio" }
func (stdio) String() string  { return "stdio" }

// tail keeps the end of what a program says.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	t.b = append([]byte(nil), t.b[max(0, len(t.b)-1000):]...)
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
