package serve

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backstay/backstay"
)

// restore runs 'backstay server restore' into a folder, and kills it after a while; 0: never.
func (s *site) restore(t *testing.T, key, data string, after time.Duration) (said string, err error) {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "server", "restore", "-r", s.repository, "--key", key, "--data", data)
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "BACKSTAY_PASSWORD=" + s.password}
	if after > 0 {
		timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestARestoreOfTheServerThatIsKilledIsBegunAgain(t *testing.T) {
	in := newInstallation(t, "")
	p := in.start(t)
	s := setUp(t, p)
	s.unlimited(t, p)
	p.ask(t, "PATCH", "/settings", map[string]any{"backup_repository": s.id}, nil)
	p.ask(t, "POST", "/settings/backups", nil, nil)
	p.until(t, time.Minute, "the server is backed up", allOver)
	p.end(t, syscall.SIGTERM)
	key := filepath.Join(in.data, "secret.key")
	begun := time.Now()
	if out, err := s.restore(t, key, filepath.Join(t.TempDir(), "whole"), 0); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	whole := time.Since(begun)
	n, again, done := rounds(10), 0, 0
	for i := range n {
		data := filepath.Join(t.TempDir(), "server")
		_, err := s.restore(t, key, data, whole*time.Duration(i+1)/time.Duration(n))
		if err != nil {
			out, err := s.restore(t, key, data, 0)
			switch {
			case err == nil:
				again++
			case strings.Contains(out, "If a restore has just been done, start the server"):
				done++
			default:
				t.Errorf("after a kill at %d of %d: %v\n%s", i+1, n, err, out)
			}
		}
		if i%3 > 0 { // a server takes its time to start
			continue
		}
		back := &installation{data: data, cookies: newInstallation(t, "").cookies, temp: t.TempDir()}
		p := back.start(t)
		p.ask(t, "POST", "/session", map[string]string{"email": "ada@example.org", "password": password}, nil)
		var plans struct{ Items []backstay.Plan }
		if p.ask(t, "GET", "/plans?limit=100", nil, &plans); len(plans.Items) != sources || p.claim != "" {
			t.Errorf("after a kill at %d of %d the server has %d plans", i+1, n, len(plans.Items))
		}
		p.end(t, syscall.SIGTERM)
	}
	t.Logf("%d kills within %s: %d restores were begun again, %d had been done", n, whole.Round(time.Millisecond), again, done)
}
