package serve

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const password = "violet-harbour-lantern-42"

// build builds the program, once for all tests.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "backstay-serve-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "backstay")
	if out, err := exec.Command("go", "build", "-C", "../../cmd/backstay", "-o", path).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := build(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path)) // what is left is in a folder for temporary files
	}
	os.Exit(code)
}

// installation is a data folder, and a database if it is not in there.
type installation struct {
	data, database string
	cookies        http.CookieJar
	temp           string // folder for temporary files
}

func newInstallation(t *testing.T, database string) *installation {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &installation{data: filepath.Join(t.TempDir(), "server"), database: database, cookies: jar, temp: t.TempDir()}
}

// process is a running server.
type process struct {
	cmd   *exec.Cmd
	url   string
	http  *http.Client
	claim string
	ended chan error
	log   *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.b.Bytes()[max(0, l.b.Len()-4000):])
}

// start starts a server and waits until it is there. It ends with the test.
func (in *installation) start(t *testing.T, args ...string) *process {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String()) // of a listener it is well formed
	l.Close()
	p := &process{url: "http://localhost:" + port, http: &http.Client{Jar: in.cookies}, ended: make(chan error, 1), log: &lockedBuffer{}}
	args = append([]string{"serve", "--listen", "localhost:" + port, "--data", in.data, "--log-level", "warn"}, args...)
	if in.database != "" {
		args = append(args, "--database", in.database)
	}
	p.cmd = exec.Command(binary, args...)
	p.cmd.Env = []string{"HOME=" + in.data, "TMPDIR=" + in.temp, "PATH=" + os.Getenv("PATH")}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	up := make(chan string, 1)
	go p.follow(out, up)
	t.Cleanup(func() {
		p.end(t, syscall.SIGKILL)
		if t.Failed() {
			t.Logf("the server %d logged:\n%s", p.cmd.Process.Pid, p.log.tail())
		}
	})
	select {
	case p.claim = <-up:
	case err := <-p.ended:
		p.ended <- err
		t.Fatalf("serve ended: %v\n%s", err, p.log.tail())
	case <-time.After(30 * time.Second):
		t.Fatalf("serve does not come up\n%s", p.log.tail())
	}
	return p
}

// follow reads what the console is told, until the process ends.
func (p *process) follow(out io.Reader, up chan<- string) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := lines.Text()
		if _, code, ok := strings.Cut(line, "this code: "); ok {
			up <- code
		} else if strings.HasPrefix(line, "Backstay is at") {
			go func() { // a server that is claimed says no more
				time.Sleep(500 * time.Millisecond)
				select {
				case up <- "":
				default:
				}
			}()
		}
	}
	p.ended <- p.cmd.Wait()
}

// end ends the process by a signal, and waits for its end.
func (p *process) end(t *testing.T, signal os.Signal) {
	t.Helper()
	_ = p.cmd.Process.Signal(signal) // it may be over
	select {
	case err := <-p.ended:
		p.ended <- err
	case <-time.After(30 * time.Second):
		t.Errorf("the server does not end by %s", signal)
		_ = p.cmd.Process.Kill()
		p.ended <- <-p.ended
	}
	p.http.CloseIdleConnections()
}

// ask sends a request that has to be accepted.
func (p *process) ask(t *testing.T, method, path string, body, into any) {
	t.Helper()
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, p.url+"/api/v1"+path, content)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := p.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || answer.StatusCode >= 300 {
		t.Fatalf("%s %s = %d %s %v", method, path, answer.StatusCode, text, err)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatalf("%s %s = %s: %v", method, path, text, err)
		}
	}
}

// id sends a request that makes something, and returns its id.
func (p *process) id(t *testing.T, path string, body any) string {
	t.Helper()
	var made struct{ ID string }
	p.ask(t, "POST", path, body, &made)
	return made.ID
}
