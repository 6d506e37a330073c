package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/chain"
	"github.com/backstay/backstay/internal/cli"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/servers"
)

// collector is a syslog server that can be away for a time. It keeps the JSON of each message.
type collector struct {
	t       *testing.T
	address string
	mu      sync.Mutex
	l       net.Listener
	got     []string
	serving sync.WaitGroup
}

func newCollector(t *testing.T) *collector {
	c := &collector{t: t, address: "127.0.0.1:0"}
	c.start()
	t.Cleanup(c.stop)
	return c
}

func (c *collector) start() {
	c.t.Helper()
	l, err := net.Listen("tcp", c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.l, c.address = l, l.Addr().String()
	c.serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.serving.Go(func() { c.serve(conn) })
		}
	})
}

func (c *collector) stop() { c.l.Close(); c.serving.Wait() }

func (c *collector) serve(conn net.Conn) {
	defer conn.Close()
	for in := bufio.NewReader(conn); ; {
		length, err := in.ReadString(' ')
		if err != nil {
			return
		}
		size, _ := strconv.Atoi(strings.TrimSpace(length))
		text := make([]byte, size)
		if _, err := io.ReadFull(in, text); err != nil {
			return
		}
		_, body, _ := strings.Cut(string(text), " {")
		c.mu.Lock()
		c.got = append(c.got, "{"+body)
		c.mu.Unlock()
	}
}

// events are the events that came, in the order in which they came; heads the signed heads.
func (c *collector) events() (events []backstay.AuditEvent, heads []chain.Head) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return readRecords(c.t, c.got)
}

func readRecords(t *testing.T, texts []string) (events []backstay.AuditEvent, heads []chain.Head) {
	t.Helper()
	for _, text := range texts {
		var e backstay.AuditEvent
		var h chain.Head
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if e.Action != "" {
			events = append(events, e)
			continue
		}
		if err := json.Unmarshal([]byte(text), &h); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		heads = append(heads, h)
	}
	return events, heads
}

// trail is the whole audit trail, as an export of it has it.
func trail(t *testing.T, s *servertest.Server) (lines []string) {
	t.Helper()
	got := s.Owner.Ask(t, http.MethodGet, "/audit-events/export", nil)
	for line := range strings.Lines(string(got.Body)) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

// sentWhole fails the test unless what came is the trail from its first event on, in order, and nothing is left out. Where a receiver has
// gone before it said that it has a batch, all of that batch comes again.
func sentWhole(t *testing.T, who string, came []backstay.AuditEvent, lines []string) {
	t.Helper()
	last := int64(0)
	came = slices.DeleteFunc(slices.Clone(came), func(e backstay.AuditEvent) bool {
		again := e.Seq <= last
		last = max(last, e.Seq)
		return again
	})
	if len(came) < len(lines) {
		t.Errorf("%s has %d events of %d", who, len(came), len(lines))
	}
	for i := range min(len(came), len(lines)) {
		var want backstay.AuditEvent
		if err := json.Unmarshal([]byte(lines[i]), &want); err != nil {
			t.Fatal(err)
		}
		if came[i].Seq != int64(i+1) || came[i].Hash != want.Hash || came[i].Action != want.Action || !sameJSON(came[i].After, want.After) || !sameJSON(came[i].Before, want.Before) {
			t.Fatalf("%s: event %d = %+v, want %s", who, i+1, came[i], lines[i])
		}
	}
}

func sameJSON(a, b json.RawMessage) bool {
	var av, bv any
	_ = json.Unmarshal(a, &av)
	_ = json.Unmarshal(b, &bv)
	return fmt.Sprint(av) == fmt.Sprint(bv)
}

type sinkNow struct {
	ID     string
	Status backstay.SinkStatus
}

func makeSink(t *testing.T, who *servertest.Client, name, kind string, settings map[string]string) (s sinkNow) {
	t.Helper()
	who.Post(t, "/audit-sinks", map[string]any{"name": name, "kind": kind, "settings": settings}, &s)
	return s
}

func syslogAt(address string) map[string]string {
	return map[string]string{"transport": "tcp", "address": address}
}

func status(t *testing.T, s *servertest.Server, id string) backstay.SinkStatus {
	t.Helper()
	var now sinkNow
	s.Owner.Get(t, "/audit-sinks/"+id, &now)
	return now.Status
}

func TestTheTrailGoesLiveToSyslogAndWebhook(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c, h := newCollector(t), newHook(t)
		s.Owner.Post(t, "/projects", map[string]string{"name": "Bürö 😀"}, nil)
		logs := makeSink(t, s.Owner, "Logs", "syslog", syslogAt(c.address))
		hooks := makeSink(t, s.Owner, "Hook", "webhook", h.settings("/trail-secret-path"))
		viewer := s.Person(t, "Vera Viewer", "viewer", "/")
		viewer.Ask(t, "POST", "/projects", map[string]string{"name": "x"}).Refused(t, http.StatusForbidden, "denied")
		lines := trail(t, s)
		var events []backstay.AuditEvent
		var heads []chain.Head
		soon(t, "all events and a head by syslog", func() bool {
			events, heads = c.events()
			return len(events) >= len(lines) && len(heads) > 0
		})
		sentWhole(t, "syslog", events, lines)
		soon(t, "all events by webhook", func() bool { return len(h.all()) > len(lines) })
		var texts []string
		seen := map[string]bool{}
		for _, p := range h.all() {
			if !p.signed() || p.Path != "/trail-secret-path" || seen[p.ID] {
				t.Errorf("webhook %s at %s: signed %t, seen before %t", p.ID, p.Path, p.signed(), seen[p.ID])
			}
			seen[p.ID] = true
			var body struct{ Data json.RawMessage }
			if err := json.Unmarshal(p.Body, &body); err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(body.Data))
		}
		events, _ = readRecords(t, texts)
		sentWhole(t, "the webhook", events, lines)
		for _, text := range append(slices.Clone(c.got), texts...) {
			if strings.Contains(text, "whsec_") || strings.Contains(text, "secret-path") || strings.Contains(text, servertest.Password) {
				t.Errorf("a secret was sent: %s", text)
			}
		}
		s.Owner.Post(t, "/audit-sinks/"+logs.ID+"/test", nil, nil)
		if got := status(t, s, hooks.ID); got.State == backstay.SinkFailing || got.SentAt == nil || got.SignedAt == nil {
			t.Errorf("status = %+v", got)
		}
		for _, path := range []string{"/audit-sinks", "/audit-sinks/" + hooks.ID} {
			if got := s.Owner.Ask(t, "GET", path, nil); strings.Contains(string(got.Body), "whsec_") || strings.Contains(string(got.Body), "secret-path") || !strings.Contains(string(got.Body), `"url"`) {
				t.Errorf("GET %s = %s", path, got.Body)
			}
		}
		before := len(h.all())
		s.Owner.Delete(t, "/audit-sinks/"+hooks.ID)
		s.Owner.Patch(t, "/audit-sinks/"+logs.ID, map[string]string{"name": "Logs, renamed"}, nil)
		count := len(trail(t, s))
		soon(t, "what was done since, by syslog", func() bool { events, _ = c.events(); return len(events) >= count })
		if after := len(h.all()); after > before+1 { // one may have been on its way
			t.Errorf("a sink that was deleted got %d more", after-before)
		}
		var last backstay.AuditEvent
		for _, e := range events {
			if e.Action == "audit-sink.updated" {
				last = e
			}
		}
		if strings.Contains(string(last.After), "whsec") || !strings.Contains(string(last.After), "renamed") {
			t.Errorf("the change of the sink is told as %s", last.After)
		}
	})
}

func TestWhatHappensWhileASinkIsAwayComesLaterAndAnAlertTellsOfIt(t *testing.T) {
	a := &ahead{}
	s := servertest.Start(t, server.Options{Clock: a}).Claim(t)
	c := newCollector(t)
	k := makeSink(t, s.Owner, "Logs", "syslog", syslogAt(c.address))
	soon(t, "the first events", func() bool { return status(t, s, k.ID).State == backstay.SinkCurrent })
	c.stop()
	for i := range 250 {
		s.Owner.Post(t, "/projects", map[string]string{"name": fmt.Sprint("P", i)}, nil)
	}
	soon(t, "the failure", func() bool { return status(t, s, k.ID).State == backstay.SinkFailing })
	if now := status(t, s, k.ID); now.Lag < 200 || !strings.Contains(now.Error, "refused") || now.FailingSince == nil || now.Attempts == 0 || now.Next == nil {
		t.Errorf("status = %+v", now)
	}
	s.Owner.Ask(t, "POST", "/audit-sinks/"+k.ID+"/test", nil).Refused(t, http.StatusConflict, "conflict")
	open := func() (all []alert) {
		var list struct{ Items []alert }
		s.Owner.Get(t, "/alerts?open=true&kind=audit-sink-failing", &list)
		return list.Items
	}
	a.by.Add(int64(5 * time.Minute)) // the server looks around each five minutes
	time.Sleep(time.Second)
	if all := open(); len(all) != 0 {
		t.Errorf("after five minutes: %+v", all)
	}
	a.by.Add(int64(11 * time.Minute))
	soon(t, "the alert", func() bool { return len(open()) == 1 })
	if v := open()[0]; v.Severity != "error" || v.Name != "Logs" || !strings.Contains(v.Text, "refused") || v.Next == "" {
		t.Errorf("alert = %+v", v)
	}
	if now := status(t, s, k.ID); now.Next.Sub(a.Now()) > 5*time.Minute {
		t.Errorf("it is tried next at %v", now.Next)
	}
	c.start()
	a.by.Add(int64(5 * time.Minute))
	soon(t, "all events", func() bool { return status(t, s, k.ID).State == backstay.SinkCurrent })
	soon(t, "the end of the alert", func() bool { a.by.Add(int64(time.Minute)); return len(open()) == 0 })
	lines := trail(t, s)
	var events []backstay.AuditEvent
	soon(t, "the last events", func() bool {
		events, _ = c.events()
		return len(events) > 0 && events[len(events)-1].Seq >= int64(len(lines))
	})
	sentWhole(t, "syslog", events, lines)
	if batch := 200; len(events) > len(lines)+batch+2 {
		t.Errorf("%d events came of %d", len(events), len(lines))
	}
}

func TestAServerThatStartsAnewGoesOnWhereItWas(t *testing.T) {
	data := filepath.Join(t.TempDir(), "server")
	c := newCollector(t)
	var id string
	t.Run("first", func(t *testing.T) {
		s := servertest.Start(t, server.Options{Data: data}).Claim(t)
		id = makeSink(t, s.Owner, "Logs", "syslog", syslogAt(c.address)).ID
		soon(t, "the first events", func() bool { return status(t, s, id).State == backstay.SinkCurrent })
		c.stop()
		s.Owner.Post(t, "/projects", map[string]string{"name": "While it was away"}, nil)
		soon(t, "the failure", func() bool { return status(t, s, id).State == backstay.SinkFailing })
	})
	c.start()
	t.Run("second", func(t *testing.T) {
		s := servertest.Start(t, server.Options{Data: data})
		s.Owner = s.Client(t)
		s.Owner.Post(t, "/session", map[string]string{"email": "ada@example.org", "password": servertest.Password}, nil)
		soon(t, "the rest", func() bool { return status(t, s, id).State == backstay.SinkCurrent })
		lines := trail(t, s)
		var events []backstay.AuditEvent
		soon(t, "the last events", func() bool { events, _ = c.events(); return len(events) >= len(lines) })
		sentWhole(t, "syslog", events, lines)
	})
}

func TestTwoServersSendTheTrailInOrderAndTakeOverFromOneThatIsGone(t *testing.T) {
	url := servers.Postgres(t)
	a := &ahead{}
	s := servertest.Start(t, server.Options{Database: url, Clock: a}).Claim(t)
	servertest.Start(t, server.Options{Database: url, Data: s.Data, Clock: a})
	c := newCollector(t)
	k := makeSink(t, s.Owner, "Logs", "syslog", syslogAt(c.address))
	for i := range 60 {
		s.Owner.Post(t, "/projects", map[string]string{"name": fmt.Sprint("P", i)}, nil)
		time.Sleep(20 * time.Millisecond)
	}
	lines := trail(t, s)
	var events []backstay.AuditEvent
	soon(t, "all events", func() bool { events, _ = c.events(); return len(events) >= len(lines) })
	sentWhole(t, "syslog", events, lines)
	soon(t, "rest", func() bool { return status(t, s, k.ID).State == backstay.SinkCurrent })
	// A third one claims the sink, sends the next event and is killed before it has noted that.
	until := a.Now().UTC().Add(5 * time.Minute).Format(time.RFC3339)
	tamper(t, "pgx", url, "update sink_states set claim = 'third', lease_until = '"+until+"'")
	s.Owner.Post(t, "/projects", map[string]string{"name": "Of the third"}, nil)
	time.Sleep(3 * time.Second)
	if now := status(t, s, k.ID); now.Lag == 0 {
		t.Errorf("two send at once: %+v", now)
	}
	a.by.Add(int64(6 * time.Minute))
	s.Owner.Post(t, "/session", map[string]string{"email": "ada@example.org", "password": servertest.Password}, nil)
	soon(t, "that another takes over", func() bool { return status(t, s, k.ID).State == backstay.SinkCurrent })
	lines = trail(t, s)
	soon(t, "all events", func() bool { events, _ = c.events(); return len(events) >= len(lines) })
	sentWhole(t, "syslog", events, lines)
}

// TestACutOfTheTrailIsFoundByAHeadThatASinkHas cuts the trail with all that the database knows of its end.
func TestACutOfTheTrailIsFoundByAHeadThatASinkHas(t *testing.T) {
	a := &ahead{}
	s := servertest.Start(t, server.Options{Clock: a}).Claim(t)
	c := newCollector(t)
	k := makeSink(t, s.Owner, "Logs", "syslog", syslogAt(c.address))
	for i := range 5 {
		s.Owner.Post(t, "/projects", map[string]string{"name": fmt.Sprint("P", i)}, nil)
	}
	soon(t, "a head of all that happened", func() bool {
		a.by.Add(int64(10 * time.Second)) // a head comes at most a minute after the last event
		_, heads := c.events()
		return len(heads) > 0 && heads[len(heads)-1].Seq == uint64(len(trail(t, s))-1)
	})
	_, heads := c.events()
	count := len(heads)
	at := "file:" + filepath.Join(s.Data, "backstay.db") + "?_pragma=busy_timeout(5000)"
	tamper(t, "sqlite", at, "delete from audit_events where seq > 6; delete from audit_marks where seq > 6; update audit_head set seq = 6, hash = (select hash from audit_events where seq = 6)")
	verify := func(more ...string) (out string, code int) {
		var text bytes.Buffer
		code = cli.Main(context.Background(), append([]string{"audit", "verify", "--data", s.Data}, more...), cli.System{Stdin: strings.NewReader(""), Stdout: &text, Stderr: &text, Clock: clock.System,
			Getenv: func(string) string { return "" }})
		return text.String(), code
	}
	if out, code := verify(); code != 0 {
		t.Fatalf("without a head from outside: %d %s", code, out)
	}
	file := filepath.Join(t.TempDir(), "heads.jsonl")
	text, err := json.Marshal(heads[len(heads)-1])
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, code := verify("--heads", file); code == 0 || !strings.Contains(out, "ends at entry") {
		t.Errorf("with a head from outside: %d %s", code, out)
	}
	soon(t, "the sink to tell", func() bool { return strings.Contains(status(t, s, k.ID).Error, "cut off") })
	a.by.Add(int64(10 * time.Minute))
	time.Sleep(2 * time.Second)
	if _, heads := c.events(); len(heads) != count {
		t.Errorf("the trail that was cut was signed: %+v", heads[count:])
	}
}

func TestAHeadComesAtLeastEachFiveMinutes(t *testing.T) {
	a := &ahead{}
	s := servertest.Start(t, server.Options{Clock: a}).Claim(t)
	c := newCollector(t)
	makeSink(t, s.Owner, "Logs", "syslog", syslogAt(c.address))
	count := func() int { _, heads := c.events(); return len(heads) }
	soon(t, "the first head", func() bool { return count() == 1 })
	time.Sleep(2 * time.Second)
	before := count()
	a.by.Add(int64(5*time.Minute + time.Second))
	soon(t, "another head, though nothing happened", func() bool { return count() > before })
}

func TestASinkOfWhoMayNotReachEverythingIsGuarded(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := newCollector(t)
		sam := s.Person(t, "Sam System", "system-admin", "/system")
		k := makeSink(t, sam, "Near", "syslog", syslogAt(c.address))
		soon(t, "the refusal", func() bool { return status(t, s, k.ID).State == backstay.SinkFailing })
		if now := status(t, s, k.ID); !strings.Contains(now.Error, "not allowed") || now.Sent != 0 {
			t.Errorf("status = %+v", now)
		}
		sam.Ask(t, "POST", "/audit-sinks/"+k.ID+"/test", nil).Refused(t, http.StatusConflict, "conflict")
		sam.Ask(t, "POST", "/audit-sinks", map[string]any{"name": "Socket", "kind": "syslog", "settings": map[string]string{"transport": "unix", "address": "/dev/log"}}).
			Refused(t, http.StatusUnprocessableEntity, "invalid")
		s.Owner.Patch(t, "/audit-sinks/"+k.ID, map[string]string{"name": "Looks harmless"}, nil)
		s.Owner.Ask(t, "POST", "/audit-sinks/"+k.ID+"/test", nil).Refused(t, http.StatusConflict, "conflict")
		if events, heads := c.events(); len(events)+len(heads) != 0 {
			t.Errorf("%d events and %d heads came", len(events), len(heads))
		}
	})
}

func TestRsyslogHasTheWholeTrail(t *testing.T) {
	r := servers.NewRsyslog(t, "tls", "gtls")
	s := servertest.Start(t, server.Options{}).Claim(t)
	makeSink(t, s.Owner, "Logs", "syslog", map[string]string{"address": r.Address, "ca-certificate": r.CA})
	s.Owner.Post(t, "/projects", map[string]string{"name": "P"}, nil)
	lines := trail(t, s)
	var events []backstay.AuditEvent
	soon(t, "all events", func() bool {
		var texts []string
		for _, line := range r.Lines(t) {
			texts = append(texts, strings.SplitN(line, "|", 7)[6])
		}
		events, _ = readRecords(t, texts)
		return len(events) >= len(lines)
	})
	sentWhole(t, "rsyslog", events, lines)
}
