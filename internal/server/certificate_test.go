package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/notify/notifytest"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
)

// later is a clock that a test moves on.
type later struct{ by atomic.Int64 }

func (c *later) Now() time.Time { return clock.System.Now().Add(time.Duration(c.by.Load())) }

func (c *later) Sleep(ctx context.Context, d time.Duration) error {
	for until := c.Now().Add(d); c.Now().Before(until); {
		if err := clock.System.Sleep(ctx, min(20*time.Millisecond, until.Sub(c.Now()))); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// shownBy is the certificate that a server shows.
func shownBy(t *testing.T, s *servertest.Server) *x509.Certificate {
	t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(s.URL, "https://"), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it is looked at
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

func TestTheServersOwnCertificateIsRenewedBeforeItEnds(t *testing.T) {
	c := &later{}
	data := t.TempDir()
	s := servertest.Start(t, server.Options{Listen: "0.0.0.0:0", Data: data, Clock: c})
	first := shownBy(t, s)
	if left := first.NotAfter.Sub(c.Now()); left < 800*24*time.Hour || !strings.Contains(s.Console(), "fingerprint") {
		t.Errorf("a new certificate is good for %v; the console says %s", left, s.Console())
	}
	c.by.Add(int64(794 * 24 * time.Hour)) // 31 days are left
	if again := shownBy(t, s); !again.Equal(first) {
		t.Errorf("with 31 days left the certificate is another one, until %v", again.NotAfter)
	}
	c.by.Add(int64(2 * 24 * time.Hour))
	second := shownBy(t, s)
	if left := second.NotAfter.Sub(c.Now()); second.Equal(first) || left < 800*24*time.Hour {
		t.Errorf("with 29 days left the certificate shown is good for %v", left)
	}
	if !strings.Contains(s.Log(), "another certificate is used") {
		t.Error("the log doesn't tell of it")
	}
	if files, err := filepath.Glob(filepath.Join(data, "certificate*")); err != nil || len(files) != 1 {
		t.Errorf("files = %v, %v", files, err)
	}
}

func TestACertificateThatIsReplacedIsUsedWithinAMinute(t *testing.T) {
	c := &later{}
	dir := t.TempDir()
	put := func(cert notifytest.Certificate) {
		for name, text := range map[string]string{"cert.pem": cert.Chain, "key.pem": cert.Key} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	old, fresh := notifytest.NewCertificate(t, "localhost"), notifytest.NewCertificate(t, "localhost")
	put(old)
	s := servertest.Start(t, server.Options{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"), Clock: c})
	is := func(want notifytest.Certificate) bool {
		block, _ := pem.Decode([]byte(want.Chain))
		return string(block.Bytes) == string(shownBy(t, s).Raw)
	}
	if !is(old) {
		t.Error("it shows another certificate than it was given")
	}
	half := fresh
	half.Key = old.Key
	put(half)
	c.by.Add(int64(time.Minute))
	if !is(old) {
		t.Error("it shows another certificate while only half of it is there")
	}
	put(fresh)
	c.by.Add(int64(time.Minute))
	if !is(fresh) {
		t.Error("a minute later it shows the old certificate")
	}
}
