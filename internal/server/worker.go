package server

import (
	"context"
	"errors"
	"net/url"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/chain"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/work"
)

// Shared reports whether a database is one that several processes may work on.
func Shared(database string) bool { return db.IsPostgres(database) }

// Shown is the URL of a database without what is secret in it.
func Shown(database string) string {
	u, err := url.Parse(database)
	if err != nil {
		return "the database"
	}
	return u.Scheme + "://" + u.Host + u.Path
}

// OpenWorker opens the database of a server for a process that does its runs and answers no requests. The keys have to be given.
func OpenWorker(ctx context.Context, opt Options) (*Server, error) {
	if opt.Key == nil {
		return nil, errors.New("the keys of the server are missing")
	}
	opt.Listen = ""
	return Open(ctx, opt)
}

// Work does runs until ctx ends, and lets those at work end in good order.
func (s *Server) Work(ctx context.Context) error {
	work.Serve(ctx, work.Options{App: s.app, Clock: s.opt.Clock, Log: s.opt.Log, Name: s.name(), Runs: s.opt.Runs})
	return s.close()
}

// VerifyAudit checks the audit trail of a database without a server that is running, against its own signed heads and those that were kept elsewhere.
func VerifyAudit(ctx context.Context, opt Options, heads []chain.Head) (report chain.Report, err error) {
	s, err := OpenWorker(ctx, opt)
	if err != nil {
		return report, err
	}
	report, err = s.app.VerifyAudit(ctx, backstay.Server, heads)
	return report, errors.Join(err, s.close())
}
