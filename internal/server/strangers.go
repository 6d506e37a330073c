package server

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/api"
	"github.com/backstay/backstay/internal/auth"
	"github.com/backstay/backstay/internal/door"
)

// What an address may ask of the server without signing in: a browser that opens a page asks a dozen times at once, and nobody needs more
// than a few a second for long.
const (
	strangersRate  = 10 // a second
	strangersBurst = 200
	strangersKept  = 10_000 // addresses, about 100 bytes each
)

// strangers limits how often addresses ask that nobody has signed in from. It knows a bounded number of them: when there are more, those
// are forgotten that have not asked lately.
type strangers struct {
	mu          sync.Mutex
	recent, old map[string]*rate.Limiter // guarded by mu
}

// allow reports whether an address may ask now.
func (s *strangers) allow(ip string, now time.Time) bool {
	if a, err := netip.ParseAddr(ip); err == nil {
		ip = auth.AddressKey(a)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.recent[ip]
	if l == nil {
		if l = s.old[ip]; l == nil {
			l = rate.NewLimiter(strangersRate, strangersBurst)
		}
		if s.recent == nil || len(s.recent) >= strangersKept {
			s.recent, s.old = map[string]*rate.Limiter{}, s.recent
		}
		s.recent[ip] = l
	}
	return l.AllowN(now, 1)
}

// limitStrangers refuses those who ask too often without signing in. Who has signed in is known by name, and can be dealt with otherwise.
func (s *Server) limitStrangers(next http.Handler) http.Handler {
	var known strangers
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !door.IsSignedIn(r.Context()) && !known.allow(origin(r).IP, s.opt.Clock.Now()) {
			w.Header().Set("Retry-After", "1")
			api.WriteProblem(w, http.StatusTooManyRequests, backstay.TooMany, "too many requests", "Wait a moment, or sign in.", requestID(r.Context()))
			return
		}
		next.ServeHTTP(w, r)
	})
}
