package syslog

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/chain"
	"github.com/backstay/backstay/internal/guard"
	"github.com/backstay/backstay/internal/notify"
	"github.com/backstay/backstay/internal/sink"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/test/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var env = notify.Env{Clock: clock.System, Rand: rand.Reader, Hostname: "vault.example", Dial: new(net.Dialer).DialContext}

// event is one of the trail, with a text that no line and no encoding would survive as it is.
func event(seq int64) sink.Record {
	return sink.Record{Event: backstay.AuditEvent{Seq: seq, Time: time.Date(2026, 11, 28, 2, 3, 4, 567890000, time.UTC), ActorKind: backstay.ActorUser, ActorName: "Zoë 😀\nEve\x7f",
		Action: "plan.updated", Object: "plan", ObjectID: "p1", Name: fmt.Sprint("Nightly ", seq), Result: backstay.ResultAllowed,
		Before: json.RawMessage(`{"name":"ä"}`), After: json.RawMessage(`{"name":"b"}`), Hash: fmt.Sprintf("%064d", seq)}}
}

func head() sink.Record {
	h := chain.NewSigner(make([]byte, 32)).Sign(3, chain.Hash{1}, time.Date(2026, 11, 28, 2, 4, 0, 0, time.UTC))
	return sink.Record{Head: &h}
}

func opened(t *testing.T, v settings.Values, env notify.Env) sink.Sink {
	t.Helper()
	v, err := settings.Check(Provider.Fields, v)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Provider.Open(v, env)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRsyslogUnderstandsAndKeepsEverything(t *testing.T) {
	for _, c := range []struct{ transport, driver string }{{"tls", "gtls"}, {"tls", "ossl"}, {"tcp", ""}, {"udp", ""}, {"unix", ""}} {
		t.Run(c.transport+c.driver, func(t *testing.T) {
			r := servers.NewRsyslog(t, c.transport, c.driver)
			s := opened(t, settings.Values{"transport": c.transport, "address": r.Address, "ca-certificate": r.CA}, env)
			denied := event(3)
			denied.Event.Result = backstay.ResultDenied
			taken, err := s.Send(t.Context(), []sink.Record{event(1), event(2), denied, head()})
			if taken != 4 || err != nil {
				t.Fatalf("Send = %d, %v", taken, err)
			}
			var lines []string
			for range 100 {
				if lines = r.Lines(t); len(lines) >= 4 {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
			if len(lines) != 4 {
				t.Fatalf("rsyslog has %d lines: %q", len(lines), lines)
			}
			for i, line := range lines[:3] {
				want := []string{"13", map[bool]string{true: "4", false: "6"}[i == 2], "2026-11-28T02:03:04.567890Z", "backstay", "plan.updated", fmt.Sprintf(`[meta sequenceId="%d"]`, i+1)}
				parts := strings.SplitN(line, "|", 7)
				if strings.Join(parts[:6], "|") != strings.Join(want, "|") {
					t.Errorf("line %d = %q, want %q", i, parts[:6], want)
				}
				var e backstay.AuditEvent
				if err := json.Unmarshal([]byte(parts[6]), &e); err != nil || e.Seq != int64(i+1) || e.ActorName != "Zoë 😀\nEve\x7f" || string(e.Before) != `{"name":"\u00e4"}` {
					t.Errorf("line %d = %s: %+v, %v", i, parts[6], e, err)
				}
			}
			parts := strings.SplitN(lines[3], "|", 7)
			var h chain.Head
			if err := json.Unmarshal([]byte(parts[6]), &h); err != nil || parts[4] != "audit.head" || h.Seq != 3 {
				t.Errorf("head = %q: %+v, %v", lines[3], h, err)
			}
			if err := chain.NewKeys(chain.NewSigner(make([]byte, 32)).Public()).Check(h); err != nil {
				t.Errorf("the head that arrived: %v", err)
			}
		})
	}
}

// receiver is a server of our own, which reads so many messages of each connection and then ends it.
type receiver struct {
	net.Listener
	reads int // messages of a connection; -1: all
	hangs bool
	dies  bool // it ends as one that is killed

	mu  sync.Mutex
	got []string
}

func newReceiver(t *testing.T, config *tls.Config, reads int) *receiver {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	r := &receiver{Listener: l, reads: reads}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { r.serve(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return r
}

func (r *receiver) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for n := 0; n != r.reads; n++ {
		length, err := in.ReadString(' ')
		if err != nil {
			break
		}
		size, err := strconv.Atoi(strings.TrimSuffix(length, " "))
		text := make([]byte, max(0, size))
		if _, rerr := io.ReadFull(in, text); err != nil || rerr != nil {
			break
		}
		r.mu.Lock()
		r.got = append(r.got, string(text))
		r.mu.Unlock()
	}
	if r.dies {
		time.Sleep(100 * time.Millisecond) // until all was sent
	}
	if secured, ok := conn.(*tls.Conn); ok && r.dies {
		secured.NetConn().Close() // without the words of TLS for an end
	}
	if r.hangs {
		_, _ = io.Copy(io.Discard, conn)
		time.Sleep(2 * time.Second)
	}
}

func (r *receiver) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.got...)
}

func TestMessagesAreCountedByOctets(t *testing.T) {
	r := newReceiver(t, nil, -1)
	s := opened(t, settings.Values{"transport": "tcp", "address": r.Addr().String()}, env)
	if taken, err := s.Send(t.Context(), []sink.Record{event(1), event(1<<31 + 5), head()}); taken != 3 || err != nil {
		t.Fatalf("Send = %d, %v", taken, err)
	}
	got := r.all()
	if len(got) != 3 {
		t.Fatalf("%d messages came", len(got))
	}
	for i, want := range []string{`<110>1 2026-11-28T02:03:04.567890Z vault.example backstay - plan.updated [meta sequenceId="1"] {"seq":1,`,
		`<110>1 2026-11-28T02:03:04.567890Z vault.example backstay - plan.updated [meta sequenceId="6"] {"seq":2147483653,`,
		`<110>1 2026-11-28T02:04:00.000000Z vault.example backstay - audit.head - {"seq":3,`} {
		if !strings.HasPrefix(got[i], want) {
			t.Errorf("message %d = %s, want it to begin with %s", i, got[i], want)
		}
		for _, b := range []byte(got[i]) {
			if b < ' ' || b > '~' {
				t.Errorf("message %d has the byte %#x", i, b)
			}
		}
	}
}

// A server that ends, or is ended, before it has read all has lost messages that the kernel had taken: nothing may count as sent.
func TestWhatAServerDidNotReadIsNotSent(t *testing.T) {
	many := make([]sink.Record, 50)
	for i := range many {
		many[i] = event(int64(i + 1))
	}
	ca := servers.NewCA(t)
	for name, config := range map[string]*tls.Config{"tcp": nil, "tls": ca.Server(t)} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, config, 10)
			r.dies = true
			s := opened(t, settings.Values{"transport": name, "address": r.Addr().String(), "ca-certificate": ca.PEM}, env)
			if taken, err := s.Send(t.Context(), many); taken != 0 || err == nil {
				t.Errorf("Send to a server that reads 10 of %d = %d, %v", len(many), taken, err)
			}
		})
	}
}

func TestAnEventThatIsTooLargeGoesWithoutWhatItWas(t *testing.T) {
	r := newReceiver(t, nil, -1)
	s := opened(t, settings.Values{"transport": "tcp", "address": r.Addr().String(), "max-bytes": "1000"}, env)
	large := event(1)
	large.Event.After, large.Event.Reason = json.RawMessage(`"`+strings.Repeat("x", 5000)+`"`), strings.Repeat("é", 5000)
	if taken, err := s.Send(t.Context(), []sink.Record{large, event(2)}); taken != 2 || err != nil {
		t.Fatalf("Send = %d, %v", taken, err)
	}
	got := r.all()
	_, text, _ := strings.Cut(got[0], "] ")
	var e struct {
		backstay.AuditEvent
		Shortened bool
	}
	if err := json.Unmarshal([]byte(text), &e); err != nil || !e.Shortened || e.After != nil || e.Seq != 1 || e.Hash != large.Event.Hash || len(e.Reason) > 200 {
		t.Errorf("the large event arrived as %s: %v", text, err)
	}
	if strings.Contains(got[1], "shortened") {
		t.Errorf("the small event arrived as %s", got[1])
	}
}

func TestAServerThatIsAwayHangsOrIsForbiddenIsAnError(t *testing.T) {
	away := newReceiver(t, nil, -1)
	away.Close()
	hangs := newReceiver(t, nil, -1)
	hangs.hangs = true
	untrusted := newReceiver(t, servers.NewCA(t).Server(t), -1)
	guarded := env
	guarded.Dial = (&guard.Guard{}).Dial
	soon, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, errGone)
	defer cancel()
	for _, c := range []struct {
		name string
		v    settings.Values
		env  notify.Env
		ctx  context.Context
		is   error
		says string
	}{
		{"away", settings.Values{"transport": "tcp", "address": away.Addr().String()}, env, t.Context(), nil, "refused"},
		{"hangs", settings.Values{"transport": "tcp", "address": hangs.Addr().String()}, env, soon, errGone, ""},
		{"untrusted", settings.Values{"transport": "tls", "address": untrusted.Addr().String()}, env, t.Context(), nil, "certificate"},
		{"guarded tcp", settings.Values{"transport": "tcp", "address": hangs.Addr().String()}, guarded, t.Context(), guard.ErrForbidden, ""},
		{"guarded udp", settings.Values{"transport": "udp", "address": "127.0.0.1:514"}, guarded, t.Context(), guard.ErrForbidden, ""},
		{"guarded socket", settings.Values{"transport": "unix", "address": "/dev/log"}, guarded, t.Context(), guard.ErrForbidden, ""},
		{"no socket", settings.Values{"transport": "unix", "address": filepath.Join(t.TempDir(), "none")}, env, t.Context(), nil, "no such file"},
	} {
		taken, err := opened(t, c.v, c.env).Send(c.ctx, []sink.Record{event(1)})
		if taken != 0 || err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("Send to a server that is %s = %d, %v", c.name, taken, err)
		}
	}
	if all := untrusted.all(); len(all) != 0 {
		t.Errorf("a server that nobody trusts got %q", all)
	}
}

var errGone = errors.New("the caller is gone")

func TestAServerMayAskForACertificate(t *testing.T) {
	ca := servers.NewCA(t)
	config := ca.Server(t)
	config.ClientAuth = tls.RequireAnyClientCert
	r := newReceiver(t, config, -1)
	v := settings.Values{"address": r.Addr().String(), "ca-certificate": ca.PEM}
	if _, err := opened(t, v, env).Send(t.Context(), []sink.Record{event(1)}); err == nil {
		t.Error("Send without a certificate = nil error")
	}
	chain, key := ca.Files(t)
	v["client-certificate"] = chain + key
	if taken, err := opened(t, v, env).Send(t.Context(), []sink.Record{event(1)}); taken != 1 || err != nil || len(r.all()) != 1 {
		t.Errorf("Send with a certificate = %d, %v", taken, err)
	}
}

func TestSettingsThatCannotBeRightAreNamed(t *testing.T) {
	for field, v := range map[string]settings.Values{
		"address":            {"address": "https://logs.example/"},
		"max-bytes":          {"address": "logs.example", "max-bytes": "100"},
		"ca-certificate":     {"address": "logs.example", "ca-certificate": "secret"},
		"client-certificate": {"address": "logs.example", "client-certificate": "secret"},
		"transport":          {"address": "logs.example", "transport": "pigeon"},
	} {
		v, err := settings.Check(Provider.Fields, v)
		if err == nil {
			_, err = Provider.Open(v, env)
		}
		var wrong *settings.Error
		if !errors.As(err, &wrong) || wrong.Field.Name != field || strings.Contains(err.Error(), "secret") {
			t.Errorf("open with a wrong %s = %v", field, err)
		}
	}
	if _, err := Provider.Open(settings.Values{"transport": "unix", "address": "dev/log"}, env); err == nil {
		t.Error("a socket with no whole path is opened")
	}
}

func FuzzFormat(f *testing.F) {
	f.Add("Zoë\n", "plan.updated", "host name", "\xff\u2028")
	f.Fuzz(func(t *testing.T, name, action, host, reason string) {
		e := event(1)
		e.Event.Name, e.Event.Action, e.Event.Reason = name, action, reason
		m, err := format(e, host, 8192)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(string(m), func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("format = %q", m)
		}
		parts := strings.SplitN(string(m), " ", 9)
		if len(parts) != 9 || !json.Valid([]byte(parts[8])) {
			t.Errorf("format = %q", m)
		}
	})
}
