// Package server puts the doors, the use cases and the database together, starts and stops them. It is the only package that knows all.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/api"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/auth"
	"github.com/backstay/backstay/internal/catalog"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/door"
	"github.com/backstay/backstay/internal/metrics"
	"github.com/backstay/backstay/internal/secret"
	"github.com/backstay/backstay/internal/web"
	"github.com/backstay/backstay/internal/work"
)

// Options say how a server runs.
type Options struct {
	Listen   string       // host:port
	Data     string       // the folder with all that belongs to the server
	Database string       // a postgres:// URL; by default a file in Data
	Key      *secret.Ring // by default the one in a file in Data, made where there is none
	Rotate   bool         // make a new key the current one; what the others sealed is sealed anew
	CertFile string       // of TLS, with KeyFile; by default a certificate of its own where TLS is needed
	KeyFile  string
	Version  string
	Runs     int       // at once; by default 2
	Hashes   auth.Cost // of new hashes of passwords; the zero value is right but for tests
	Init     app.Init  // by default repo.Init, which is right but for tests
	Breaches string    // where new passwords are looked up if the settings say so; by default the service that everybody asks
	Clock    clock.Clock
	Rand     io.Reader
	Log      *slog.Logger
	Console  func(format string, args ...any) // says what a person at the console needs to know
}

// How long a client may take, and how long the server lets its requests end when it stops.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	stopTimeout   = 10 * time.Second
	maxHeader     = 64 << 10 // bytes
	hashesAtOnce  = 2        // each takes 64 MiB
)

// Server is a running server.
type Server struct {
	opt      Options
	db       *db.DB
	catalog  *catalog.Catalog
	app      *app.App
	http     *http.Server
	listener net.Listener
	secure   bool
	shown    shown
	metrics  *metrics.Metrics
}

// Open brings the data folder and the database up to date and begins to listen; Serve answers.
func Open(ctx context.Context, opt Options) (_ *Server, err error) {
	s := &Server{opt: opt, secure: !isLoopback(opt.Listen) || opt.CertFile != "", metrics: metrics.New()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := os.MkdirAll(opt.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	location := opt.Database
	if location == "" {
		location = filepath.Join(opt.Data, "backstay.db")
	}
	if s.db, err = db.Open(ctx, location); err != nil {
		return nil, explainOpen(err)
	}
	if s.catalog, err = catalog.Open(ctx, catalogueOf(opt)); err != nil {
		return nil, err
	}
	if why := s.catalog.Anew(); why != "" {
		opt.Log.InfoContext(ctx, "the catalogue is made anew", "reason", why)
	}
	ring, err := s.keys(ctx)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("ask the name of this machine: %w", err)
	}
	s.app = app.New(app.Options{DB: s.db, Clock: opt.Clock, Rand: opt.Rand, Log: opt.Log, Hasher: auth.NewHasher(opt.Rand, hashesAtOnce, opt.Hashes), Init: opt.Init, Ring: ring,
		Places: places{opt.Clock, opt.Rand}, Catalog: s.catalog, Address: s.Address, Certificate: s.noted, Speakers: speakers{opt.Clock, opt.Rand}, Receivers: receivers{opt.Clock, opt.Rand}, RunEnded: s.metrics.RunEnded, Data: opt.Data, Hostname: host, Version: opt.Version, Breaches: breaches(opt.Breaches)})
	if err := s.reseal(ctx, ring); err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	if s.listener != nil {
		if err := s.app.BeginAgain(ctx); err != nil {
			return nil, err
		}
	}
	return s, s.greet(ctx)
}

// explainOpen says what to do about a database that can't be opened.
func explainOpen(err error) error {
	switch {
	case errors.Is(err, db.ErrDamaged):
		return backstay.Errorf(backstay.Damaged, "%w", err).WithHint(app.DamagedHint)
	case errors.Is(err, db.ErrNewer):
		return backstay.Errorf(backstay.Invalid, "%w", err).WithHint("Update Backstay to that version, or restore the server's backup of itself from before.")
	case errors.Is(err, context.Canceled):
		return err
	}
	return backstay.Errorf(backstay.Failed, "open the database: %w", err).WithHint("Look whether the database is running, and its disk there and writable. Repositories are not affected: they are restored by their password alone.")
}

// catalogueOf is where the catalogue is: beside the database in the folder, or in PostgreSQL too.
func catalogueOf(opt Options) string {
	if opt.Database != "" {
		return opt.Database
	}
	return filepath.Join(opt.Data, "catalogue.db")
}

// keys loads the keys that secrets are sealed with. They are made where nothing was sealed yet; later a missing file is an error, since new
// ones would open nothing.
func (s *Server) keys(ctx context.Context) (*secret.Ring, error) {
	if s.opt.Key != nil && s.opt.Rotate {
		return nil, backstay.Errorf(backstay.Invalid, "the key is given by the environment or a command, and not kept in the folder").WithHint("Have a new key given before it, on a line of its own: what the older ones sealed is sealed anew by each start.")
	}
	if s.opt.Key != nil {
		return s.opt.Key, nil
	}
	file := filepath.Join(s.opt.Data, "secret.key")
	people := 0
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		people, err = db.Count[backstay.User](ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	if people == 0 {
		return secret.OpenFile(file, s.opt.Rand)
	}
	ring, err := secret.LoadFile(file)
	if err != nil || !s.opt.Rotate {
		return ring, err
	}
	if ring, err = ring.Rotate(s.opt.Rand); err != nil {
		return nil, err
	}
	return ring, ring.SaveFile(file) // before anything is sealed with it
}

// reseal seals with the current key what older keys have sealed, and says when they are no longer needed for it.
func (s *Server) reseal(ctx context.Context, ring *secret.Ring) error {
	if len(ring.Keys()) == 1 {
		return nil
	}
	n, err := s.app.Reseal(ctx)
	if err != nil {
		return fmt.Errorf("seal the secrets with the current key: %w", err)
	}
	s.opt.Console("All secrets of the database are sealed with the current key, %d of them since just now. Older keys open nothing of it any more; they still check the signed heads of the audit trail.", n)
	return nil
}

// listen opens the port, with TLS wherever others than this machine can reach it.
func (s *Server) listen() (err error) {
	if s.opt.Listen == "" { // it only works
		return nil
	}
	if s.listener, err = net.Listen("tcp", s.opt.Listen); err != nil {
		return backstay.Errorf(backstay.Failed, "listen on %s: %w", s.opt.Listen, err).WithHint("Is another server using the port? Choose one with --listen.")
	}
	s.http = &http.Server{Handler: s.handler(), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.opt.Log.Handler(), slog.LevelDebug)}
	if !s.secure {
		return nil
	}
	cert, err := s.certificate()
	if err != nil {
		return err
	}
	if s.opt.CertFile == "" {
		s.opt.Console("It uses a certificate of its own. Compare its SHA-256 fingerprint with what the browser shows:\n  %s", fingerprint(cert.Certificate[0]))
	}
	show := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.certificate() }
	s.listener = tls.NewListener(s.listener, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: show, NextProtos: []string{"h2", "http/1.1"}})
	return nil
}

// Address is where the server is reached, as people type it.
func (s *Server) Address() string {
	host, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil {
		return s.listener.Addr().String()
	}
	switch ip := net.ParseIP(host); {
	case !s.secure && (ip == nil || ip.IsLoopback()):
		return "http://" + net.JoinHostPort("localhost", port) // passkeys need a name
	case s.secure && ip != nil && ip.IsUnspecified():
		name, err := os.Hostname()
		if err != nil {
			name = "localhost"
		}
		return "https://" + net.JoinHostPort(name, port)
	}
	return "https://" + net.JoinHostPort(host, port)
}

// greet tells the console where the server is, and how to claim it.
func (s *Server) greet(ctx context.Context) error {
	if s.listener == nil {
		return nil
	}
	code, err := s.app.NewClaimCode(ctx)
	if err != nil {
		return err
	}
	s.opt.Console("Backstay is at %s", s.Address())
	if code != "" {
		s.opt.Console("It has no account yet. Claim it with this code: %s", string(code))
	}
	return nil
}

// Serve answers requests until ctx ends, then lets those at work end.
func (s *Server) Serve(ctx context.Context) error {
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	working := make(chan struct{})
	go func() {
		defer close(working)
		work.Serve(ctx, work.Options{App: s.app, Clock: s.opt.Clock, Log: s.opt.Log, Name: s.name(), Runs: s.opt.Runs})
	}()
	ended := make(chan error, 1)
	go func() { ended <- s.http.Serve(s.listener) }()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		err = s.http.Shutdown(stop)
		if errors.Is(err, context.DeadlineExceeded) {
			err = s.http.Close() // whoever still listens to events is cut off
		}
		if closed := <-ended; !errors.Is(closed, http.ErrServerClosed) {
			err = errors.Join(err, closed)
		}
	}
	<-working
	return errors.Join(err, s.app.CloseLibrary(), s.close())
}

// name is how runs name this process.
func (s *Server) name() string {
	return fmt.Sprintf("%s/%d/%s", s.app.Hostname, os.Getpid(), s.newRequestID()[:6])
}

// close gives back what Open took.
func (s *Server) close() error {
	var errs []error
	if s.listener != nil {
		if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if s.catalog != nil {
		errs = append(errs, s.catalog.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(errs...)
}

// isLoopback reports whether only this machine reaches an address.
func isLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// handler is all that the server answers.
func (s *Server) handler() http.Handler {
	who, watches := door.Identity{App: s.app, Secure: s.secure}, new(door.Watches)
	a := api.New(api.Options{Identity: who, Watches: watches, Log: s.opt.Log, Version: s.opt.Version})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", s.health)
	mux.Handle("GET /metrics", a.Gauged(s.metrics.Write))
	mux.Handle("/openapi.json", a)
	mux.Handle(api.Prefix+"/", a)
	mux.Handle(api.CompatPrefix+"/", a)
	pages := web.New(web.Options{Identity: who, Watches: watches, Log: s.opt.Log, Version: s.opt.Version})
	mux.Handle("GET "+app.Callback, comingBack(pages, a))
	mux.Handle("/", pages)
	all := http.NewServeMux()
	all.HandleFunc("GET /static/", web.Static)
	all.Handle("/", who.Identify(s.limitStrangers(mux), origin, a.Fail))
	return s.outer(all)
}

// comingBack answers who comes back from another server: a browser by a page, a program as the API does.
func comingBack(pages, programs http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			pages.ServeHTTP(w, r)
			return
		}
		programs.ServeHTTP(w, r)
	})
}

// health answers whether the server can do its work.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), headerTimeout)
	defer cancel()
	w.Header().Set("Content-Type", "application/json")
	if err := s.db.Ping(ctx); err != nil {
		s.opt.Log.ErrorContext(ctx, "the database does not answer", "error", err)
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"status":"failing","database":"no answer"}`+"\n")
		return
	}
	_, _ = io.WriteString(w, `{"status":"ok"}`+"\n") // who asked may have gone
}
