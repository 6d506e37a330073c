package rclone

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// lent is a body that somebody wants back.
type lent struct {
	t        *testing.T
	returned atomic.Bool
	begun    chan struct{}
}

func (l *lent) Read(p []byte) (int, error) {
	select {
	case l.begun <- struct{}{}:
	default:
	}
	time.Sleep(time.Millisecond)
	if l.returned.Load() {
		l.t.Error("the body is read after the request was over")
	}
	return len(p), nil // without an end
}

func (l *lent) Close() error { return nil }

// A request is over when its error is returned, or the body of its answer is closed. That net/http would read on shows without letGo, too.
func TestNothingReadsABodyAfterItsRequest(t *testing.T) {
	refuse := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, 100_000)
		http.Error(w, "no", http.StatusForbidden) // and the rest is left unread
	}))
	defer refuse.Close()
	next := &http.Transport{}
	defer next.CloseIdleConnections()
	client := &http.Client{Transport: letGo{next}}
	for i := range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		body := &lent{t: t, begun: make(chan struct{}, 1)}
		if i%2 == 0 {
			go func() { <-body.begun; cancel() }()
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, refuse.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := client.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		} else if !errors.Is(err, context.Canceled) && !strings.Contains(err.Error(), "connection") && !strings.Contains(err.Error(), "broken pipe") {
			t.Errorf("request %d: %v", i, err)
		}
		body.returned.Store(true)
		cancel()
	}
	time.Sleep(20 * time.Millisecond) // for who would still read
}
