package servers

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// upstream is a server that answers with 1,000 bytes and keeps what it was sent.
type upstream struct {
	mu   sync.Mutex
	got  string
	errs []error
	host string
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	u.mu.Lock()
	u.got, u.host = u.got+string(body), r.Host
	u.errs = append(u.errs, err)
	u.mu.Unlock()
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, strings.Repeat("a", 1000))
}

func (u *upstream) heard() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.errs) > 0
}

func TestEachFaultFailsInItsOwnWay(t *testing.T) {
	const body = "0123456789"
	for _, c := range []struct {
		fault  Fault
		asked  bool   // the server heard of the request
		got    string // of its body
		status int    // 0: there is no answer
		answer int    // bytes of it
		broken bool   // reading the answer fails
	}{
		{Fault{}, true, body, 200, 1000, false},
		{Fault{Kind: Refuse, Status: 503, RetryAfter: 7}, false, "", 503, 0, false},
		{Fault{Kind: ResetRequest, After: 4}, true, body[:4], 0, 0, false},
		{Fault{Kind: ResetRequest, After: 100}, true, body[:9], 0, 0, false},
		{Fault{Kind: LostAnswer}, true, body, 0, 0, false},
		{Fault{Kind: ResetAnswer, After: 10}, true, body, 200, 10, true},
		{Fault{Kind: ShortAnswer, After: 10}, true, body, 200, 10, true},
		{Fault{Kind: CutAnswer, After: 10}, true, body, 200, 10, false},
		{Fault{Kind: Drip}, true, body, 200, 1000, false},
	} {
		t.Run(string(c.fault.Kind)+" after "+strconv.FormatInt(c.fault.After, 10), func(t *testing.T) {
			u := new(upstream)
			server := httptest.NewServer(u)
			p := StartFaultProxy(t, server.Listener.Addr().String(), func(*http.Request) Fault { return c.fault })
			client := &http.Transport{}
			defer client.CloseIdleConnections()
			r, err := http.NewRequest(http.MethodPut, "http://"+p.Address+"/x", io.LimitReader(strings.NewReader(body), 10))
			if err != nil {
				t.Fatal(err)
			}
			r.ContentLength = 10
			res, err := client.RoundTrip(r)
			if (err == nil) != (c.status != 0) {
				t.Fatalf("RoundTrip = %v, want an answer: %t", err, c.status != 0)
			}
			if err == nil {
				defer res.Body.Close()
				answer, err := io.ReadAll(res.Body)
				if res.StatusCode != c.status || (err != nil) != c.broken || len(answer) > c.answer || !c.broken && len(answer) != c.answer {
					t.Errorf("answer is %s with %d bytes, %v, want %d with %d, broken %t", res.Status, len(answer), err, c.status, c.answer, c.broken)
				}
				if c.fault.RetryAfter > 0 && res.Header.Get("Retry-After") != "7" {
					t.Errorf("headers are %v, want Retry-After: 7", res.Header)
				}
			}
			for range 500 { // the connection may be reset before the server has taken it
				if u.heard() || !c.asked {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			server.Close() // waits for its handler
			if u.got != c.got || (len(u.errs) > 0) != c.asked {
				t.Errorf("the server got %q, %v, want %q, asked %t", u.got, u.errs, c.got, c.asked)
			}
			if c.asked && u.host != p.Address {
				t.Errorf("the server saw host %q, want %q, which the client signed", u.host, p.Address)
			}
			if whole := c.got == body; c.asked && (u.errs[0] == nil) != whole {
				t.Errorf("the server read its body with %v, whole %t", u.errs[0], whole)
			}
			if got := p.Counts()[c.fault.Kind]; got != 1 {
				t.Errorf("Counts has %d of this kind, want 1", got)
			}
		})
	}
}

func TestADelayEndsWithItsRequest(t *testing.T) {
	p := StartFaultProxy(t, "127.0.0.1:1", func(*http.Request) Fault { return Fault{Delay: time.Hour} })
	client := &http.Client{Timeout: 50 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	if res, err := client.Get("http://" + p.Address); err == nil {
		res.Body.Close()
		t.Error("Get through a delay of an hour has an answer")
	} else if !errors.Is(err, http.ErrHandlerTimeout) && !strings.Contains(err.Error(), "Client.Timeout") {
		t.Errorf("Get = %v, want the timeout", err)
	}
}

func TestWeatherRepeatsItself(t *testing.T) {
	one, other, third := Weather(1, 5), Weather(1, 5), Weather(2, 5)
	kinds, differ := make(map[FaultKind]int), 0
	for range 1000 {
		f := one(nil)
		kinds[f.Kind]++
		if g := other(nil); g != f {
			t.Fatalf("the same seed gives %+v and %+v", f, g)
		}
		if third(nil) != f {
			differ++
		}
	}
	if len(kinds) != 8 || kinds[NoFault] < 600 || differ == 0 {
		t.Errorf("1,000 requests had %v, want some of each kind, most without a fault; %d differ with another seed", kinds, differ)
	}
}
