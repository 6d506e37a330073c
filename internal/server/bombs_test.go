package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
)

// host is where a server listens.
func host(t *testing.T, s *servertest.Server) string {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + u.Port()
}

// raw sends what write writes on a connection of its own, and returns the first line of the answer, "" if the server just hung up.
func raw(t *testing.T, s *servertest.Server, name string, write func(io.Writer) error) string {
	t.Helper()
	conn, err := net.Dial("tcp", host(t, s))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() { sent <- write(conn) }()
	answer := make([]byte, 4096)
	n, err := conn.Read(answer)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s: the server neither answers nor hangs up", name)
	}
	_ = conn.Close() // so that write ends
	<-sent
	line, _, _ := strings.Cut(string(answer[:n]), "\r\n")
	return line
}

// zeros returns readers of n equal bytes.
func zeros(b byte, n int64) func() io.Reader {
	return func() io.Reader { return io.LimitReader(same(b), n) }
}

type same byte

func (s same) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(s)
	}
	return len(p), nil
}

const post = "POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"

// TestBombsAreRefusedAndOthersDontNotice sends what would fill the memory or hold the connections, while somebody else asks.
func TestBombsAreRefusedAndOthersDontNotice(t *testing.T) {
	s := servertest.Start(t, server.Options{}).Claim(t)
	content := func(head string, body func() io.Reader, length int64) func(io.Writer) error {
		return func(w io.Writer) error {
			if _, err := io.WriteString(w, head+"Content-Length: "+strconv.FormatInt(length, 10)+"\r\n\r\n"); err != nil {
				return err
			}
			_, err := io.Copy(w, body())
			return err
		}
	}
	slowly := func(head string) func(io.Writer) error {
		return func(w io.Writer) error {
			if _, err := io.WriteString(w, head); err != nil {
				return err
			}
			for {
				if _, err := io.WriteString(w, "a"); err != nil {
					return err
				}
				time.Sleep(300 * time.Millisecond)
			}
		}
	}
	var token struct{ Secret string }
	s.Owner.Post(t, "/tokens", map[string]any{"name": "Bombs", "permissions": []string{"source.read", "snapshot.browse"}, "expires_at": time.Now().Add(time.Hour)}, &token)
	ask := func(path string) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := io.WriteString(w, "GET /api/v1"+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer "+token.Secret+"\r\n\r\n")
			return err
		}
	}
	deep := int64(500_000)
	bombs := map[string]struct {
		write func(io.Writer) error
		want  []string // the statuses that are clean; "" is hanging up
		times int
	}{
		"a body of 1 GiB":                 {content(post, zeros('a', 1<<30), 1<<30), []string{"413"}, 4},
		"a body of 1 GiB that isn't told": {chunked(post, zeros('a', 1<<30)), []string{"413"}, 4},
		"a list in a list in a list":      {content(post, zeros('[', deep), deep), []string{"400", "422"}, 4},
		"an object in an object":          {content(post, func() io.Reader { return strings.NewReader(strings.Repeat(`{"a":`, 100_000)) }, 500_000), []string{"400", "422"}, 4},
		"a compressed body":               {content(post+"Content-Encoding: gzip\r\n", zeros(0, 1000), 1000), []string{"400", "415", "422"}, 1},
		"a hundred thousand headers": {func(w io.Writer) error {
			_, err := io.WriteString(w, "GET /health HTTP/1.1\r\nHost: localhost\r\n"+strings.Repeat("A: b\r\n", 100_000)+"\r\n")
			return err
		}, []string{"431"}, 4},
		"a header of 10 MiB": {func(w io.Writer) error {
			_, err := io.Copy(w, io.MultiReader(strings.NewReader("GET /health HTTP/1.1\r\nA: "), zeros('a', 10<<20)()))
			return err
		}, []string{"431"}, 4},
		"an address of 1 MiB": {func(w io.Writer) error {
			_, err := io.WriteString(w, "GET /api/v1/plans?search="+strings.Repeat("a", 1<<20)+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
			return err
		}, []string{"431", "414"}, 4},
		"a search of 10,000 wildcards": {ask("/search?text=" + strings.Repeat("*", 10_000)), []string{"200", "400", "422"}, 4},
		"a filter that is a pattern":   {ask("/sources?search=" + strings.Repeat("(a*)*", 2000)), []string{"200", "400", "422"}, 4},
		"headers that never end":       {slowly("GET /health HTTP/1.1\r\nHost: localhost\r\nA: "), []string{"", "408"}, 100},
		"a body that never ends":       {slowly(post + "Content-Length: 100000\r\n\r\n\""), []string{"", "400", "408", "422"}, 100},
	}
	stop, slowest := othersAsk(t, s)
	var all sync.WaitGroup
	for name, b := range bombs {
		for range b.times {
			all.Go(func() {
				begun := time.Now()
				line := raw(t, s, name, b.write)
				status := ""
				if fields := strings.Fields(line); len(fields) > 1 {
					status = fields[1]
				}
				if !slices.Contains(b.want, status) {
					t.Errorf("%s = %q after %v, want one of %q", name, line, time.Since(begun).Round(time.Millisecond), b.want)
				}
			})
		}
	}
	all.Wait()
	stop()
	if p99 := slowest(); p99 > 2*time.Second {
		t.Errorf("others waited %v (p99), want less than 2 s", p99)
	}
	if mib := peak(t) >> 20; mib >= 512 {
		t.Errorf("the process took %d MiB at its peak", mib)
	}
	if log := s.Log(); strings.Contains(log, "panicked") {
		t.Error("a request panicked")
	}
}

// chunked sends a body without saying how long it is.
func chunked(head string, from func() io.Reader) func(io.Writer) error {
	return func(w io.Writer) error {
		if _, err := io.WriteString(w, head+"Transfer-Encoding: chunked\r\n\r\n"); err != nil {
			return err
		}
		body, buf := from(), make([]byte, 64<<10)
		for {
			n, err := body.Read(buf)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "%x\r\n%s\r\n", n, buf[:n]); err != nil {
				return err
			}
		}
	}
}

// othersAsk lets the owner list projects again and again. The p99 is known once it was stopped.
func othersAsk(t *testing.T, s *servertest.Server) (stop func(), p99 func() time.Duration) {
	ended, done := make(chan struct{}), make(chan []time.Duration, 1)
	go func() {
		var took []time.Duration
		for {
			select {
			case <-ended:
				done <- took
				return
			default:
			}
			begun := time.Now()
			if got := s.Owner.Ask(t, http.MethodGet, "/projects", nil); got.Status != http.StatusOK {
				t.Errorf("the owner's list = %d %s", got.Status, got.Body)
			}
			took = append(took, time.Since(begun))
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return func() { close(ended) }, func() time.Duration {
		took := <-done
		slices.Sort(took)
		t.Logf("others asked %d times: median %v, p99 %v; peak memory %d MiB", len(took), took[len(took)/2], took[len(took)*99/100], peak(t)>>20)
		return took[len(took)*99/100]
	}
}

// peak is how much memory the process had at most.
func peak(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("the peak of the memory is known on Linux only: ", err)
	}
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	kib, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// TestAnOperationMayTakeLongerThanItsBody asks for something whose answer takes long: the time that a body has must not end it.
func TestAnOperationMayTakeLongerThanItsBody(t *testing.T) {
	s := servertest.Start(t, server.Options{}).Claim(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	var project struct{ Items []struct{ ID string } }
	s.Owner.Get(t, "/projects", &project)
	var storage struct{ ID string }
	s.Owner.Post(t, "/storages", map[string]any{"name": "Silent", "project": project.Items[0].ID, "location": "rest:http://" + silent.Addr().String() + "/"}, &storage)
	var token struct{ Secret string }
	s.Owner.Post(t, "/tokens", map[string]any{"name": "T", "permissions": []string{"repository.manage"}, "expires_at": time.Now().Add(time.Hour)}, &token)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	body := fmt.Sprintf(`{"name":"R","project":%q,"storage":%q}`, project.Items[0].ID, storage.ID)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/api/v1/repositories", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token.Secret)
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		text, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		t.Errorf("the request was over while the storage had not answered: %s %s", answer.Status, text)
	} else if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestWhoAsksTooOftenWithoutSigningInIsRefused(t *testing.T) {
	s := servertest.Start(t, server.Options{}).Claim(t)
	stranger := s.Client(t)
	refused := 0
	for range 400 {
		if got := stranger.Ask(t, http.MethodGet, "/projects", nil); got.Status == http.StatusTooManyRequests {
			got.Refused(t, http.StatusTooManyRequests, "too-many")
			refused++
		}
	}
	if refused == 0 {
		t.Error("400 requests of a stranger at once are answered")
	}
	s.Owner.Get(t, "/projects", nil) // from the same address
}
