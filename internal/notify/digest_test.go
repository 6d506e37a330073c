package notify

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay"
)

func message(id, event string, s backstay.Severity, minute int) Message {
	return Message{ID: id, Event: event, Severity: s, Subject: "subject of " + id, Project: "Shop", Time: start.Add(time.Duration(minute) * time.Minute)}
}

func TestADigestTellsOfAll(t *testing.T) {
	messages := []Message{message("b", "run.failed", failure, 2), message("a", "run.late", warning, 1), message("c", "run.failed", failure, 3)}
	d := Digest(messages, start.Add(time.Hour))
	if d.Subject != "3 messages: 2 error, 1 warning" || d.Severity != failure || d.Event != "digest" || d.Project != "Shop" || !d.Time.Equal(start.Add(time.Hour)) {
		t.Errorf("Digest = %+v", d)
	}
	const want = "2026-11-27 22:01 UTC  WARNING  subject of a\n2026-11-27 22:02 UTC  ERROR  subject of b\n2026-11-27 22:03 UTC  ERROR  subject of c\n"
	if d.Text != want {
		t.Errorf("Text = %q, want %q", d.Text, want)
	}
	if fmt.Sprint(d.Facts) != "[{run.failed 2} {run.late 1}]" {
		t.Errorf("Facts = %v", d.Facts)
	}
}

func TestADigestOfTheSameMessagesIsTheSame(t *testing.T) {
	messages := []Message{message("b", "e", info, 2), message("a", "e", info, 1)}
	d := Digest(messages, start)
	if messages[0].ID != "b" {
		t.Error("Digest changes the order of what it was given")
	}
	slices.Reverse(messages)
	if again := Digest(messages, start.Add(time.Hour)); again.ID != d.ID || d.ID == "" {
		t.Errorf("ID = %q and %q", d.ID, again.ID)
	}
	messages[0].ID = "z"
	if other := Digest(messages, start); other.ID == d.ID {
		t.Errorf("ID of another digest = %q too", other.ID)
	}
}

func TestOneMessageIsNoDigest(t *testing.T) {
	if d := Digest([]Message{message("a", "run.failed", failure, 1)}, start); d.ID != "a" || d.Event != "run.failed" {
		t.Errorf("Digest = %+v", d)
	}
}

func TestADigestOfManyHasItsBounds(t *testing.T) {
	var messages []Message
	for i := range 5000 {
		m := message(fmt.Sprint("m", i), "run.failed", warning, i)
		m.Subject = strings.Repeat("x", 500) + "\r\nBcc: x"
		messages = append(messages, m)
	}
	d := Digest(messages, start)
	if len(d.Text) > maxText || !strings.HasSuffix(d.Text, "and 4900 more\n") || strings.Count(d.Text, "\n") != maxListed+1 || strings.Contains(d.Text, "Bcc") {
		t.Errorf("Text has %d bytes: %.300q", len(d.Text), d.Text)
	}
	if clean := d.Clean(); clean.Subject != d.Subject || !strings.HasSuffix(clean.Text, "and 4900 more") {
		t.Errorf("Clean cuts it: %q", clean.Text[len(clean.Text)-50:])
	}
}

func TestADigestOfSeveralProjectsSaysOfWhichEachIs(t *testing.T) {
	other := message("b", "run.failed", failure, 2)
	other.Project = "Bakery"
	d := Digest([]Message{message("a", "run.failed", failure, 1), other}, start)
	if d.Project != "Bakery, Shop" || !strings.Contains(d.Text, "ERROR  Shop: subject of a\n") || !strings.Contains(d.Text, "ERROR  Bakery: subject of b\n") {
		t.Errorf("Digest = %+v", d)
	}
}
