package rclone

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"sync"
)

// letGo has net/http let go of the body of a request before it returns an error, or when the body of the answer is closed. By itself it
// may read on for a while, which the contract of http.RoundTripper allows; but rclone hands the blocks of a broken upload to the next one
// at once, and to read them then is a panic in a goroutine of net/http, which ends the whole program.
type letGo struct{ next http.RoundTripper }

func (l letGo) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return l.next.RoundTrip(req)
	}
	var all bodies
	own := *req
	own.Body = all.add(req.Body)
	if req.GetBody != nil {
		own.GetBody = func() (io.ReadCloser, error) {
			again, err := req.GetBody()
			if err != nil {
				return nil, err
			}
			return all.add(again), nil
		}
	}
	answer, err := l.next.RoundTrip(&own)
	if err != nil {
		all.end()
		return nil, err
	}
	answer.Body = &lastBody{answer.Body, &all}
	return answer, nil
}

// bodies are those of a request and of its repetitions.
type bodies struct {
	mu    sync.Mutex // guards what follows
	given []*body
	ended bool
}

func (b *bodies) add(in io.ReadCloser) io.ReadCloser {
	one := &body{in: in}
	b.mu.Lock()
	defer b.mu.Unlock()
	one.ended = b.ended
	b.given = append(b.given, one)
	return one
}

// end waits until none is being read, and sees to it that none is read again.
func (b *bodies) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	for _, one := range b.given {
		one.end()
	}
}

// body is that of a request until it is ended.
type body struct {
	mu    sync.Mutex // is held while it is read
	in    io.ReadCloser
	ended bool
}

var errEnded = errors.New("the request has ended")

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return 0, errEnded
	}
	return b.in.Read(p)
}

// Close ends it, too: whose it is may use it again.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	return b.in.Close()
}

func (b *body) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
}

// lastBody is that of an answer.
type lastBody struct {
	io.ReadCloser
	request *bodies
}

func (b *lastBody) Close() error {
	defer b.request.end()
	return b.ReadCloser.Close()
}

// sendBy has a transport send all by another one.
func sendBy(t *http.Transport, next http.RoundTripper) {
	t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{} // or it would register HTTP/2 for https itself
	t.RegisterProtocol("http", next)
	t.RegisterProtocol("https", next)
}
