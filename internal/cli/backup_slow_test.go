package cli_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/cli"
	"github.com/backstay/backstay/test/servers"
)

// racing is a clock that sleeps a twentieth as long.
type racing struct{ clock.Clock }

func (r racing) Sleep(ctx context.Context, d time.Duration) error { return r.Clock.Sleep(ctx, d/20) }

// listener is a standard error that notices when something is said.
type listener struct {
	bytes.Buffer
	word  string
	heard atomic.Bool
}

func (l *listener) Write(p []byte) (int, error) {
	n, err := l.Buffer.Write(p)
	if strings.Contains(l.String(), l.word) {
		l.heard.Store(true)
	}
	return n, err
}

// A server takes no pack until the repository there has dropped out.
func TestASlowServerIsDroppedAndCaughtUpByTheSameCommand(t *testing.T) {
	stderr := &listener{word: "drops out"}
	server := servers.StartREST(t, servers.RESTOptions{})
	proxy := servers.StartFaultProxy(t, server.Address, func(r *http.Request) servers.Fault {
		for r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/data/") && !stderr.heard.Load() {
			time.Sleep(10 * time.Millisecond)
		}
		return servers.Fault{}
	})
	t.Cleanup(func() { stderr.heard.Store(true) }) // or else the proxy never ends where it has not dropped out
	disk, remote, source := t.TempDir(), "rest:http://"+proxy.Address+"/", t.TempDir()
	content := make([]byte, 24<<20)
	_, _ = rand.Read(content) // never fails
	if err := os.WriteFile(filepath.Join(source, "file"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	backstay := func(args ...string) []byte {
		t.Helper()
		var stdout bytes.Buffer
		env := map[string]string{"BACKSTAY_PASSWORD": password, "HOME": t.TempDir()}
		code := cli.Main(t.Context(), args, cli.System{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: stderr,
			Getenv: func(name string) string { return env[name] }, Clock: racing{clock.System}, KDF: quickKDF})
		if code != 0 {
			t.Fatalf("backstay %s ends with %d: %s", strings.Join(args, " "), code, stderr)
		}
		return stdout.Bytes()
	}
	backstay("init", "-r", disk)
	backstay("init", "-r", remote, "--from-repo", disk, "--copy-chunker-params")
	out := backstay("backup", "-r", remote, "-r", disk, "--pack-size", "4", "--slow-repository", "drop", source)
	if said := stderr.String(); !strings.Contains(said, remote+`" drops out and is caught up later: too slow`) ||
		!strings.Contains(string(out), "saved in "+remote+": it was too slow, and has a copy from "+disk) {
		t.Errorf("backup says %s and %s", said, out)
	}
	backstay("check", "-r", remote, "--read-data")
	var here, there []struct{ ID, Original, Tree string }
	if err := json.Unmarshal(backstay("snapshots", "-r", disk, "--json"), &here); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(backstay("snapshots", "-r", remote, "--json"), &there); err != nil {
		t.Fatal(err)
	}
	if len(here) != 1 || len(there) != 1 || there[0].Original != here[0].ID || there[0].Tree != here[0].Tree {
		t.Errorf("the disk has %+v, the server %+v", here, there)
	}
}
