package server

import (
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/api"
)

type requestKey struct{}

// policy is what pages may load: only what the server itself has.
const policy = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// outer is what holds for every request: an id, a line in the log, headers that keep browsers from harm, no request across origins, and
// an answer also where a handler panics.
func (s *Server) outer(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		api.WriteProblem(w, http.StatusForbidden, backstay.Denied, "the request comes from a page of another site", "", requestID(r.Context()))
	}))
	inner := protection.Handler(s.onlyNamed(next))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := s.newRequestID()
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, id))
		h := w.Header()
		h.Set("Request-Id", id)
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if s.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		answer := &recorder{ResponseWriter: w, status: http.StatusOK}
		pace(w, r)
		begun := s.opt.Clock.Now()
		defer func() {
			cause := recover()
			cut := cause == http.ErrAbortHandler || cause != nil && answer.begun
			if cause != nil && cause != http.ErrAbortHandler {
				s.opt.Log.ErrorContext(r.Context(), "request panicked", "request", id, "cause", cause, "stack", string(debug.Stack()))
				if !answer.begun {
					api.WriteProblem(answer, http.StatusInternalServerError, backstay.Failed, "something went wrong on the server", "The log of the server has the details, under the id of the request.", id)
				}
			}
			s.metrics.Request(class(r.URL.Path), answer.status)
			s.opt.Log.LogAttrs(r.Context(), slog.LevelInfo, "request", slog.String("request", id), slog.String("method", r.Method), slog.String("path", r.URL.Path),
				slog.Int("status", answer.status), slog.Int64("bytes", answer.bytes), slog.Duration("took", s.opt.Clock.Now().Sub(begun)), slog.String("ip", origin(r).IP))
			if cut {
				panic(http.ErrAbortHandler) // a part of an answer must not look like the whole
			}
		}()
		inner.ServeHTTP(answer, r)
	})
}

// onlyNamed refuses, on a server for this machine only, requests to another name: a page elsewhere can make its own name mean this machine.
func (s *Server) onlyNamed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		ip := net.ParseIP(strings.Trim(host, "[]"))
		if !s.secure && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			api.WriteProblem(w, http.StatusMisdirectedRequest, backstay.Denied, "this server is reached as localhost only", "To reach it from elsewhere, start it with --listen and TLS.", requestID(r.Context()))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// class sorts paths into few classes, whatever somebody asks for.
func class(path string) string {
	switch {
	case strings.HasPrefix(path, api.Prefix+"/"):
		return "api"
	case path == "/health", path == "/metrics", path == "/openapi.json":
		return strings.Trim(path, "/")
	}
	return "other"
}

// origin is where a request came from.
func origin(r *http.Request) backstay.Origin {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	agent := r.UserAgent()
	return backstay.Origin{IP: host, UserAgent: agent[:min(len(agent), 300)], Request: requestID(r.Context())}
}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

func (s *Server) newRequestID() string {
	var b [8]byte
	_, _ = io.ReadFull(s.opt.Rand, b[:]) // an id that is there twice does no harm
	return hex.EncodeToString(b[:])
}

// recorder notes what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	begun  bool
}

func (r *recorder) WriteHeader(status int) {
	if !r.begun {
		r.status, r.begun = status, true
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.begun = true
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Flush is for what compresses, which asks no http.ResponseController: without it short events would wait for others.
func (r *recorder) Flush() {
	_ = http.NewResponseController(r.ResponseWriter).Flush() // who asked may have gone
}

// Unwrap lets http.ResponseController find what streams need.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
