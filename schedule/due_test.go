package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/schedule"
)

// isToDo is the specification of what a server does: since a moment, now, with what was due in between.
var isToDo = []struct {
	name      string
	schedule  schedule.Schedule
	last, now string
	want      string
}{
	{"nothing before it is due", daily("02:30"), "2026-11-26 02:30", "2026-11-27 02:29", "next 2026-11-27 02:30"},
	{"a run when it is due", daily("02:30"), "2026-11-26 02:30", "2026-11-27 02:30", "start 2026-11-27 02:30, next 2026-11-28 02:30"},
	{"a run though it is a little late", daily("02:30"), "2026-11-26 02:30", "2026-11-27 02:40", "start 2026-11-27 02:30, next 2026-11-28 02:30"},
	{"no run if it is late", daily("02:30"), "2026-11-26 02:30", "2026-11-27 02:41", "missed 2026-11-27 02:30, 1 missed, next 2026-11-28 02:30"},
	{"no run for those that were missed", daily("02:30"), "2026-11-24 02:30", "2026-11-27 12:00", "missed 2026-11-27 02:30, 3 missed, next 2026-11-28 02:30"},
	{"a run for the last one, though others were missed", daily("02:30"), "2026-11-24 02:30", "2026-11-27 02:31",
		"start 2026-11-27 02:30, 2 missed, next 2026-11-28 02:30"},
	{"one run for all that were missed, if they are caught up", caughtUp(daily("02:30")), "2026-11-24 02:30", "2026-11-27 12:00",
		"start 2026-11-27 02:30, 2 missed, next 2026-11-28 02:30"},
	{"nothing after that", caughtUp(daily("02:30")), "2026-11-27 02:30", "2026-11-27 12:01", "next 2026-11-28 02:30"},
	{"a run that is caught up waits for the window", caughtUp(within(daily("02:30"), "22:00", "06:00")), "2026-11-24 02:30", "2026-11-27 12:00",
		"next 2026-11-27 22:00"},
	{"and starts when it opens", caughtUp(within(daily("02:30"), "22:00", "06:00")), "2026-11-24 02:30", "2026-11-27 22:00",
		"start 2026-11-27 02:30, 2 missed, next 2026-11-28 02:30"},
	{"a run in the minute after the window, if it was due in there", within(daily("05:59"), "22:00", "06:00"), "2026-11-26 05:59", "2026-11-27 06:00",
		"start 2026-11-27 05:59, next 2026-11-28 05:59"},
	{"no run a little late if the window has closed", within(daily("05:59"), "22:00", "06:00"), "2026-11-26 05:59", "2026-11-27 06:01",
		"missed 2026-11-27 05:59, 1 missed, next 2026-11-28 05:59"},
	{"nothing if the clock was set back", daily("02:30"), "2026-11-27 02:30", "2026-11-27 01:30", "next 2026-11-27 02:30"},
	{"nothing when that moment comes again", daily("02:30"), "2026-11-27 02:30", "2026-11-27 02:30", "next 2026-11-28 02:30"},
	{"one run if the clock was set ten years ahead", caughtUp(schedule.Schedule{Every: "1m"}), "2026-11-27 02:30", "2036-11-27 02:30",
		"start 2036-11-27 02:30, 1000 missed, next 2036-11-27 02:31"},
	{"nothing, by hand", schedule.Schedule{}, "2026-11-27 02:30", "2036-11-27 02:30", ""},
}

func daily(at string) schedule.Schedule { return schedule.Schedule{Every: "day", At: at} }

func caughtUp(s schedule.Schedule) schedule.Schedule {
	s.CatchUp = true
	return s
}

func TestAServerDoes(t *testing.T) {
	const layout = "2006-01-02 15:04"
	for _, test := range isToDo {
		t.Run(test.name, func(t *testing.T) {
			last, err := time.Parse(layout, test.last)
			if err != nil {
				t.Fatal(err)
			}
			now, err := time.Parse(layout, test.now)
			if err != nil {
				t.Fatal(err)
			}
			due, err := test.schedule.Due(last, now, "")
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if !due.At.IsZero() {
				got = map[bool]string{true: "start ", false: "missed "}[due.Start] + due.At.Format(layout) + ", "
			}
			if due.Missed > 0 {
				got += fmt.Sprintf("%d missed, ", due.Missed)
			}
			if !due.Next.IsZero() {
				got += "next " + due.Next.Format(layout)
			}
			if got != test.want {
				t.Errorf("Due(%s, %s) of %v = %q, want %q", test.last, test.now, test.schedule, got, test.want)
			}
		})
	}
}

// server is what a server does with the answers: it keeps all moments it handled, in a table.
type server struct {
	schedule schedule.Schedule
	active   time.Time
	handled  map[int64]bool
	started  int
}

// last returns the latest moment handled that isn't after now.
func (s *server) last(now time.Time) time.Time {
	last := s.active
	for u := range s.handled {
		if moment := time.Unix(u, 0); !moment.After(now) && moment.After(last) {
			last = moment
		}
	}
	return last
}

// ask does what there is to do now, checks that it is right, and returns when to ask again.
func (s *server) ask(t *testing.T, now time.Time) time.Time {
	t.Helper()
	last := s.last(now)
	begin := time.Now()
	due, err := s.schedule.Due(last, now, "plan")
	if took := time.Since(begin); err != nil || took > time.Second {
		t.Fatalf("Due(%v, %v) of %v took %v, %v", last, now, s.schedule, took, err)
	}
	if !due.Next.After(now) {
		t.Fatalf("Due(%v, %v) of %v: next is %v", last, now, s.schedule, due.Next)
	}
	if due.At.IsZero() {
		if first := next(t, s.schedule, last, "plan"); !first.After(now) && !s.schedule.CatchUp {
			t.Errorf("Due(%v, %v) of %v is nothing, though %v is due", last, now, s.schedule, first)
		}
		return due.Next
	}
	if due.At.After(now) || !due.At.After(last) || s.handled[due.At.Unix()] {
		t.Errorf("Due(%v, %v) of %v is for %v, handled before: %v", last, now, s.schedule, due.At, s.handled[due.At.Unix()])
	}
	if isNext := next(t, s.schedule, due.At.Add(-1), "plan"); !isNext.Equal(due.At) {
		t.Errorf("Due(%v, %v) of %v is for %v, which isn't due", last, now, s.schedule, due.At)
	}
	if following := next(t, s.schedule, due.At, "plan"); !following.After(now) {
		t.Errorf("Due(%v, %v) of %v is for %v, though %v is due too", last, now, s.schedule, due.At, following)
	}
	late := now.Sub(due.At) > schedule.Grace
	switch {
	case s.schedule.CatchUp && !due.Start:
		t.Errorf("Due(%v, %v) of %v isn't caught up", last, now, s.schedule)
	case !s.schedule.CatchUp && due.Start && late:
		t.Errorf("Due(%v, %v) of %v is caught up", last, now, s.schedule)
	case !due.Start && !late && s.schedule.Window == schedule.Window{}:
		t.Errorf("Due(%v, %v) of %v isn't started", last, now, s.schedule)
	case due.Start && !isOpen(s.schedule, now) && !isOpen(s.schedule, now.Add(-time.Minute)):
		t.Errorf("Due(%v, %v) of %v starts outside of the window", last, now, s.schedule)
	}
	s.handled[due.At.Unix()] = true
	if due.Start {
		s.started++
	}
	return due.Next
}

// isOpen is for zones whose clocks are not changed while the window is open.
func isOpen(s schedule.Schedule, now time.Time) bool {
	location, err := time.LoadLocation(s.Zone)
	if err != nil {
		panic(err)
	}
	_, offset := now.In(location).Zone()
	return s.Window == schedule.Window{} || isIn(s.Window, read(now.Unix()+int64(offset)))
}

func TestAClockThatJumpsStartsNothingTwiceAndLosesNothing(t *testing.T) {
	jumps := 200
	if os.Getenv("BACKSTAY_SOAK") == "1" {
		jumps = 5000
	}
	random, total, started := rand.New(rand.NewPCG(13, 10)), 0, 0
	for _, s := range []schedule.Schedule{
		daily("02:30"), caughtUp(daily("02:30")), {Every: "hour"}, caughtUp(schedule.Schedule{Every: "1m"}), {Every: "1m", Jitter: "20s"},
		{Every: "day", At: "02:30", Zone: "Europe/Berlin", Jitter: "1h"}, {Every: "month", Days: []int{31}},
		within(schedule.Schedule{Every: "hour", Zone: "Asia/Kolkata"}, "22:00", "06:00"),
		caughtUp(within(schedule.Schedule{Every: "day", At: "12:00", Jitter: "30m"}, "22:00", "06:00")),
		caughtUp(schedule.Schedule{Every: "cron", Cron: "30 2 29 2 *"}),
	} {
		now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
		srv := &server{schedule: s, active: now, handled: map[int64]bool{}}
		for range jumps {
			for range random.IntN(4) { // it goes well for a while
				if again := srv.ask(t, now); again.Before(now.AddDate(11, 0, 0)) {
					now = again.Add(time.Duration(random.Int64N(int64(time.Minute))))
				}
			}
			now = now.Add(jump(random))
		}
		srv.ask(t, now)
		total, started = total+jumps, started+srv.started
		if srv.started == 0 && s.CatchUp {
			t.Errorf("%v: no run was started", s)
		}
	}
	t.Logf("R13: %d jumps, %d runs started, each for a moment of its own", total, started)
}

// jump returns a jump of a second to ten years, or the sleep of a machine.
func jump(random *rand.Rand) time.Duration {
	lengths := []time.Duration{time.Second, time.Minute, time.Hour, 8 * time.Hour, 24 * time.Hour, 30 * 24 * time.Hour, 10 * 365 * 24 * time.Hour}
	length := time.Duration(random.Int64N(int64(lengths[random.IntN(len(lengths))]))) + time.Second
	if random.IntN(2) == 0 {
		return -length
	}
	return length
}

func TestAPlanGoesOnWhenAClockThatWasAheadIsRightAgain(t *testing.T) {
	start := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	srv := &server{schedule: daily("02:30"), active: start, handled: map[int64]bool{}}
	var asked []string
	for _, now := range []time.Time{start.Add(15 * time.Hour), start.AddDate(10, 0, 0), start.Add(16 * time.Hour)} {
		asked = append(asked, srv.ask(t, now).Format(time.DateTime))
	}
	want := []string{"2026-11-29 02:30:00", "2036-11-28 02:30:00", "2026-11-29 02:30:00"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("when to ask again (-want +got):\n%s", diff)
	}
	srv.ask(t, time.Date(2026, 11, 29, 2, 30, 0, 0, time.UTC))
	if srv.started != 1 || len(srv.handled) != 3 {
		t.Errorf("%d runs were started and %d moments handled, want 1 and 3", srv.started, len(srv.handled))
	}
}
