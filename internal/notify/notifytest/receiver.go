package notifytest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/guard"
	"github.com/backstay/backstay/internal/notify"
)

// Receiver is a server of HTTP with TLS that takes messages for whichever host they are meant.
type Receiver struct {
	CA  string // the certificate of its authority, as PEM
	Env notify.Env

	mu       sync.Mutex
	requests []Request
}

// Request is one that arrived.
type Request struct {
	Method, Host, Path string
	Query              string
	Header             http.Header
	Body               []byte
}

// NewReceiver starts a server of a mood that has a certificate for the hosts. What it takes it answers with a status of 200 and answer.
func NewReceiver(t *testing.T, mood Mood, answer string, hosts ...string) *Receiver {
	r := &Receiver{}
	certificate := NewCertificate(t, hosts...)
	r.CA = certificate.CA
	if mood == Untrusted {
		r.CA = NewCertificate(t, hosts...).CA
	}
	closing := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return
		}
		r.answer(w, request, body, mood, answer, closing)
	}))
	server.TLS = certificate.Server()
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail are meant to
	server.StartTLS()
	t.Cleanup(func() { close(closing); server.Close() })
	if mood == Away {
		if err := server.Listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r.Env = Env(mood, server.Listener.Addr().String())
	return r
}

func (r *Receiver) answer(w http.ResponseWriter, request *http.Request, body []byte, mood Mood, answer string, closing chan struct{}) {
	switch mood {
	case Refuses:
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, "%s %s %v %s", request.Host, request.URL, request.Header, body)
		return
	case Busy:
		w.Header().Set("Retry-After", fmt.Sprint(pause.Seconds()))
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = fmt.Fprintf(w, "%s %v %s", request.URL, request.Header, body)
		return
	case Hangs:
		select {
		case <-request.Context().Done():
		case <-closing:
		}
		panic(http.ErrAbortHandler) // else there would be an answer, after all
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if mood == Redirects {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
	r.requests = append(r.requests, Request{Method: request.Method, Host: request.Host, Path: request.URL.Path, Query: request.URL.RawQuery,
		Header: request.Header, Body: bytes.Clone(body)})
	_, _ = io.WriteString(w, answer)
}

// Requests returns what has arrived so far.
func (r *Receiver) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Request(nil), r.requests...)
}

// Size returns how large the request was, about.
func (r Request) Size() int {
	return len(r.Body) + len(fmt.Sprint(r.Header)) + len(r.Path) + len(r.Query)
}

// Env returns what a channel needs whose connections all go to one address, wherever they are meant to go.
func Env(mood Mood, address string) notify.Env {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		if mood == Guarded {
			return guard.Guard{}.Dial(ctx, network, address)
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return notify.Env{Clock: clock.System, Rand: rand.Reader, Hostname: "backstay.example", Dial: dial}
}
