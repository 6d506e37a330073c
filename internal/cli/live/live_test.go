package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/progress"
)

const mib = 1 << 20

// someWork sends the events of a small run: in the first ten seconds one file of two, and half of the other.
func someWork(send progress.Func) {
	send.Send(progress.Event{Kind: progress.Total, Files: 2, Bytes: 30 * mib})
	send.Send(progress.Event{Kind: progress.Started, Item: "/src/a"})
	time.Sleep(5 * time.Second)
	send.Send(progress.Event{Kind: progress.Advanced, Item: "/src/a", Bytes: 4 * mib})
	send.Send(progress.Event{Kind: progress.Finished, Item: "/src/a", State: "new", Bytes: 10 * mib})
	send.Send(progress.Event{Kind: progress.Started, Item: "/src/b\x1b[2J"})
	send.Send(progress.Event{Kind: progress.Advanced, Item: "/src/b\x1b[2J", Bytes: 5 * mib})
	time.Sleep(5 * time.Second)
}

func TestATerminalShowsOneLineThatIsWrittenOverAndCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out, err bytes.Buffer
		d := Start(Options{Form: Line, Out: &out, Err: &err, Every: 6 * time.Second, Name: show.Name})
		someWork(d.Event)
		d.Stop()
		want := "\r[0:06]   50.0%  1 / 2 files  15.0 MiB / 30.0 MiB  2.5 MiB/s  0:06 left  b\\x1b[…\x1b[K\r\x1b[K"
		if got := err.String(); got != want {
			t.Errorf("a run wrote\n%q\nwant\n%q", got, want)
		}
		if out.Len() > 0 {
			t.Errorf("a run wrote %q on Out, want nothing", out.String())
		}
	})
}

func TestATerminalIsDrawnTenTimesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var err bytes.Buffer
		d := Start(Options{Form: Line, Err: &err})
		time.Sleep(10*time.Second + time.Millisecond)
		d.Stop()
		if got := strings.Count(err.String(), "\r["); got != 100 {
			t.Errorf("drawn %d times in 10 seconds, want 100", got)
		}
	})
}

func TestAMessageStandsOnALineOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var err bytes.Buffer
		d := Start(Options{Form: Line, Err: &err, Every: time.Second})
		time.Sleep(1500 * time.Millisecond)
		d.Event(progress.Event{Kind: progress.Failed, Item: "/src/x", Err: errors.New("permission denied")})
		d.Event(progress.Event{Kind: progress.Notice, Text: "a notice"})
		time.Sleep(time.Second)
		d.Stop()
		want := "\r[0:01]  0 files  0 B  0 B/s\x1b[K" + "\r\x1b[K" + "not done: /src/x: permission denied\n" + "a notice\n" +
			"\r[0:02]  0 files  0 B  0 B/s  1 error\x1b[K" + "\r\x1b[K"
		if got := err.String(); got != want {
			t.Errorf("a run wrote\n%q\nwant\n%q", got, want)
		}
	})
}

func TestALogHasALineAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var err bytes.Buffer
		d := Start(Options{Form: Log, Err: &err})
		time.Sleep(3*time.Minute + time.Second)
		d.Stop()
		want := "[1:00]  0 files  0 B  0 B/s\n[2:00]  0 files  0 B  0 B/s\n[3:00]  0 files  0 B  0 B/s\n"
		if got := err.String(); got != want {
			t.Errorf("a run wrote\n%q\nwant\n%q", got, want)
		}
	})
}

func TestQuietLeavesOnlyLossesAndNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out, err bytes.Buffer
		d := Start(Options{Form: JSONLine, Quiet: true, Out: &out, Err: &err, During: "archival"})
		someWork(d.Event)
		d.Event(progress.Event{Kind: progress.Failed, Item: "/src/x", Err: errors.New("permission denied")})
		d.Stop()
		if out.Len() > 0 {
			t.Errorf("a quiet run wrote %q on Out, want nothing", out.String())
		}
		want := `{"during":"archival","error":{"message":"permission denied"},"item":"/src/x","message_type":"error"}` + "\n"
		if got := err.String(); got != want {
			t.Errorf("a quiet run wrote %q on Err, want %q", got, want)
		}
	})
}

func TestProgramsGetTheFieldsTheyKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out, err bytes.Buffer
		d := Start(Options{Form: JSONLine, Out: &out, Err: &err, Every: 6 * time.Second, Verbose: 1})
		someWork(d.Event)
		d.Stop()
		want := []map[string]any{
			{"message_type": "verbose_status", "action": "new", "item": "/src/a", "data_size": float64(10 * mib)},
			{"message_type": "status", "seconds_elapsed": 6.0, "seconds_remaining": 6.0, "percent_done": 0.5, "total_files": 2.0, "files_done": 1.0,
				"total_bytes": float64(30 * mib), "bytes_done": float64(15 * mib), "current_files": []any{"/src/b\x1b[2J"}},
		}
		if diff := cmp.Diff(want, decode(t, out.String())); diff != "" {
			t.Errorf("a run wrote (-want +got):\n%s", diff)
		}
	})
}

func decode(t *testing.T, lines string) (got []map[string]any) {
	for line := range strings.Lines(lines) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		got = append(got, m)
	}
	return got
}

func TestVerboseWritesItems(t *testing.T) {
	for verbose, want := range []string{
		"",
		"new          10.0 MiB  a\nchanged           5 B  b\n",
		"new          10.0 MiB  a\nchanged           5 B  b\nunmodified        7 B  c\n",
	} {
		var err bytes.Buffer
		d := Start(Options{Quiet: true, Err: &err, Verbose: verbose})
		d.Event(progress.Event{Kind: progress.Finished, Item: "a", State: "new", Bytes: 10 * mib})
		d.Event(progress.Event{Kind: progress.Finished, Item: "b", State: "changed", Bytes: 5})
		d.Event(progress.Event{Kind: progress.Finished, Item: "c", State: "unmodified", Bytes: 7})
		d.Stop()
		if got := err.String(); got != want {
			t.Errorf("verbose %d wrote %q, want %q", verbose, got, want)
		}
	}
}

func TestTheSpeedForgetsWhatIsLongAgo(t *testing.T) {
	start := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	s := newState(start)
	s.add(progress.Event{Kind: progress.Total, Files: 1, Bytes: 4000 * mib})
	at := start
	run := func(seconds int, perSecond int64) status {
		for range seconds {
			at = at.Add(time.Second)
			s.add(progress.Event{Kind: progress.Advanced, Item: "a", Bytes: perSecond})
			s.status(at)
		}
		return s.status(at)
	}
	if got := run(3, 100*mib).Rate; got < 99*mib || got > 101*mib {
		t.Errorf("speed after 3 s at 100 MiB/s = %s/s", show.Size(int64(got)))
	}
	if got := run(60, 10*mib); got.Rate < 9*mib || got.Rate > 13*mib {
		t.Errorf("speed after another minute at 10 MiB/s = %s/s", show.Size(int64(got.Rate)))
	}
	run(300, 0)
	if left, ok := s.status(at).left(); ok {
		t.Errorf("time left after five minutes of standstill = %v, want that nobody knows", left)
	}
}

func TestSumsOfManyGoroutinesAreExact(t *testing.T) {
	var log bytes.Buffer
	d := Start(Options{Form: Log, Err: &log, Every: time.Millisecond})
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 500 {
				item := fmt.Sprintf("%d/%d", g, i)
				d.Event(progress.Event{Kind: progress.Started, Item: item})
				d.Event(progress.Event{Kind: progress.Advanced, Item: item, Bytes: 3})
				d.Event(progress.Event{Kind: progress.Finished, Item: item, Bytes: 10})
			}
		})
	}
	all.Wait()
	d.Stop()
	if got, want := d.snapshot().Done, (count{files: 4000, bytes: 40000}); got != want {
		t.Errorf("done = %+v, want %+v", got, want)
	}
	if got := d.snapshot().Current; len(got) > 0 {
		t.Errorf("in work at the end: %q, want nothing", got)
	}
}

func BenchmarkEvent(b *testing.B) {
	d := Start(Options{Form: Log, Err: &bytes.Buffer{}})
	defer d.Stop()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			d.Event(progress.Event{Kind: progress.Finished, Item: "home/u/notes.txt", State: "unmodified", Bytes: 10})
		}
	})
}
