package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
)

// shifted is the system's clock, set forward.
type shifted struct {
	clock.Clock
	by atomic.Int64
}

func (c *shifted) Now() time.Time { return c.Clock.Now().Add(time.Duration(c.by.Load())) }

// from sends JSON from an address of this machine, and returns the status and the cookie that was set.
func from(t *testing.T, address, url string, body any, cookie string) (status int, set string) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, at string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(at)
		if err != nil {
			return nil, err
		}
		return dialer.DialContext(ctx, "tcp4", "127.0.0.1:"+port)
	}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if cookie != "" {
		r.Header.Set("Cookie", "backstay="+cookie)
	}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, answer.Body)
	for _, c := range answer.Cookies() {
		set = c.Value
	}
	return answer.StatusCode, set
}

// TestWhoGuessesPasswordsGetsFewTries guesses a thousand times in an hour, from many addresses.
func TestWhoGuessesPasswordsGetsFewTries(t *testing.T) {
	c := &shifted{Clock: clock.System}
	s := servertest.Start(t, server.Options{Clock: c}).Claim(t)
	at := s.URL + "/api/v1/session"
	body := map[string]string{"email": "ada@example.org", "password": "not-the-password-of-ada"}
	tried, refused := 0, 0
	for i := range 1000 {
		c.by.Add(int64(3600 * time.Millisecond))
		switch status, _ := from(t, fmt.Sprintf("127.0.%d.%d", 1+i%4, 1+i%250), at, body, ""); status {
		case http.StatusUnauthorized:
			tried++
		case http.StatusTooManyRequests:
			refused++
		default:
			t.Fatalf("a guess = %d", status)
		}
	}
	if tried > 30 || tried < 10 || tried+refused != 1000 {
		t.Errorf("of 1000 guesses %d were tried and %d refused, want at most 30 tried", tried, refused)
	}
	body["password"] = servertest.Password
	if status, _ := from(t, "127.0.0.1", at, body, ""); status != http.StatusCreated {
		t.Errorf("the owner from their own address = %d", status)
	}
	if status, _ := from(t, "127.0.9.9", at, map[string]string{"email": "nobody@example.org", "password": "x"}, ""); status != http.StatusUnauthorized {
		t.Errorf("a guess at an account that is not there = %d, want what a wrong password gets", status)
	}
}

// TestCodesOfAnAppAreGuessedSeldomAndUsedOnce attacks the second factor of somebody whose password is known.
func TestCodesOfAnAppAreGuessedSeldomAndUsedOnce(t *testing.T) {
	c := &shifted{Clock: clock.System}
	s := servertest.Start(t, server.Options{Clock: c}).Claim(t)
	var key struct{ ID, Key string }
	s.Owner.Post(t, "/profile/totp", nil, &key)
	code := func() string {
		code, err := totp.GenerateCode(key.Key, c.Now())
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	s.Owner.Post(t, "/profile/totp/"+key.ID, map[string]string{"code": code()}, nil)
	signIn := func() string {
		status, ticket := from(t, "127.0.0.1", s.URL+"/api/v1/session", map[string]string{"email": "ada@example.org", "password": servertest.Password}, "a-ticket-of-somebody-else")
		if status != http.StatusCreated || ticket == "" || ticket == "a-ticket-of-somebody-else" {
			t.Fatalf("the password = %d with the ticket %q", status, ticket)
		}
		return ticket
	}
	second := func(ticket, code string) (int, string) {
		return from(t, "127.0.0.1", s.URL+"/api/v1/session/code", map[string]string{"code": code}, ticket)
	}
	c.by.Add(int64(time.Minute))
	used := code()
	pending := signIn()
	status, ticket := second(pending, used)
	if status != http.StatusCreated || ticket == pending || ticket == "" {
		t.Fatalf("the second factor = %d, and the ticket is a new one: %v", status, ticket != pending)
	}
	if status, _ := second(signIn(), used); status != http.StatusUnauthorized {
		t.Errorf("a code that was used = %d, want 401", status)
	}
	late := signIn()
	c.by.Add(int64(11 * time.Minute))
	if status, _ := second(late, code()); status != http.StatusUnauthorized {
		t.Errorf("a right code, 11 minutes after the password, = %d, want 401", status)
	}
	if status, _ := second(pending, code()); status != http.StatusUnauthorized {
		t.Errorf("the ticket of before the second factor = %d, want 401", status)
	}

	c.by.Add(int64(24 * time.Hour))
	pending = signIn()
	var tried, refused atomic.Int64
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			switch status, _ := second(pending, "000000"); status {
			case http.StatusUnauthorized:
				tried.Add(1)
			case http.StatusTooManyRequests:
				refused.Add(1)
			default:
				t.Errorf("a guess = %d", status)
			}
		})
	}
	all.Wait()
	if tried.Load() > 5 || tried.Load()+refused.Load() != 100 {
		t.Errorf("of 100 codes at once %d were tried, %d refused; want at most 5 tried", tried.Load(), refused.Load())
	}
}
