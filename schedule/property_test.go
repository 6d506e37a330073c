package schedule_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backstay/backstay/schedule"
)

// schedules draws schedules of all forms, in zones whose clocks are changed in many ways, with a jitter as often as not.
func schedules() *rapid.Generator[schedule.Schedule] {
	zone := rapid.SampledFrom([]string{"", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Antarctica/Troll", "Africa/Casablanca",
		"Pacific/Apia", "Asia/Gaza", "America/Sao_Paulo", "Africa/Monrovia", "Pacific/Kwajalein"})
	return rapid.Custom(func(t *rapid.T) schedule.Schedule {
		s := rapid.SampledFrom(forms).Draw(t, "form").schedule
		s.Zone = zone.Draw(t, "zone")
		if s.Window == (schedule.Window{}) || s.Window.From == "22:00" {
			s.Jitter = rapid.SampledFrom([]string{"", "", "1s", "10m", "1h30m"}).Draw(t, "jitter")
		}
		return s
	})
}

// moments draws moments of 1969 to 2041, more of them close to a change of clocks.
func moments() *rapid.Generator[time.Time] {
	anywhere := rapid.Int64Range(from.Unix()-1_000_000, to.Unix())
	days := []time.Time{time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC), time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC), // Berlin, Troll
		time.Date(2026, 4, 4, 15, 0, 0, 0, time.UTC), time.Date(2026, 10, 3, 15, 30, 0, 0, time.UTC), // Lord Howe
		time.Date(2011, 12, 30, 10, 0, 0, 0, time.UTC), time.Date(1993, 8, 21, 12, 0, 0, 0, time.UTC), // Apia, Kwajalein
		time.Date(1972, 1, 7, 0, 44, 30, 0, time.UTC), time.Date(2018, 11, 4, 3, 0, 0, 0, time.UTC), // Monrovia, Sao Paulo
		time.Date(2026, 2, 15, 2, 0, 0, 0, time.UTC), time.Date(2040, 12, 31, 12, 0, 0, 0, time.UTC)} // Casablanca, https://go.dev/issue/81583
	near := rapid.Custom(func(t *rapid.T) int64 {
		return rapid.SampledFrom(days).Draw(t, "change").Unix() + rapid.Int64Range(-100_000, 100_000).Draw(t, "distance")
	})
	return rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.OneOf(anywhere, near).Draw(t, "second"), rapid.SampledFrom([]int64{0, 1, 999_999_999}).Draw(t, "nanosecond"))
	})
}

func TestEachMomentIsLaterThanTheOneBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, moment := schedules().Draw(t, "schedule"), moments().Draw(t, "moment")
		for range 5 {
			following := next(t, s, moment, "plan")
			if !following.After(moment) {
				t.Fatalf("%v is due at %v, after %v", s, following, moment)
			}
			if again := next(t, s, following.Add(-1), "plan"); !again.Equal(following) {
				t.Fatalf("%v is due at %v, and just before that next at %v", s, following, again)
			}
			moment = following
		}
	})
}

func TestTheNextMomentIsTheSameUntilItComes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, moment := schedules().Draw(t, "schedule"), moments().Draw(t, "moment")
		following := next(t, s, moment, "plan")
		between := moment.Add(time.Duration(rapid.Int64Range(0, int64(following.Sub(moment))-1).Draw(t, "later")))
		if again := next(t, s, between, "plan"); !again.Equal(following) {
			t.Errorf("%v: after %v it is due at %v, after %v at %v", s, moment, following, between, again)
		}
	})
}

func TestAnIntervalIsLongerOnlyByAsMuchAsClocksGoBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := schedules().Draw(t, "schedule")
		s = schedule.Schedule{Every: rapid.SampledFrom([]string{"1m", "10m", "hour", "90m", "2h", "6h", "12h"}).Draw(t, "every"), Zone: s.Zone, Jitter: s.Jitter}
		usual, err := time.ParseDuration(map[bool]string{true: "1h", false: s.Every}[s.Every == "hour"])
		if err != nil {
			t.Fatal(err)
		}
		first := next(t, s, moments().Draw(t, "moment"), "plan")
		second := next(t, s, first, "plan")
		_, before := first.Zone()
		_, after := second.Zone()
		if back := time.Duration(max(0, before-after)) * time.Second; second.Sub(first) > usual+back {
			t.Errorf("%v is due at %v and %v, %v apart", s, first, second, second.Sub(first))
		}
	})
}

func TestTheJitterMovesAllMomentsOfAPlanByTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, moment, seed := schedules().Draw(t, "schedule"), moments().Draw(t, "moment"), rapid.String().Draw(t, "seed")
		midnight := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
		by := next(t, schedule.Schedule{Every: "day", Jitter: "10m"}, midnight.Add(-1), seed).Sub(midnight)
		if by < 0 || by >= 10*time.Minute {
			t.Fatalf("a jitter of 10 minutes moves by %v", by)
		}
		s.Window, s.Jitter = schedule.Window{}, ""
		moved := s
		moved.Jitter = "10m"
		want, got := moment, moment.Add(by)
		for range 5 {
			want, got = next(t, s, want, seed), next(t, moved, got, seed)
			if !got.Equal(want.Add(by)) {
				t.Fatalf("%v: %v is moved by %v, others by %v", s, want, got.Sub(want), by)
			}
		}
	})
}

func TestARunStartsInTheWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, moment, seed := schedules().Draw(t, "schedule"), moments().Draw(t, "moment"), rapid.String().Draw(t, "seed")
		window := rapid.SampledFrom([]schedule.Window{{From: "22:00", To: "06:00"}, {From: "09:00", To: "10:00"}, {From: "00:00", To: "23:59"}})
		s.Zone, s.Window, s.Jitter = rapid.SampledFrom([]string{"UTC", "Asia/Kathmandu"}).Draw(t, "zone"), window.Draw(t, "window"), "1h"
		moment = next(t, s, moment, seed)
		if !isOpen(s, moment) {
			t.Errorf("%v is due at %v", s, moment)
		}
		later := moment.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "later")))
		if following := next(t, s, later, seed); !following.After(later) || !isOpen(s, following) {
			t.Errorf("%v is due at %v, after %v", s, following, later)
		}
		s.Jitter = ""
		if before := next(t, s, moment.Add(-time.Hour), seed); before.After(moment) {
			t.Errorf("%v is due at %v with a jitter of an hour, without it not before %v", s, moment, before)
		}
	})
}

func TestTheJitterSpreadsPlansEvenly(t *testing.T) {
	s, midnight := schedule.Schedule{Every: "day", Jitter: "10m"}, time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	var minutes [10]int
	for plan := range 10_000 {
		moment := next(t, s, midnight.Add(-1), fmt.Sprint("plan-", plan))
		minutes[moment.Sub(midnight)/time.Minute]++
	}
	for minute, n := range minutes {
		if n < 850 || n > 1150 {
			t.Errorf("%d of 10,000 plans are due in minute %d of 10", n, minute)
		}
	}
	// It is part of the promise that a plan keeps its time for ever.
	if got := next(t, s, midnight.Add(-1), "plan-1").Sub(midnight); got != 8*time.Minute+50*time.Second {
		t.Errorf("plan-1 is moved by %v, and was by 8m50s", got)
	}
}
