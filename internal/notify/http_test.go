package notify_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/notify"
	"github.com/backstay/backstay/settings"
)

// noon is a clock that shows one time.
type noon struct{ clock.Clock }

func (noon) Now() time.Time { return time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC) }

// ask makes one request of a server, and returns the answer.
func ask(t *testing.T, serve http.HandlerFunc, secrets ...string) ([]byte, error) {
	t.Helper()
	server := httptest.NewServer(serve)
	defer server.Close()
	h := notify.NewHTTP(notify.Env{Clock: noon{}, Dial: new(net.Dialer).DialContext}, nil, secrets...)
	return h.Do(t.Context(), http.MethodPost, server.URL+"/hidden", http.Header{"X-Key": {"hidden"}}, "body")
}

func TestWhatTheStatusOfAnAnswerMeans(t *testing.T) {
	for _, c := range []struct {
		status  int
		after   string
		ok      bool
		refused bool
		wait    time.Duration
	}{
		{status: 200, ok: true}, {status: 201, ok: true}, {status: 204, ok: true},
		{status: 301}, {status: 307}, {status: 401}, {status: 403}, {status: 404}, {status: 500}, {status: 502},
		{status: 400, refused: true}, {status: 405, refused: true}, {status: 410, refused: true}, {status: 413, refused: true}, {status: 415, refused: true}, {status: 422, refused: true},
		{status: 429, after: "120", wait: 2 * time.Minute}, {status: 503, after: "Fri, 27 Nov 2026 12:05:00 GMT", wait: 5 * time.Minute},
		{status: 429}, {status: 429, after: "-5"}, {status: 429, after: "soon"}, {status: 503, after: "Fri, 27 Nov 2026 11:05:00 GMT"},
	} {
		_, err := ask(t, func(w http.ResponseWriter, _ *http.Request) {
			if c.after != "" {
				w.Header().Set("Retry-After", c.after)
			}
			w.Header().Set("Location", "/hidden/elsewhere")
			w.WriteHeader(c.status)
		}, "hidden")
		if c.ok != (err == nil) || c.refused != errors.Is(err, notify.ErrRefused) {
			t.Errorf("status %d is %v", c.status, err)
		}
		var later *notify.LaterError
		if is := errors.As(err, &later); is != (c.status == 429 || c.status == 503) || is && later.After != c.wait {
			t.Errorf("status %d with Retry-After %q is %v, %+v", c.status, c.after, err, later)
		}
		if err != nil && (strings.Contains(err.Error(), "hidden") || !strings.Contains(err.Error(), fmt.Sprint(c.status))) {
			t.Errorf("status %d is %v", c.status, err)
		}
	}
}

func TestARequestSaysWhatItWasTold(t *testing.T) {
	got, err := ask(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s %s", r.Method, r.URL.Path, r.Header.Get("X-Key"), r.Header.Get("User-Agent"), body)
	})
	if want := "POST /hidden hidden Backstay body"; string(got) != want || err != nil {
		t.Errorf("Do = %q, %v, want %q", got, err, want)
	}
}

func TestAnAnswerWithoutEndIsReadInPart(t *testing.T) {
	for _, status := range []int{200, 500} {
		got, err := ask(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			for range 1000 {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
			t.Error("1000 MiB were taken")
		})
		if len(got) > 64<<10 || (err == nil) != (status == 200) {
			t.Errorf("status %d: Do = %d bytes, %v", status, len(got), err)
		}
	}
	if _, err := ask(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 10000 {
			w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 100))
		}
	}); err == nil {
		t.Error("a header of 1 MB is no error")
	}
}

func TestAnErrorShowsASecretInNoForm(t *testing.T) {
	const secret = "se/cr+et &word"
	_, err := ask(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(500)
		fmt.Fprint(w, "se/cr+et &word se%2Fcr%2Bet+%26word se%2Fcr+et%20&word c2UvY3IrZXQgJndvcmQ= said")
	}, secret, "", "x")
	if want := `the receiver answers 500 Internal Server Error: "*** *** *** *** said"`; err == nil || err.Error() != want {
		t.Errorf("Do = %v, want %s", err, want)
	}
}

func TestAnErrorOfADialerShowsNoSecret(t *testing.T) {
	sentinel := errors.New("no way to host hidden.example")
	h := notify.NewHTTP(notify.Env{Clock: noon{}, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, sentinel }}, nil, "hidden.example")
	_, err := h.Do(t.Context(), http.MethodPost, "http://hidden.example/", nil, "")
	if err == nil || err.Error() != "no way to host ***" || !errors.Is(err, sentinel) {
		t.Errorf("Do = %v, want the dialer's error with stars", err)
	}
	if _, err := h.Do(t.Context(), http.MethodPost, "http://hidden.example/%zz", nil, ""); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("Do = %v", err)
	}
}

func TestAPageIsNotQuoted(t *testing.T) {
	_, err := ask(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(502)
		fmt.Fprint(w, "\n<html><body>Bad gateway</body></html>")
	})
	if err == nil || err.Error() != "the receiver answers 502 Bad Gateway" {
		t.Errorf("Do = %v", err)
	}
}

func TestTLSOlderThan12IsNotSpoken(t *testing.T) {
	config, err := notify.TLS(settings.Values{})
	if err != nil || config.MinVersion != 0x0303 || config.InsecureSkipVerify || config.RootCAs != nil {
		t.Errorf("TLS = %+v, %v", config, err)
	}
	if _, err := notify.TLS(settings.Values{"ca-certificate": "hidden"}); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("TLS of no certificate = %v", err)
	}
}
