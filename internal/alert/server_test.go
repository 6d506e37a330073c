package alert

import (
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay"
)

func TestACertificateIsToldOfBeforeItEnds(t *testing.T) {
	now := time.Date(2026, 11, 28, 2, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		left time.Duration
		want backstay.Severity // "" for none
	}{
		{15 * 24 * time.Hour, ""}, {14 * 24 * time.Hour, backstay.SeverityWarning}, {3*24*time.Hour + 1, backstay.SeverityWarning},
		{3 * 24 * time.Hour, backstay.SeverityError}, {1, backstay.SeverityError}, {0, backstay.SeverityCritical}, {-100 * 24 * time.Hour, backstay.SeverityCritical},
	} {
		f, is := Certificate(backstay.Certificate{ID: "vault:8484", Subject: "CN=vault", NotAfter: now.Add(c.left)}, now)
		if is != (c.want != "") || f.Severity != c.want || is && (!strings.Contains(f.Text, "vault:8484") || f.Next == "") {
			t.Errorf("with %v left: %+v, %t, want %q", c.left, f, is, c.want)
		}
	}
}

func TestASinkIsToldOfOnceItHasFailedForAQuarterOfAnHour(t *testing.T) {
	now := time.Date(2026, 11, 28, 2, 0, 0, 0, time.UTC)
	failing := func(since time.Duration) backstay.AuditSink {
		at := now.Add(-since)
		return backstay.AuditSink{Status: backstay.SinkStatus{State: backstay.SinkFailing, FailingSince: &at, Error: "connection refused"}}
	}
	for _, c := range []struct {
		sink backstay.AuditSink
		want bool
	}{{backstay.AuditSink{}, false}, {failing(0), false}, {failing(15*time.Minute - 1), false}, {failing(15 * time.Minute), true}, {failing(-time.Hour), false}} {
		f, is := Sink(c.sink, now)
		if is != c.want || is && (!strings.Contains(f.Text, "connection refused") || f.Next == "") {
			t.Errorf("Sink of %+v = %+v, %t, want %t", c.sink.Status, f, is, c.want)
		}
	}
}
