//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/backstay/backstay/test/servers"
)

// stage is where the repositories live: folders of this machine, or a server that is started for the benchmark.
type stage struct {
	kind string // "local", "s3" or "sftp"
	s3   servers.S3Server
	sftp *servers.SFTP

	address string // of what stands before the server
	host    *host
}

// setUp starts the server, and with a delay something before it that lets each request wait.
func setUp(ctx context.Context, kind, work string, delay time.Duration) (s *stage, err error) {
	s = &stage{kind: kind, host: &host{ctx: ctx, work: work}}
	defer func() {
		if gone := recover(); gone != nil { // what a helper for tests says instead of returning an error
			s.close()
			err = fmt.Errorf("start a server of kind %q: %v", kind, gone)
		}
	}()
	switch kind {
	case "local":
	case "s3":
		s.s3 = servers.StartS3(s.host)
		next := func(*http.Request) servers.Fault { return servers.Fault{Delay: delay} }
		s.address = servers.StartFaultProxy(s.host, s.s3.Address, next).Address
	case "sftp":
		s.sftp = servers.StartSFTP(s.host)
	default:
		return nil, fmt.Errorf("storage %q: it is local, s3 or sftp", kind)
	}
	if delay > 0 && kind != "s3" {
		s.close()
		return nil, errors.New("a delay can be put before s3 only")
	}
	return s, nil
}

// close stops the server.
func (s *stage) close() { s.host.close() }

// location is where an engine has its repository in a round; "" for a folder in its home.
func (s *stage) location(engine string, round int) string {
	switch s.kind {
	case "s3":
		return fmt.Sprintf("s3:http://%s/bench/%s-%d", s.address, engine, round)
	case "sftp":
		return fmt.Sprintf("sftp://%s@%s:%s/%s/%s-%d", s.sftp.User, s.sftp.Host, s.sftp.Port, s.sftp.Dir, engine, round)
	}
	return ""
}

// env is what both engines know the server by.
func (s *stage) env() []string {
	if s.kind != "s3" {
		return nil
	}
	return []string{"AWS_ACCESS_KEY_ID=" + s.s3.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s.s3.SecretKey, "AWS_DEFAULT_REGION=" + s.s3.Region}
}

// flags are those by which an engine logs in: restic lets the ssh program do it.
func (s *stage) flags(ours bool) []string {
	if s.kind != "sftp" {
		return nil
	}
	known := s.sftp.KeyFile + ".known"
	if err := os.WriteFile(known, []byte(s.sftp.KnownHosts+"\n"), 0o600); err != nil {
		panic(err)
	}
	if ours {
		return []string{"-o", "sftp.private-key-file=" + s.sftp.KeyFile, "-o", "sftp.known-hosts-file=" + known}
	}
	return []string{"-o", "sftp.args=-i " + s.sftp.KeyFile + " -o UserKnownHostsFile=" + known}
}

// host stands for the test that servers are usually started for.
type host struct {
	testing.TB
	ctx      context.Context
	work     string
	cleanups []func()
}

func (h *host) Helper()                           {}
func (h *host) Context() context.Context          { return h.ctx }
func (h *host) Failed() bool                      { return false }
func (h *host) Logf(string, ...any)               {}
func (h *host) Cleanup(fn func())                 { h.cleanups = append(h.cleanups, fn) }
func (h *host) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (h *host) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (h *host) Skipf(format string, args ...any)  { panic(fmt.Sprintf(format, args...)) }

func (h *host) TempDir() string {
	dir, err := os.MkdirTemp(h.work, "server-*")
	if err != nil {
		panic(err)
	}
	return dir
}

func (h *host) close() {
	for i := range h.cleanups {
		h.cleanups[len(h.cleanups)-1-i]()
	}
	h.cleanups = nil
}
