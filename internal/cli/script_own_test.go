package cli_test

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/backstay/backstay/test/servers"
)

// ownCommands returns the commands that start processes of Backstay itself and end them with the script. 'ownserver ARGUMENT...' runs 'backstay serve'
// on a free port and sets $SERVER, its address, $CODE, by which it is claimed, if it still has to be, and $FINGERPRINT of its certificate.
// 'ownworker ARGUMENT...' runs 'backstay work'. 'receiver' takes messages at $RECEIVER and writes them to the file received. 'killserver' kills what was started last. 'postgres' makes a database, $DATABASE.
func ownCommands(t *testing.T) map[string]func(*testscript.TestScript, bool, []string) {
	var last sync.Map // the process started last, by its script
	start := func(ts *testscript.TestScript, until string, args ...string) (lines []string) {
		cmd := exec.Command(programOf(ts), args...)
		cmd.Dir = ts.MkAbs(".")
		for _, name := range []string{"HOME", "PATH", "TZ", "TMPDIR", "XDG_CONFIG_HOME", "BACKSTAY_SECRET_KEY"} {
			cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
		}
		out, err := cmd.StdoutPipe()
		ts.Check(err)
		log, err := os.CreateTemp(ts.MkAbs("."), "server-*.log")
		ts.Check(err)
		cmd.Stderr = log
		ts.Check(cmd.Start())
		last.Store(ts, cmd.Process)
		ts.Defer(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM) // a script may have killed it
			_ = cmd.Wait()
			_ = log.Close()
		})
		timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		for s := bufio.NewScanner(out); s.Scan(); {
			if lines = append(lines, s.Text()); strings.HasPrefix(s.Text(), until) {
				return lines
			}
		}
		text, _ := os.ReadFile(log.Name())
		ts.Fatalf("backstay %v ended early:\n%s\n%s", args, strings.Join(lines, "\n"), text)
		return nil
	}
	return map[string]func(*testscript.TestScript, bool, []string){
		"ownserver": func(ts *testscript.TestScript, _ bool, args []string) {
			until := "It has no account yet"
			if len(args) > 0 && args[0] == "again" { // it was claimed
				until, args = "Backstay is at", args[1:]
			}
			ts.Setenv("CODE", "")
			for i, line := range start(ts, until, append([]string{"serve", "--data", "server"}, args...)...) {
				if address, ok := strings.CutPrefix(line, "Backstay is at "); ok {
					ts.Setenv("SERVER", address)
				}
				if _, code, ok := strings.Cut(line, "this code: "); ok {
					ts.Setenv("CODE", code)
				}
				if i > 0 && strings.HasPrefix(line, "  ") {
					ts.Setenv("FINGERPRINT", strings.TrimSpace(line))
				}
			}
		},
		"ownworker": func(ts *testscript.TestScript, _ bool, args []string) {
			start(ts, "Working for", append([]string{"work"}, args...)...)
		},
		"killserver": func(ts *testscript.TestScript, _ bool, _ []string) {
			process, _ := last.Load(ts)
			ts.Check(process.(*os.Process).Kill())
		},
		"receiver": func(ts *testscript.TestScript, _ bool, _ []string) {
			s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				f, err := os.OpenFile(ts.MkAbs("received"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
				if err == nil {
					_, err = io.Copy(f, r.Body)
					err = errors.Join(err, f.Close())
				}
				if err != nil {
					t.Error(err)
				}
			}))
			ts.Defer(s.Close)
			ts.Setenv("RECEIVER", s.URL)
		},
		"postgres": func(ts *testscript.TestScript, _ bool, _ []string) { ts.Setenv("DATABASE", servers.Postgres(t)) },
	}
}

// programOf is the file of the program that scripts run.
func programOf(ts *testscript.TestScript) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		name := filepath.Join(dir, "backstay")
		if _, err := os.Stat(name); err == nil {
			return name
		}
	}
	ts.Fatalf("there is no program backstay in $PATH")
	return ""
}
