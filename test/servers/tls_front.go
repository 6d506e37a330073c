package servers

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"sync/atomic"
	"testing"
)

// Front is a server that speaks TLS as it is told, and passes each request on.
type Front struct {
	Address  string       // host:port
	Requests atomic.Int64 // so far: those whose handshake went well
}

// StartFront runs a Front until the test ends. Scheme and transport say how the requests get to the server behind it, which sees the host
// that was asked for.
func StartFront(t testing.TB, config *tls.Config, scheme string, transport http.RoundTripper) *Front {
	t.Helper()
	f := new(Front)
	quiet := log.New(io.Discard, "", 0)
	proxy := &httputil.ReverseProxy{Transport: transport, ErrorLog: quiet, Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = scheme, r.In.Host, r.In.Host
	}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.Requests.Add(1)
		proxy.ServeHTTP(w, r)
	}))
	server.TLS, server.Config.ErrorLog = config, quiet
	server.StartTLS()
	t.Cleanup(server.Close)
	f.Address = server.Listener.Addr().String()
	return f
}

// Behind is how a Front reaches a double.
func (d *Double) Behind(t testing.TB) (scheme string, transport http.RoundTripper) {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(d.CA))
	behind := &http.Transport{DialContext: d.Dial, TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(behind.CloseIdleConnections)
	return "https", behind
}

// Hosts are the names that the service goes by.
func (d *Double) Hosts() []string { return d.hosts }
