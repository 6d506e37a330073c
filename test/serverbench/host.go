//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/backstay/backstay/test/servers"
)

// host stands for the test that servers are usually started for.
type host struct {
	testing.TB
	ctx      context.Context
	work     string
	cleanups []func()
}

func newHost(ctx context.Context, work string) *host { return &host{ctx: ctx, work: work} }

// newDatabase returns the URL of a new database, "" for SQLite in the folder of the server.
func (h *host) newDatabase(kind string) (url string, err error) {
	defer func() {
		if gone := recover(); gone != nil { // what a helper for tests says instead of returning an error
			err = fmt.Errorf("start %s: %v", kind, gone)
		}
	}()
	switch kind {
	case "sqlite":
		return "", nil
	case "postgres":
		return servers.Postgres(h), nil
	}
	return "", fmt.Errorf("database %q: it is sqlite or postgres", kind)
}

func (h *host) Helper()                           {}
func (h *host) Context() context.Context          { return h.ctx }
func (h *host) Failed() bool                      { return false }
func (h *host) Logf(string, ...any)               {}
func (h *host) Cleanup(fn func())                 { h.cleanups = append(h.cleanups, fn) }
func (h *host) Error(args ...any)                 { fmt.Fprintln(os.Stderr, args...) }
func (h *host) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (h *host) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (h *host) Skipf(format string, args ...any)  { panic(fmt.Sprintf(format, args...)) }

func (h *host) close() {
	for i := range h.cleanups {
		h.cleanups[len(h.cleanups)-1-i]()
	}
	h.cleanups = nil
}
