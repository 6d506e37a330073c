// Package servertest runs a whole server for tests, on each kind of database, and asks it over HTTP as people and programs do.
package servertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/auth"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/test/quickrepo"
	"github.com/backstay/backstay/test/servers"
)

// Password is that of every account that tests make.
const Password = "violet-harbour-lantern-42"

// Server is a running server and what it wrote.
type Server struct {
	URL            string
	Data           string // its folder
	Owner          *Client
	AnyCertificate bool // clients that are made from now on take each certificate
	log            lockedBuffer
	lines          []string // what the console was told
}

// lockedBuffer is a log that is written and read at once.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// Log is all that the server has logged.
func (s *Server) Log() string {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.b.String()
}

// errors are the lines of the log that are more than information.
func (s *Server) errors() string {
	var lines []string
	for line := range strings.Lines(s.Log()) {
		if !strings.Contains(line, `"level":"INFO"`) && !strings.Contains(line, `"level":"DEBUG"`) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// Console is all that the console was told.
func (s *Server) Console() string { return strings.Join(s.lines, "\n") }

// ClaimCode is the code that the console was told, "" if none was.
func (s *Server) ClaimCode() string {
	for _, line := range s.lines {
		if _, code, ok := strings.Cut(line, "this code: "); ok {
			return code
		}
	}
	return ""
}

// hurried is a clock that sleeps a tenth as long: a server, and who takes a lock, mostly wait before they look again.
type hurried struct{ clock.Clock }

func (h hurried) Sleep(ctx context.Context, d time.Duration) error { return h.Clock.Sleep(ctx, d/10) }

// Each runs a test on a server with SQLite and beside it on one with PostgreSQL, each new and claimed by an owner.
func Each(t *testing.T, fn func(t *testing.T, s *Server)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		fn(t, Start(t, server.Options{}).Claim(t))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		fn(t, Start(t, server.Options{Database: servers.Postgres(t)}).Claim(t))
	})
}

// Start starts a server that ends with the test. Options that are missing are those of a new user, on a free port, with a clock on which
// those who sleep are in a hurry. Passwords and the keys of repositories cost no time.
func Start(t testing.TB, opt server.Options) *Server {
	t.Helper()
	s := &Server{Data: opt.Data}
	if opt.Data == "" {
		s.Data = filepath.Join(t.TempDir(), "server")
	}
	opt.Data = s.Data
	if opt.Listen == "" {
		opt.Listen = "localhost:0"
	}
	if opt.Clock == nil {
		opt.Clock = hurried{clock.System}
	}
	if opt.Rand == nil {
		opt.Rand = rand.Reader
	}
	opt.Hashes, opt.Init = auth.Cost{Memory: 64, Passes: 1, Lanes: 1}, quickrepo.Begin // test/serve sees what real servers take
	opt.Log = slog.New(slog.NewJSONHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	opt.Console = func(format string, args ...any) { s.lines = append(s.lines, fmt.Sprintf(format, args...)) }
	running, err := server.Open(t.Context(), opt)
	if err != nil {
		t.Fatalf("server.Open = %v", err)
	}
	s.URL = running.Address()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- running.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve = %v", err)
		}
		if t.Failed() {
			t.Logf("what the server logged of errors:\n%s", s.errors())
		}
	})
	return s
}

// Claim makes the first account, and signs in as its owner.
func (s *Server) Claim(t testing.TB) *Server {
	t.Helper()
	s.Owner = s.Client(t)
	s.Owner.Post(t, "/claim", map[string]string{"code": s.ClaimCode(), "name": "Ada Owner", "email": "ada@example.org", "password": Password}, nil)
	return s
}

// Client asks as one person or program.
type Client struct {
	server *Server
	http   *http.Client
	Token  string // of a program
}

// Client returns one that has not signed in.
func (s *Server) Client(t testing.TB) *Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: s.AnyCertificate}} //nolint:gosec // tests of what else there is to a certificate
	t.Cleanup(transport.CloseIdleConnections)
	return &Client{server: s, http: &http.Client{Jar: jar, Transport: transport}}
}

// Person makes an account with a role in a scope, and signs in.
func (s *Server) Person(t testing.TB, name, role, scope string) *Client {
	t.Helper()
	email := strings.ToLower(strings.ReplaceAll(name, " ", ".")) + "@example.org"
	var user struct{ ID string }
	s.Owner.Post(t, "/users", map[string]any{"name": name, "email": email}, &user)
	if role != "" {
		s.Owner.Post(t, "/grants", map[string]any{"subject_kind": "user", "subject": user.ID, "role": role, "scope": scope, "effect": "allow"}, nil)
	}
	var link struct{ Ticket string }
	s.Owner.Post(t, "/users/"+user.ID+"/link", nil, &link)
	c := s.Client(t)
	c.Post(t, "/link", map[string]string{"ticket": link.Ticket, "password": Password}, nil)
	return c
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Ask sends a request with JSON, or without a body for nil. It fails the test only if there is no answer.
func (c *Client) Ask(t testing.TB, method, path string, body any, header ...string) Answer {
	t.Helper()
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		content = bytes.NewReader(text)
	}
	if !strings.HasPrefix(path, "/api/") && path != "/health" && path != "/openapi.json" && path != "/metrics" {
		path = "/api/v1" + path
	}
	r, err := http.NewRequestWithContext(t.Context(), method, c.server.URL+path, content)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return Answer{answer.StatusCode, answer.Header, text}
}

// want asks, fails the test unless the answer is a good one, and decodes it.
func (c *Client) want(t testing.TB, method, path string, body, into any) {
	t.Helper()
	a := c.Ask(t, method, path, body)
	if a.Status >= 300 {
		t.Fatalf("%s %s = %d %s", method, path, a.Status, a.Body)
	}
	if into != nil {
		a.Decode(t, into)
	}
}

// Get asks for something that has to be there.
func (c *Client) Get(t testing.TB, path string, into any) {
	t.Helper()
	c.want(t, http.MethodGet, path, nil, into)
}

// Post sends something that has to be accepted.
func (c *Client) Post(t testing.TB, path string, body, into any) {
	t.Helper()
	c.want(t, http.MethodPost, path, body, into)
}

// Patch changes something that has to be accepted.
func (c *Client) Patch(t testing.TB, path string, body, into any) {
	t.Helper()
	c.want(t, http.MethodPatch, path, body, into)
}

// Delete removes something that has to be there.
func (c *Client) Delete(t testing.TB, path string) {
	t.Helper()
	c.want(t, http.MethodDelete, path, nil, nil)
}

// Page asks for a page as a browser does, or sends a form to it. Redirects are not followed.
func (c *Client) Page(t testing.TB, method, path string, form url.Values) Answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, c.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	asks := *c.http
	asks.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := asks.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return Answer{answer.StatusCode, answer.Header, text}
}

// Decode reads the JSON of an answer.
func (a Answer) Decode(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal(a.Body, into); err != nil {
		t.Fatalf("answer %s: %v", a.Body, err)
	}
}

// Refused fails the test unless the answer is a problem of a status and kind.
func (a Answer) Refused(t testing.TB, status int, kind string) {
	t.Helper()
	var p struct{ Kind, Detail string }
	if a.Status == status {
		a.Decode(t, &p)
	}
	if a.Status != status || p.Kind != kind || p.Detail == "" {
		t.Errorf("answer = %d %s, want a problem %d of kind %q", a.Status, a.Body, status, kind)
	}
}

// Try asks for something and returns its body; an error if the answer is none of 200 or breaks off.
func (c *Client) Try(t testing.TB, path string) ([]byte, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.server.URL+"/api/v1"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(answer.Body)
	err = errors.Join(err, answer.Body.Close())
	if answer.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("status %d", answer.StatusCode))
	}
	return text, err
}

// Cookies are those of whoever signed in, for a browser that goes on as them.
func (c *Client) Cookies(t testing.TB) []*http.Cookie {
	t.Helper()
	u, err := url.Parse(c.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return c.http.Jar.Cookies(u)
}
