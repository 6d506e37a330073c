package servers

import (
	"context"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"
)

// FaultKind is a way in which a network or a server fails.
type FaultKind string

// The kinds of faults. What passes of a body before it fails is Fault.After.
const (
	NoFault      FaultKind = ""
	Refuse       FaultKind = "refuse"        // the server isn't asked: the answer is Fault.Status
	ResetRequest FaultKind = "reset request" // the connection breaks while the request is sent: the server gets a part of its body
	LostAnswer   FaultKind = "lost answer"   // the request goes through, but the connection breaks instead of an answer
	ResetAnswer  FaultKind = "reset answer"  // the connection breaks in the body of the answer
	ShortAnswer  FaultKind = "short answer"  // the connection ends in order, but earlier than announced
	CutAnswer    FaultKind = "cut answer"    // the body is cut, and announced as what is left of it
	Drip         FaultKind = "drip"          // bodies go through in small pieces, with a pause after each, both ways
)

// Fault is what happens to one request.
type Fault struct {
	Kind       FaultKind
	After      int64         // bytes of the body that get through; of a shorter body all but one
	Status     int           // of Refuse
	RetryAfter int           // seconds that Refuse names; 0: none
	Delay      time.Duration // before the request is passed on, whatever the kind is
}

// The pieces of Drip: 16 MiB take about two seconds.
const (
	dripPiece = 64 << 10
	dripPause = 8 * time.Millisecond
)

// FaultProxy is an HTTP server that passes each request on to another one, or fails. It keeps the Host header, so that signatures
// hold.
type FaultProxy struct {
	Address string // host:port; it speaks plain HTTP

	target *url.URL
	next   func(*http.Request) Fault
	client http.Transport

	mu     sync.Mutex
	counts map[FaultKind]int // guarded by mu
}

// StartFaultProxy runs a FaultProxy in front of target, an address with a port, until the test ends. It asks next what happens to each
// request, from several goroutines.
func StartFaultProxy(t testing.TB, target string, next func(*http.Request) Fault) *FaultProxy {
	p := &FaultProxy{target: &url.URL{Scheme: "http", Host: target}, next: next, counts: make(map[FaultKind]int)}
	p.client.DisableCompression = true
	p.client.MaxIdleConnsPerHost = 64
	server := httptest.NewServer(p)
	p.Address = server.Listener.Addr().String()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		p.client.CloseIdleConnections()
	})
	return p
}

// Counts returns how many requests had which fault so far.
func (p *FaultProxy) Counts() map[FaultKind]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// ServeHTTP implements http.Handler.
func (p *FaultProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := p.next(r)
	p.mu.Lock()
	p.counts[f.Kind]++
	p.mu.Unlock()
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-r.Context().Done():
		}
	}
	if f.Kind == Refuse {
		refuse(w, f)
		return
	}
	if f.Kind == ResetRequest && r.ContentLength == 0 {
		reset(w)
		return
	}
	answer, err := p.client.RoundTrip(p.request(r, f))
	if err != nil || f.Kind == ResetRequest {
		if err == nil {
			_ = answer.Body.Close()
		}
		reset(w)
		return
	}
	defer answer.Body.Close()
	if f.Kind == LostAnswer {
		_, _ = io.Copy(io.Discard, answer.Body) // the server is done before the client hears of the loss
		reset(w)
		return
	}
	pass(w, answer, f)
}

// request is the request as the server gets it.
func (p *FaultProxy) request(r *http.Request, f Fault) *http.Request {
	out := r.Clone(r.Context())
	if f.Kind == LostAnswer { // the server does its work to the end
		out = r.Clone(context.WithoutCancel(r.Context()))
	}
	out.URL.Scheme, out.URL.Host = p.target.Scheme, p.target.Host
	out.RequestURI = ""
	switch {
	case r.ContentLength == 0:
		out.Body = http.NoBody
	case f.Kind == ResetRequest:
		out.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, within(f.After, r.ContentLength)), broken{}))
	case f.Kind == Drip:
		out.Body = io.NopCloser(drip{r.Body})
	}
	return out
}

// broken is a reader that fails.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// drip reads slowly.
type drip struct{ io.Reader }

func (d drip) Read(p []byte) (int, error) {
	time.Sleep(dripPause)
	return d.Reader.Read(p[:min(len(p), dripPiece)])
}

// within returns how many bytes of a body get through: never all of them. A size below 0 is not known.
func within(after, size int64) int64 {
	if size < 0 {
		return after
	}
	return max(0, min(after, size-1))
}

func refuse(w http.ResponseWriter, f Fault) {
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	w.WriteHeader(f.Status)
}

// pass gives the client the answer, or as much of it as the fault lets through.
func pass(w http.ResponseWriter, answer *http.Response, f Fault) {
	var body io.Reader = answer.Body
	cut := within(f.After, answer.ContentLength)
	maps.Copy(w.Header(), answer.Header)
	switch f.Kind {
	case Drip:
		body = drip{body}
	case ResetAnswer, ShortAnswer:
		body = io.LimitReader(body, cut)
	case CutAnswer:
		if answer.Request.Method != http.MethodHead {
			w.Header().Set("Content-Length", strconv.FormatInt(cut, 10))
			body = io.LimitReader(body, cut)
		}
	}
	w.WriteHeader(answer.StatusCode)
	out := flushing{w, http.NewResponseController(w)}
	_, err := io.Copy(out, body)
	switch {
	case f.Kind == ResetAnswer:
		_ = out.c.Flush()
		reset(w)
	case f.Kind == ShortAnswer, err != nil:
		_ = out.c.Flush()
		panic(http.ErrAbortHandler) // the connection ends
	}
}

// flushing sends on at once what it gets.
type flushing struct {
	w io.Writer
	c *http.ResponseController
}

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err == nil {
		err = f.c.Flush()
	}
	return n, err
}

// reset breaks the connection to the client, as a router does that has forgotten it.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// Weather returns faults of all kinds for StartFaultProxy, for about one request in every; the others pass. Which one fails, how and
// where depends on the seed, and on the order in which requests come. One in ten of the faults is a storm: the server refuses
// this request and the next four.
func Weather(seed uint64, every int) func(*http.Request) Fault {
	var mu sync.Mutex
	rnd, storm := rand.New(rand.NewPCG(seed, 0)), Fault{}
	left := 0
	kinds := []FaultKind{Refuse, Refuse, ResetRequest, ResetRequest, LostAnswer, LostAnswer, ResetAnswer, ShortAnswer, CutAnswer, Drip}
	statuses := []int{http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusTooManyRequests}
	return func(*http.Request) Fault {
		mu.Lock()
		defer mu.Unlock()
		if left > 0 {
			left--
			return storm
		}
		if rnd.IntN(every) > 0 {
			return Fault{}
		}
		f := Fault{Kind: kinds[rnd.IntN(len(kinds))], Status: statuses[rnd.IntN(len(statuses))], After: rnd.Int64N(1 << rnd.IntN(22))}
		if f.Status != http.StatusInternalServerError {
			f.RetryAfter = rnd.IntN(3)
		}
		if rnd.IntN(10) == 0 {
			f.Kind, storm, left = Refuse, f, 4
			storm.Kind = Refuse
		}
		return f
	}
}
