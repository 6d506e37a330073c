package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/servers"
)

const (
	clients    = 200 // of each server
	clientsFor = 30 * time.Second
	leeway     = 30 // goroutines and open files that pools of connections may keep
)

// TestTwoHundredClientsAtOnceAreServed lets clients read, write, watch and download, and some of them send one byte a second, on a server with SQLite and one
// with PostgreSQL at the same time. How long they wait depends on the machine, and test/serverbench measures it; here nothing may fail,
// and nothing may be left when they have gone.
func TestTwoHundredClientsAtOnceAreServed(t *testing.T) {
	sites := []*crowd{newCrowd(t, server.Options{}), newCrowd(t, server.Options{Database: servers.Postgres(t)})}
	goroutines, files := settled(t, 1<<30, 1<<30)
	ctx, end := context.WithTimeout(t.Context(), clientsFor)
	defer end()
	var all sync.WaitGroup
	for _, c := range sites {
		for i := range clients {
			all.Go(func() { c.client(ctx, i) })
		}
	}
	all.Wait()
	for _, c := range sites {
		c.report(t)
	}
	if g, f := settled(t, goroutines+leeway, files+leeway); g > goroutines+leeway || f > files+leeway {
		t.Errorf("there are %d goroutines and %d open files, before there were %d and %d", g, f, goroutines, files)
	} else {
		t.Logf("R15: %d goroutines and %d open files in the end, %d and %d before", g, f, goroutines, files)
	}
}

// settled waits until there are no more goroutines and open files than wanted, and returns how many there are; after a while that is what there is.
func settled(t *testing.T, most, mostFiles int) (goroutines, files int) {
	t.Helper()
	for range 100 {
		open, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("this system doesn't tell which files are open")
		}
		if goroutines, files = runtime.NumGoroutine(), len(open); goroutines <= most && files <= mostFiles {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return goroutines, files
}

// crowd is the clients of one server.
type crowd struct {
	*servertest.Server
	jar                         http.CookieJar // of somebody who has signed in
	source, snapshot, file, run string

	mu      sync.Mutex // guards what follows
	answers map[int]int
	broken  map[string]int
	took    []time.Duration
}

// newCrowd makes a server with a real snapshot, a program's token, and a run that waits.
func newCrowd(t *testing.T, opt server.Options) *crowd {
	t.Helper()
	s := servertest.Start(t, opt).Claim(t)
	c := &crowd{Server: s, answers: map[int]int{}, broken: map[string]int{}}
	var err error
	if c.jar, err = cookiejar.New(nil); err != nil {
		t.Fatal(err)
	}
	c.ask(t.Context(), &http.Client{Jar: c.jar}, "POST", "/session", `{"email":"ada@example.org","password":"`+servertest.Password+`"}`)
	if c.answers[http.StatusCreated] != 1 {
		t.Fatalf("the answer to the sign-in is %v", c.answers)
	}
	folder := t.TempDir()
	c.file = filepath.Join(folder, "file")
	if err := os.WriteFile(c.file, make([]byte, 1<<18), 0o600); err != nil {
		t.Fatal(err)
	}
	id := func(path string, body any) string {
		var made struct{ ID string }
		s.Owner.Post(t, path, body, &made)
		return made.ID
	}
	project := id("/projects", map[string]any{"name": "Home"})
	storage := id("/storages", map[string]any{"project": project, "name": "Disk", "location": t.TempDir()})
	repository := id("/repositories", map[string]any{"project": project, "name": "Main", "storage": storage})
	c.source = id("/sources", map[string]any{"project": project, "name": "Files", "kind": "files", "settings": map[string]string{"paths": folder}})
	plan := id("/plans", map[string]any{"project": project, "name": "Files", "sources": []string{c.source}, "repositories": []string{repository}, "type": "incremental", "verify": "none"})
	c.run = id("/plans/"+plan+"/start", nil)
	for c.snapshot == "" {
		var list struct{ Items []struct{ ID string } }
		if s.Owner.Get(t, "/snapshots", &list); len(list.Items) > 0 {
			c.snapshot = list.Items[0].ID
		}
		time.Sleep(50 * time.Millisecond)
	}
	return c
}

// client is one of them: the last two digits of its number say what it does.
func (c *crowd) client(ctx context.Context, i int) {
	h := &http.Client{Jar: c.jar, Transport: &http.Transport{}}
	defer h.CloseIdleConnections()
	switch n := i % 100; {
	case n == 0:
		c.beSlow(ctx)
	case n <= 5:
		c.repeat(ctx, h, "GET", "/runs/"+c.run+"/events", "", 300*time.Millisecond)
	case n <= 7:
		c.repeat(ctx, h, "GET", "/snapshots/"+c.snapshot+"/content?path="+url.QueryEscape(c.file), "", time.Second)
	case n <= 20:
		c.repeat(ctx, h, "PATCH", "/sources/"+c.source, fmt.Sprintf(`{"name":"Files %d"}`, i), 2*time.Second)
	default:
		path := []string{"/runs", "/snapshots", "/sources", "/profile", "/sources/" + c.source, "/snapshots/" + c.snapshot + "/entries"}[i%6]
		c.repeat(ctx, h, "GET", path, "", time.Second)
	}
}

// repeat asks again and again, with a pause.
func (c *crowd) repeat(ctx context.Context, h *http.Client, method, path, body string, pause time.Duration) {
	for ctx.Err() == nil {
		c.ask(ctx, h, method, path, body)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// ask asks once, reads the answer to its end, and notes what came of it unless the time is over.
func (c *crowd) ask(ctx context.Context, h *http.Client, method, path, body string) {
	begun := time.Now()
	r, err := http.NewRequestWithContext(ctx, method, c.URL+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		panic(err) // of a good address
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := h.Do(r)
	if err == nil {
		_, err = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close() // all of it is read
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case ctx.Err() != nil:
	case err != nil:
		c.broken[err.Error()]++
	default:
		c.answers[answer.StatusCode]++
		c.took = append(c.took, time.Since(begun))
	}
}

// beSlow sends a head one byte a second, until the server hangs up; then it begins anew.
func (c *crowd) beSlow(ctx context.Context) {
	for ctx.Err() == nil {
		conn, err := net.Dial("tcp", strings.TrimPrefix(c.URL, "http://"))
		if err != nil {
			return
		}
		_, err = io.WriteString(conn, "GET /api/v1/profile HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
		for err == nil && ctx.Err() == nil {
			time.Sleep(time.Second)
			_, err = io.WriteString(conn, "a")
		}
		_ = conn.Close() // it is over
	}
}

// report fails the test unless each answer was a good one. Of two who change the same at once, one may be told so.
func (c *crowd) report(t *testing.T) {
	t.Helper()
	slices.Sort(c.took)
	t.Logf("R15: %d clients, %d answers: %v; median %s, p99 %s", clients, len(c.took), c.answers, c.took[len(c.took)/2].Round(time.Millisecond), c.took[len(c.took)*99/100].Round(time.Millisecond))
	if len(c.broken) > 0 {
		t.Errorf("connections broke: %v", c.broken)
	}
	for status, n := range c.answers {
		if status >= 300 && status != http.StatusPreconditionFailed && status != http.StatusConflict {
			t.Errorf("%d answers are %d", n, status)
		}
	}
	if len(c.took) < clients {
		t.Errorf("there are %d answers for %d clients", len(c.took), clients)
	}
}
