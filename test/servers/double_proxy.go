package servers

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Proxy starts a proxy for other programs, by which they reach the double at the service's names (CONNECT of RFC 9110), and returns
// its URL.
func (d *Double) Proxy(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
			return
		}
		far, err := d.Dial(r.Context(), "tcp", r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer far.Close()
		w.WriteHeader(http.StatusOK)
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer near.Close()
		go func() {
			_, _ = io.Copy(far, near)
			far.Close()
		}()
		_, _ = io.Copy(near, far)
	}))
	t.Cleanup(server.Close)
	return server.URL
}
