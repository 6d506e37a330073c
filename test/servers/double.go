package servers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Double stands in for a service that nobody can run at home. It is a small imitation of the service's API, in memory, written from
// the public documentation of that service, not from what any client expects of it; each says which pages. It knows the calls that a
// backup needs and answers 501 to all others. What isn't documented isn't imitated, and nobody has compared it with the service.
type Double struct {
	CA string // PEM: by whom its certificate is signed

	hosts   []string // the names that the service goes by
	address string

	mu    sync.Mutex
	fault DoubleFault // guarded by mu
	calls []string
}

// DoubleFault is what goes wrong: a handler put before the double's own.
type DoubleFault func(next http.Handler) http.Handler

// newDouble serves the API at the names that the service has, each under a certificate for all of them.
func newDouble(t testing.TB, handler http.Handler, hosts ...string) *Double {
	t.Helper()
	d := &Double{hosts: hosts}
	server := httptest.NewUnstartedServer(d.before(handler))
	server.EnableHTTP2 = true // as all of them do
	server.TLS = &tls.Config{Certificates: []tls.Certificate{d.certificate(t)}}
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	d.address = server.Listener.Addr().String()
	return d
}

// Dial connects to the double whichever of the service's names is asked for, and to nothing else.
func (d *Double) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if port != "443" || !slices.Contains(d.hosts, host) {
		return nil, fmt.Errorf("%s is none of the service's addresses", address)
	}
	return new(net.Dialer).DialContext(ctx, network, d.address)
}

// Break puts a fault before everything; nil mends.
func (d *Double) Break(fault DoubleFault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = fault
}

// Calls returns the requests so far, such as "GET /drive/v3/files".
func (d *Double) Calls() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls)
}

func (d *Double) before(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		fault := d.fault
		d.calls = append(d.calls, r.Method+" "+r.URL.Path)
		d.mu.Unlock()
		if fault != nil {
			fault(handler).ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// On is a fault for the requests that a condition holds for.
func On(hit func(r *http.Request) bool, fault DoubleFault) DoubleFault {
	return func(next http.Handler) http.Handler {
		broken := fault(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if hit(r) {
				broken.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Refusing answers every request with a status, a body and, where that is above zero, Retry-After in seconds.
func Refusing(status, after int, body string) DoubleFault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if after > 0 {
				w.Header().Set("Retry-After", strconv.Itoa(after))
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
}

// CutRequest has the connection break after that many bytes of a request's body.
func CutRequest(after int64) DoubleFault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Body = &cutBody{r.Body, after}
			next.ServeHTTP(w, r)
			panic(http.ErrAbortHandler) // the answer is lost too
		})
	}
}

type cutBody struct {
	io.ReadCloser
	left int64
}

func (b *cutBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// CutReply has the connection break after that many bytes of an answer's body.
func CutReply(after int) DoubleFault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(&cutWriter{w, after}, r) })
	}
}

type cutWriter struct {
	http.ResponseWriter
	left int
}

func (w *cutWriter) Write(p []byte) (int, error) {
	if len(p) < w.left {
		w.left -= len(p)
		return w.ResponseWriter.Write(p)
	}
	_, _ = w.ResponseWriter.Write(p[:w.left])
	w.ResponseWriter.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// answer writes a value as JSON.
func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

// received reads the whole body of a request. It is false, and nothing may be stored, when the body ended before it should have.
func received(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	p, err := io.ReadAll(r.Body)
	if err != nil || r.ContentLength >= 0 && int64(len(p)) != r.ContentLength {
		w.WriteHeader(http.StatusBadRequest)
		return nil, false
	}
	return p, true
}

// object is JSON of no certain form.
type object map[string]any

// decode reads a request's JSON.
func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		http.Error(w, "the request is no JSON: "+err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

// certificate makes a key of the service's own, its certificate, and the authority that signed it.
func (d *Double) certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "double"}, DNSNames: d.hosts,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	d.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
