// Package notifytest says what every notify.Channel owes, as tests.
//
// A promise is one entry of the table that Run goes through: a sentence, and a test that fails where it isn't kept. At the other end of the
// channel stands a receiver of a mood, a real server that the adapter's own test starts; for those of HTTP there is Receiver.
package notifytest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/guard"
	"github.com/backstay/backstay/internal/notify"
)

// Mood is what a receiver does with a message.
type Mood int

// The moods.
const (
	Takes     Mood = iota // takes it
	Refuses               // won't have it, and repeats in its answer all that it was sent, secrets too
	Busy                  // asks to come later
	Hangs                 // never answers
	Untrusted             // would take it, but its certificate is of an authority that nobody knows
	Guarded               // would take it, but is at an address that the guard lets nobody reach
	Away                  // isn't there
	Redirects             // wants it sent to another address, as only those of HTTP can
)

// Bench is a channel and the receiver at its other end.
type Bench struct {
	Channel  notify.Channel
	Secrets  []string          // what was given to the channel and is not to be seen
	Received func() []Received // what has arrived so far, in order
	Short    bool              // there is no room for more than the subject
}

// Received is a message as it arrived.
type Received struct {
	ID     string              // what is the same if a message comes again
	Text   string              // all that people see of it
	Header map[string][]string // of the mail or the request
	Size   int                 // of all of it, in bytes
}

// Run tests each promise as a subtest. Open returns a bench whose receiver is of a mood; what it holds is cleaned up by its own t.Cleanup.
func Run(t *testing.T, open func(t *testing.T, mood Mood) Bench) {
	for _, promise := range promises {
		t.Run(promise.says, func(t *testing.T) {
			promise.test(t, func(mood Mood) Bench { return open(t, mood) })
		})
	}
}

var promises = []struct {
	says string
	test func(t *testing.T, open func(Mood) Bench)
}{
	{"a message arrives with all that it tells", arrives},
	{"a refused message is an error that no other try changes", refused},
	{"a receiver that is busy hasn't refused", busy},
	{"a receiver that isn't there is an error and hasn't refused", away},
	{"a slow receiver is left at once when the context ends", slow},
	{"a message whose context has ended isn't sent", ended},
	{"no secret stands in any error", noSecrets},
	{"a message can be told from its repetition", repetition},
	{"hostile text arrives as text", hostile},
	{"a certificate that isn't valid is refused", untrusted},
	{"an address that the guard refuses isn't reached", guarded},
	{"messages can be sent at the same time", parallel},
}

// Message returns one that uses all there is.
func Message(id string) notify.Message {
	return notify.Message{ID: id, Event: "run.failed", Severity: backstay.SeverityError, Subject: "Backup of db failed " + id,
		Text: "The server went away.\nNothing was saved.", Link: "https://backstay.example/runs/1?a=b&c=d",
		Facts: []notify.Fact{{Name: "Files", Value: "12,345"}, {Name: "Size", Value: "3 < 4"}}, Time: time.Date(2026, 11, 27, 22, 0, 0, 0, time.UTC),
		Project: "Shop", Thread: "alert-1"}
}

func arrives(t *testing.T, open func(Mood) Bench) {
	b := open(Takes)
	m := Message("m1")
	if err := b.Channel.Send(t.Context(), m); err != nil {
		t.Fatalf("Send = %v", err)
	}
	all := b.Received()
	if len(all) != 1 {
		t.Fatalf("%d messages arrived, want 1", len(all))
	}
	want := []string{m.Subject}
	if !b.Short {
		want = append(want, "The server went away.", "Nothing was saved.", "Files", "12,345", "https://backstay.example/runs/1?a=b", "Shop")
	}
	for _, part := range want {
		if !strings.Contains(all[0].Text, part) {
			t.Errorf("%q isn't in what arrived: %q", part, all[0].Text)
		}
	}
}

func refused(t *testing.T, open func(Mood) Bench) {
	if err := open(Refuses).Channel.Send(t.Context(), Message("m1")); !errors.Is(err, notify.ErrRefused) {
		t.Errorf("Send to a receiver that refuses = %v, want ErrRefused", err)
	}
}

func busy(t *testing.T, open func(Mood) Bench) {
	err := open(Busy).Channel.Send(t.Context(), Message("m1"))
	if err == nil || errors.Is(err, notify.ErrRefused) {
		t.Errorf("Send to a busy receiver = %v, want an error that isn't ErrRefused", err)
	}
	var later *notify.LaterError
	if errors.As(err, &later) && later.After != pause {
		t.Errorf("Send to a busy receiver = %v to try after %v, want %v", err, later.After, pause)
	}
}

// pause is what a busy receiver asks for, if it can.
const pause = 2 * time.Minute

func away(t *testing.T, open func(Mood) Bench) {
	if err := open(Away).Channel.Send(t.Context(), Message("m1")); err == nil || errors.Is(err, notify.ErrRefused) {
		t.Errorf("Send to nobody = %v, want an error that isn't ErrRefused", err)
	}
}

// errGone is the cause of contexts that are cancelled here.
var errGone = errors.New("the caller is gone")

func slow(t *testing.T, open func(Mood) Bench) {
	b := open(Hangs)
	ctx, cancel := context.WithCancelCause(t.Context())
	var cancelled time.Time
	timer := time.AfterFunc(300*time.Millisecond, func() { cancelled = time.Now(); cancel(errGone) })
	defer timer.Stop()
	err := b.Channel.Send(ctx, Message("m1"))
	if ctx.Err() == nil {
		t.Fatalf("Send to a receiver that never answers = %v before the context ended", err)
	}
	if late := time.Since(cancelled); late > time.Second {
		t.Errorf("Send returned %v after the context ended", late)
	}
	if !errors.Is(err, errGone) {
		t.Errorf("Send = %v, want the cause of the context", err)
	}
}

func ended(t *testing.T, open func(Mood) Bench) {
	b := open(Takes)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errGone)
	if err := b.Channel.Send(ctx, Message("m1")); !errors.Is(err, errGone) {
		t.Errorf("Send = %v, want the cause of the context", err)
	}
	if all := b.Received(); len(all) != 0 {
		t.Errorf("%d messages arrived", len(all))
	}
}

func noSecrets(t *testing.T, open func(Mood) Bench) {
	for _, mood := range []Mood{Refuses, Busy, Untrusted, Guarded, Away} {
		b := open(mood)
		err := b.Channel.Send(t.Context(), Message("m1"))
		if err == nil {
			t.Errorf("Send to a receiver of mood %d = nil error", mood)
			continue
		}
		for _, text := range texts(err) {
			for _, secret := range b.Secrets {
				if strings.Contains(text, secret) {
					t.Errorf("Send to a receiver of mood %d = %q, in which %q stands", mood, text, secret)
				}
			}
		}
		if mood == Refuses {
			t.Logf("Send to a receiver that refuses = %v", err)
		}
	}
}

// texts returns what an error says, and all that it wraps: somebody may print one of those.
func texts(err error) []string {
	all := []string{err.Error()}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if next := e.Unwrap(); next != nil {
			all = append(all, texts(next)...)
		}
	case interface{ Unwrap() []error }:
		for _, next := range e.Unwrap() {
			all = append(all, texts(next)...)
		}
	}
	return all
}

func repetition(t *testing.T, open func(Mood) Bench) {
	b := open(Takes)
	for _, id := range []string{"m1", "m1", "m2"} {
		if err := b.Channel.Send(t.Context(), Message(id)); err != nil {
			t.Fatalf("Send = %v", err)
		}
	}
	all := b.Received()
	if len(all) != 3 || all[0].ID == "" || all[0].ID != all[1].ID || all[0].ID == all[2].ID {
		t.Errorf("a message, the same one and another arrived as %+v", all)
	}
}

func hostile(t *testing.T, open func(Mood) Bench) {
	const evil = "x\r\nBcc: evil@example.com\r\nX-Evil: 1\r\n\r\n<script>alert(1)</script>\x00\x1b[31m\u202egnp.exe\u2028\xff\xfe{text}{to}%s{{.}} @everyone <!channel>"
	big := strings.Repeat("näme😀", 1<<20/10)
	m := Message(evil)
	m.Subject, m.Text, m.Event, m.Project, m.Thread = evil, evil+"\r\n.\r\nQUIT\r\n"+big, evil, evil, evil
	m.Link = "javascript:alert(1)//\r\n"
	m.Facts = []notify.Fact{{Name: big, Value: evil}, {Name: evil, Value: big}}
	for _, subject := range []string{evil, big, ""} {
		b := open(Takes)
		m.Subject = subject
		if err := b.Channel.Send(t.Context(), m); err != nil {
			t.Fatalf("Send of a subject of %d bytes = %v", len(subject), err)
		}
		all := b.Received()
		if len(all) != 1 {
			t.Fatalf("%d messages arrived, want 1: %+v", len(all), all)
		}
		checkSafe(t, all[0])
	}
}

func checkSafe(t *testing.T, r Received) {
	t.Helper()
	for name := range r.Header {
		if strings.EqualFold(name, "Bcc") || strings.EqualFold(name, "X-Evil") {
			t.Errorf("a header %q came of the text", name)
		}
	}
	if r.Size > 128<<10 {
		t.Errorf("%d bytes arrived", r.Size)
	}
	for _, c := range r.Text {
		if unicode.IsControl(c) && c != '\n' && c != '\r' && c != '\t' || c == '\u202e' {
			t.Errorf("%q arrived in the text", c)
		}
	}
	if strings.Contains(r.Text, "javascript:") {
		t.Error("the link that is none arrived")
	}
}

func untrusted(t *testing.T, open func(Mood) Bench) {
	b := open(Untrusted)
	err := b.Channel.Send(t.Context(), Message("m1"))
	if err == nil || !strings.Contains(err.Error(), "certificate") || errors.Is(err, notify.ErrRefused) {
		t.Errorf("Send to a receiver whose certificate isn't valid = %v, want an error about the certificate", err)
	}
	if all := b.Received(); len(all) != 0 {
		t.Errorf("%d messages arrived", len(all))
	}
}

func guarded(t *testing.T, open func(Mood) Bench) {
	b := open(Guarded)
	if err := b.Channel.Send(t.Context(), Message("m1")); !errors.Is(err, guard.ErrForbidden) {
		t.Errorf("Send to an address that isn't allowed = %v, want ErrForbidden", err)
	}
	if all := b.Received(); len(all) != 0 {
		t.Errorf("%d messages arrived", len(all))
	}
}

func parallel(t *testing.T, open func(Mood) Bench) {
	b := open(Takes)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			if err := b.Channel.Send(t.Context(), Message(fmt.Sprint("m", i))); err != nil {
				t.Errorf("Send of message %d = %v", i, err)
			}
		})
	}
	group.Wait()
	ids := map[string]bool{}
	for _, r := range b.Received() {
		ids[r.ID] = true
	}
	if len(ids) != 8 {
		t.Errorf("%d messages arrived, want 8", len(ids))
	}
}
