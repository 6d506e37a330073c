package api_test

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/server/servertest"
)

// ahead is a clock that can be set forward. Who sleeps wakes up when it is.
type ahead struct{ by atomic.Int64 }

func (c *ahead) Now() time.Time { return clock.System.Now().Add(time.Duration(c.by.Load())) }

func (c *ahead) Sleep(ctx context.Context, d time.Duration) error {
	for until := c.Now().Add(d); c.Now().Before(until); {
		if err := clock.System.Sleep(ctx, min(20*time.Millisecond, until.Sub(c.Now()))); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// soon waits as the function of that name does. House is kept every five minutes, and perhaps was just when the clock was set: so the time goes on.
func (c *ahead) soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	begun := time.Now()
	soon(t, what, func() bool {
		if !is() && time.Since(begun) > 2*time.Second {
			begun = time.Now()
			c.by.Add(int64(6 * time.Minute))
		}
		return is()
	})
}

// site is a project with a plan that can be made to fail.
type site struct {
	s                              *servertest.Server
	project, source, storage, plan string
	repository                     string
	place                          string // the folder of the repository
}

type thing struct{ ID string }

func newSite(t *testing.T, s *servertest.Server) *site {
	t.Helper()
	w := &site{s: s, place: filepath.Join(t.TempDir(), "repository")}
	from := t.TempDir()
	if err := os.WriteFile(filepath.Join(from, "letter.txt"), []byte("Dear all"), 0o600); err != nil {
		t.Fatal(err)
	}
	create := func(path string, body map[string]any) string {
		var made thing
		if w.project != "" {
			body["project"] = w.project
		}
		s.Owner.Post(t, path, body, &made)
		return made.ID
	}
	w.project = create("/projects", map[string]any{"name": "Office"})
	w.source = create("/sources", map[string]any{"name": "Letters", "kind": "files", "settings": map[string]string{"paths": from}})
	w.storage = create("/storages", map[string]any{"name": "Disk", "location": w.place, "settings": map[string]string{}})
	w.repository = create("/repositories", map[string]any{"name": "Box", "storage": w.storage})
	w.plan = create("/plans", map[string]any{"name": "Nightly", "sources": []string{w.source}, "repositories": []string{w.repository}, "type": "incremental", "verify": "none"})
	s.Owner.Patch(t, "/plans/"+w.plan, map[string]any{"retries": 0}, nil) // a new plan would have the default for it
	return w
}

// channel makes a channel of a kind, and a rule that tells it of some events.
func (w *site) channel(t *testing.T, kind string, settings map[string]string, rule map[string]any) string {
	t.Helper()
	var c, r thing
	w.s.Owner.Post(t, "/channels", map[string]any{"project": w.project, "name": fmt.Sprint(kind, " ", len(settings["url"]), rule["name"]), "kind": kind, "settings": settings}, &c)
	delete(rule, "name")
	rule["project"], rule["channel"] = w.project, c.ID
	if rule["events"] == nil {
		rule["events"] = []string{"*"}
	}
	w.s.Owner.Post(t, "/notification-rules", rule, &r)
	return c.ID
}

type ranRun struct {
	ID, State string
}

// run does a backup, which fails if the repository is away.
func (w *site) run(t *testing.T, fails bool) (r ranRun) {
	t.Helper()
	if fails {
		if err := os.Rename(w.place, w.place+".away"); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := os.Rename(w.place+".away", w.place); err != nil {
				t.Error(err)
			}
		}()
	}
	w.s.Owner.Post(t, "/plans/"+w.plan+"/start", nil, &r)
	soon(t, "the end of the run", func() bool {
		w.s.Owner.Get(t, "/runs/"+r.ID, &r)
		return r.State != "pending" && r.State != "running"
	})
	if (r.State == "failed") != fails {
		t.Fatalf("the run ended as %q, want failed = %t", r.State, fails)
	}
	return r
}

func soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 600 {
		if is() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}

type alert struct {
	ID, Kind, Severity, Name, Text, Next, Run string
	AcknowledgedBy                            string `json:"acknowledged_by"`
	Open                                      bool
}

func (w *site) alerts(t *testing.T, query string) (all []alert) {
	t.Helper()
	var list struct{ Items []alert }
	w.s.Owner.Get(t, "/alerts?project="+w.project+query, &list)
	return list.Items
}

type delivery struct {
	ID, Event, State, Error, Channel string
	Attempts                         int
	Next                             time.Time
}

func (w *site) deliveries(t *testing.T, query string) []delivery {
	t.Helper()
	var list struct{ Items []delivery }
	w.s.Owner.Get(t, "/deliveries?"+query, &list)
	return list.Items
}

// hook is a receiver of webhooks.
type hook struct {
	*httptest.Server
	mu  sync.Mutex
	got []posted
}

type posted struct {
	Path      string `json:"-"`
	ID        string `json:"-"`
	Signature string `json:"-"`
	Timestamp string `json:"-"`
	Body      []byte `json:"-"`
	Type      string
	Data      struct{ Subject, Text, Link, Project string }
}

func newHook(t *testing.T) *hook {
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		p := posted{Path: r.URL.Path, ID: r.Header.Get("Webhook-Id"), Signature: r.Header.Get("Webhook-Signature"), Timestamp: r.Header.Get("Webhook-Timestamp")}
		p.Body, _ = io.ReadAll(r.Body)
		if err := json.Unmarshal(p.Body, &p); err != nil {
			t.Errorf("the webhook got %q", p.Body)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.got = append(h.got, p)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) all() []posted {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]posted(nil), h.got...)
}

var (
	hookKey    = []byte("a key of thirty-two bytes, or so")
	hookSecret = "whsec_" + base64.StdEncoding.EncodeToString(hookKey)
)

func (h *hook) settings(path string) map[string]string {
	return map[string]string{"url": h.URL + path, "secret": hookSecret}
}

func (p posted) signed() bool {
	mac := hmac.New(sha256.New, hookKey)
	fmt.Fprintf(mac, "%s.%s.%s", p.ID, p.Timestamp, p.Body)
	return p.Signature == "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// postOffice is a mail server of aiosmtpd; what it took are lines of JSON.
func postOffice(t *testing.T) (port string, mails func() []string) {
	t.Helper()
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import aiosmtpd").Run() != nil {
		t.Skip("aiosmtpd is missing: apt-get install python3-aiosmtpd")
	}
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, python, "../notify/email/testdata/server.py", "takes", "none", "", "", "", "")
	command.Stderr = t.Output()
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	port = lines.Text()
	var mu sync.Mutex
	var all []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines.Scan() {
			var mail struct{ Content []byte }
			if err := json.Unmarshal(lines.Bytes(), &mail); err != nil {
				t.Errorf("the mail server wrote %q", lines.Text())
			}
			mu.Lock()
			all = append(all, string(mail.Content))
			mu.Unlock()
		}
	}()
	t.Cleanup(func() { cancel(); <-done; _ = command.Wait() })
	return port, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), all...)
	}
}
