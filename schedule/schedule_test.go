package schedule_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the same zones on every machine that has none of its own

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/schedule"
)

const layout = "Mon 2006-01-02 15:04:05 -0700"

// isDue is the specification: after a moment, the next ones at which a schedule is due, as the clock of its zone shows them.
var isDue = []struct {
	name     string
	schedule schedule.Schedule
	after    string // as that clock shows it
	moments  []string
}{
	{"every hour", schedule.Schedule{Every: "hour", At: "00:15"}, "2026-11-27 22:15", []string{
		"Fri 2026-11-27 23:15:00 +0000", "Sat 2026-11-28 00:15:00 +0000"}},
	{"every two hours, at even ones unless a time says otherwise", schedule.Schedule{Every: "2h"}, "2026-11-27 22:59", []string{
		"Sat 2026-11-28 00:00:00 +0000", "Sat 2026-11-28 02:00:00 +0000"}},
	{"every two hours, of which one is 07:30", schedule.Schedule{Every: "2h", At: "07:30"}, "2026-11-27 22:59", []string{
		"Fri 2026-11-27 23:30:00 +0000", "Sat 2026-11-28 01:30:00 +0000"}},
	{"every quarter of an hour", schedule.Schedule{Every: "15m"}, "2026-11-27 23:30", []string{
		"Fri 2026-11-27 23:45:00 +0000", "Sat 2026-11-28 00:00:00 +0000"}},
	{"every day, in the time of the zone", schedule.Schedule{Every: "day", At: "02:30", Zone: "Asia/Kolkata"}, "2026-11-27 02:30", []string{
		"Sat 2026-11-28 02:30:00 +0530", "Sun 2026-11-29 02:30:00 +0530"}},
	{"on days of the week", schedule.Schedule{Every: "week", Weekdays: []string{"Thursday", "mon"}, At: "06:15"}, "2026-11-27 12:00", []string{
		"Mon 2026-11-30 06:15:00 +0000", "Thu 2026-12-03 06:15:00 +0000", "Mon 2026-12-07 06:15:00 +0000"}},
	{"on days of the month", schedule.Schedule{Every: "month", Days: []int{15, 1}}, "2026-11-27 12:00", []string{
		"Tue 2026-12-01 00:00:00 +0000", "Tue 2026-12-15 00:00:00 +0000", "Fri 2027-01-01 00:00:00 +0000"}},
	{"on the 31st, not in months without one", schedule.Schedule{Every: "month", Days: []int{31}}, "2027-01-31 12:00", []string{
		"Wed 2027-03-31 00:00:00 +0000", "Mon 2027-05-31 00:00:00 +0000"}},
	{"on the last day of each month", schedule.Schedule{Every: "month", Days: []int{-1}, At: "23:00"}, "2028-01-31 12:00", []string{
		"Mon 2028-01-31 23:00:00 +0000", "Tue 2028-02-29 23:00:00 +0000", "Fri 2028-03-31 23:00:00 +0000"}},
	{"once on the last day if it is also named by its number", schedule.Schedule{Every: "month", Days: []int{30, -1}}, "2026-11-27 12:00", []string{
		"Mon 2026-11-30 00:00:00 +0000", "Wed 2026-12-30 00:00:00 +0000", "Thu 2026-12-31 00:00:00 +0000"}},
	{"on 29 February, in leap years", schedule.Schedule{Every: "cron", Cron: "0 0 29 2 *"}, "2096-02-29 00:00", []string{
		"Fri 2104-02-29 00:00:00 +0000", "Wed 2108-02-29 00:00:00 +0000"}},

	{"a time that is skipped once, right after", schedule.Schedule{Every: "day", At: "02:30", Zone: "Europe/Berlin"}, "2026-03-28 02:30", []string{
		"Sun 2026-03-29 03:00:00 +0200", "Mon 2026-03-30 02:30:00 +0200"}},
	{"a time that comes twice once, the first time", schedule.Schedule{Every: "day", At: "02:30", Zone: "Europe/Berlin"}, "2026-10-24 02:30", []string{
		"Sun 2026-10-25 02:30:00 +0200", "Mon 2026-10-26 02:30:00 +0100"}},
	{"once for all times that are skipped", schedule.Schedule{Every: "cron", Cron: "0,30 2,3 * * *", Zone: "Europe/Berlin"}, "2026-03-28 23:00", []string{
		"Sun 2026-03-29 03:00:00 +0200", "Sun 2026-03-29 03:30:00 +0200", "Mon 2026-03-30 02:00:00 +0200"}},
	{"a skipped midnight at one o'clock", schedule.Schedule{Every: "day", Zone: "America/Sao_Paulo"}, "2018-11-03 12:00", []string{
		"Sun 2018-11-04 01:00:00 -0200", "Mon 2018-11-05 00:00:00 -0200"}},
	{"a time within half an hour that is skipped", schedule.Schedule{Every: "day", At: "02:15", Zone: "Australia/Lord_Howe"}, "2026-10-03 12:00", []string{
		"Sun 2026-10-04 02:30:00 +1100", "Mon 2026-10-05 02:15:00 +1100"}},
	{"a time within two hours that are skipped", schedule.Schedule{Every: "day", At: "01:30", Zone: "Antarctica/Troll"}, "2026-03-28 12:00", []string{
		"Sun 2026-03-29 03:00:00 +0200", "Mon 2026-03-30 01:30:00 +0200"}},
	{"a day that is skipped, right after", schedule.Schedule{Every: "week", Weekdays: []string{"friday"}, At: "02:30", Zone: "Pacific/Apia"}, "2011-12-24 12:00", []string{
		"Sat 2011-12-31 00:00:00 +1400", "Fri 2012-01-06 02:30:00 +1400"}},
	{"a clock that is set back for the fast month", schedule.Schedule{Every: "day", At: "02:30", Zone: "Africa/Casablanca"}, "2026-02-14 12:00", []string{
		"Sun 2026-02-15 02:30:00 +0100", "Mon 2026-02-16 02:30:00 +0000"}},

	{"every hour through hours that are skipped", schedule.Schedule{Every: "hour", Zone: "Europe/Berlin"}, "2026-03-29 00:30", []string{
		"Sun 2026-03-29 01:00:00 +0100", "Sun 2026-03-29 03:00:00 +0200", "Sun 2026-03-29 04:00:00 +0200"}},
	{"every hour through hours that come twice", schedule.Schedule{Every: "hour", Zone: "Europe/Berlin"}, "2026-10-25 01:30", []string{
		"Sun 2026-10-25 02:00:00 +0200", "Sun 2026-10-25 02:00:00 +0100", "Sun 2026-10-25 03:00:00 +0100"}},
	{"every two hours, of which one is skipped, as much later", schedule.Schedule{Every: "cron", Cron: "15 */2 * * *", Zone: "Europe/Berlin"}, "2026-03-28 23:30", []string{
		"Sun 2026-03-29 00:15:00 +0100", "Sun 2026-03-29 03:15:00 +0200", "Sun 2026-03-29 04:15:00 +0200"}},
	{"every two hours where one hour comes twice between them", schedule.Schedule{Every: "2h", Zone: "America/New_York"}, "2026-10-31 23:30", []string{
		"Sun 2026-11-01 00:00:00 -0400", "Sun 2026-11-01 02:00:00 -0500", "Sun 2026-11-01 04:00:00 -0500"}},
	{"every hour through half an hour that is skipped", schedule.Schedule{Every: "hour", At: "00:15", Zone: "Australia/Lord_Howe"}, "2026-10-04 01:00", []string{
		"Sun 2026-10-04 01:15:00 +1030", "Sun 2026-10-04 02:45:00 +1100", "Sun 2026-10-04 03:15:00 +1100"}},

	{"by cron on days of the month or of the week", schedule.Schedule{Every: "cron", Cron: "0 12 13 * FRI"}, "2026-11-10 00:00", []string{
		"Fri 2026-11-13 12:00:00 +0000", "Fri 2026-11-20 12:00:00 +0000", "Fri 2026-11-27 12:00:00 +0000", "Fri 2026-12-04 12:00:00 +0000",
		"Fri 2026-12-11 12:00:00 +0000", "Sun 2026-12-13 12:00:00 +0000"}},
	{"by cron on both, if one begins with a star", schedule.Schedule{Every: "cron", Cron: "0 12 */2 * mon"}, "2026-11-01 00:00", []string{
		"Mon 2026-11-09 12:00:00 +0000", "Mon 2026-11-23 12:00:00 +0000", "Mon 2026-12-07 12:00:00 +0000"}},
	{"by cron on the last day", schedule.Schedule{Every: "cron", Cron: "0 0 15,L * *"}, "2027-02-01 00:00", []string{
		"Mon 2027-02-15 00:00:00 +0000", "Sun 2027-02-28 00:00:00 +0000", "Mon 2027-03-15 00:00:00 +0000"}},

	{"within the window", schedule.Schedule{Every: "6h", Window: schedule.Window{From: "22:00", To: "06:00"}}, "2026-11-27 05:00", []string{
		"Fri 2026-11-27 22:00:00 +0000", "Sat 2026-11-28 00:00:00 +0000", "Sat 2026-11-28 22:00:00 +0000"}},
	{"when the window opens, and not when it has just ended", schedule.Schedule{Every: "day", At: "06:00",
		Window: schedule.Window{From: "22:00", To: "06:00"}}, "2026-11-27 05:00", []string{
		"Fri 2026-11-27 22:00:00 +0000", "Sat 2026-11-28 22:00:00 +0000"}},
	{"when the window opens, though it ended just then", schedule.Schedule{Every: "week", Weekdays: []string{"fri"}, At: "06:00",
		Window: schedule.Window{From: "22:00", To: "06:00"}}, "2026-11-27 12:00", []string{
		"Fri 2026-11-27 22:00:00 +0000", "Fri 2026-12-04 22:00:00 +0000"}},
	{"never, by hand", schedule.Schedule{}, "2026-11-27 05:00", []string{""}},
}

func TestAPlanIsDue(t *testing.T) {
	for _, test := range isDue {
		t.Run(test.name, func(t *testing.T) {
			location, err := time.LoadLocation(test.schedule.Zone)
			if err != nil {
				t.Fatal(err)
			}
			moment, err := time.ParseInLocation("2006-01-02 15:04", test.after, location)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for range test.moments {
				if moment = next(t, test.schedule, moment, ""); moment.IsZero() {
					got = append(got, "")
					break
				}
				got = append(got, moment.Format(layout))
			}
			if diff := cmp.Diff(test.moments, got); diff != "" {
				t.Errorf("%v after %s (-want +got):\n%s", test.schedule, test.after, diff)
			}
		})
	}
}

func next(t interface {
	Helper()
	Fatalf(string, ...any)
}, s schedule.Schedule, after time.Time, seed string) time.Time {
	t.Helper()
	moment, err := s.Next(after, seed)
	if err != nil {
		t.Fatalf("%+v: Next = %v", s, err)
	}
	return moment
}

func TestAScheduleThatMakesNoSenseIsRefused(t *testing.T) {
	for _, test := range []struct {
		schedule    schedule.Schedule
		field, says string
	}{
		{schedule.Schedule{Every: "fortnight"}, "every", `"fortnight": want hour, day`},
		{schedule.Schedule{Every: "7h"}, "every", "divides a day"},
		{schedule.Schedule{Every: "24h"}, "every", "divides a day"},
		{schedule.Schedule{Every: "30s"}, "every", "divides a day"},
		{schedule.Schedule{Every: "-1h"}, "every", "divides a day"},
		{schedule.Schedule{Every: "day", At: "2:30"}, "at", "such as 02:30"},
		{schedule.Schedule{Every: "day", At: "24:00"}, "at", "such as 02:30"},
		{schedule.Schedule{At: "02:30"}, "at", "only by hand"},
		{schedule.Schedule{CatchUp: true}, "catch_up", "only by hand"},
		{schedule.Schedule{Every: "cron", Cron: "@daily", At: "02:30"}, "at", `every "cron" has no use for it`},
		{schedule.Schedule{Every: "day", Weekdays: []string{"mon"}}, "weekdays", `every "day" has no use for it`},
		{schedule.Schedule{Every: "week", Days: []int{1}}, "days", `every "week" has no use for it`},
		{schedule.Schedule{Every: "month", Days: []int{1}, Cron: "@daily"}, "cron", `every "month" has no use for it`},
		{schedule.Schedule{Every: "week"}, "weekdays", "at least one"},
		{schedule.Schedule{Every: "week", Weekdays: []string{"montag"}}, "weekdays", `"montag": want days such as monday`},
		{schedule.Schedule{Every: "month"}, "days", "at least one"},
		{schedule.Schedule{Every: "month", Days: []int{0}}, "days", "0: want days of the month"},
		{schedule.Schedule{Every: "month", Days: []int{32}}, "days", "32: want"},
		{schedule.Schedule{Every: "month", Days: []int{-2}}, "days", "-2: want"},
		{schedule.Schedule{Every: "cron"}, "cron", "five fields"},
		{schedule.Schedule{Every: "cron", Cron: "@reboot"}, "cron", "five fields"},
		{schedule.Schedule{Every: "cron", Cron: "0 30 2 * * *"}, "cron", "five fields"},
		{schedule.Schedule{Every: "cron", Cron: "60 * * * *"}, "cron", `minute "60": want numbers from 0 to 59`},
		{schedule.Schedule{Every: "cron", Cron: "0 24 * * *"}, "cron", `hour "24": want numbers from 0 to 23`},
		{schedule.Schedule{Every: "cron", Cron: "0 0 0 * *"}, "cron", `day of the month "0"`},
		{schedule.Schedule{Every: "cron", Cron: "0 0 L-3 * *"}, "cron", `or L for the last`},
		{schedule.Schedule{Every: "cron", Cron: "0 0 * 13 *"}, "cron", `month "13": want numbers from 1 to 12 or names such as feb`},
		{schedule.Schedule{Every: "cron", Cron: "0 0 * * 8"}, "cron", `day of the week "8"`},
		{schedule.Schedule{Every: "cron", Cron: "0 5-3 * * *"}, "cron", "ends before it begins"},
		{schedule.Schedule{Every: "cron", Cron: "*/0 * * * *"}, "cron", "want a step from 1 to 59"},
		{schedule.Schedule{Every: "cron", Cron: "1, * * * *"}, "cron", `minute "1,": want`},
		{schedule.Schedule{Every: "cron", Cron: "+1 * * * *"}, "cron", `minute "+1": want`},
		{schedule.Schedule{Every: "cron", Cron: "0 0 30 2 *"}, "cron", "never comes"},
		{schedule.Schedule{Every: "cron", Cron: "0 0 31 2,4,6,9,11 *"}, "cron", "never comes"},
		{schedule.Schedule{Every: "day", Zone: "Europe/Entenhausen"}, "zone", `"Europe/Entenhausen": want the IANA's name`},
		{schedule.Schedule{Every: "day", Zone: "Local"}, "zone", "want the IANA's name"},
		{schedule.Schedule{Every: "day", Zone: "../../etc/passwd"}, "zone", "want the IANA's name"},
		{schedule.Schedule{Every: "day", Window: schedule.Window{From: "22:00"}}, "window.to", "such as 06:00"},
		{schedule.Schedule{Every: "day", Window: schedule.Window{To: "22:00"}}, "window.from", "such as 22:00"},
		{schedule.Schedule{Every: "day", Window: schedule.Window{From: "22:00", To: "22:00"}}, "window.to", "ends when it begins"},
		{schedule.Schedule{Every: "day", Jitter: "10"}, "jitter", "such as 10m"},
		{schedule.Schedule{Every: "day", Jitter: "-1m"}, "jitter", "such as 10m"},
		{schedule.Schedule{Every: "day", Jitter: "25h"}, "jitter", "up to 24h"},
		{schedule.Schedule{Every: "day", Jitter: "2h", Window: schedule.Window{From: "23:30", To: "00:30"}}, "jitter", "not longer than the window"},
	} {
		err := test.schedule.Check()
		var of *schedule.Error
		if !errors.As(err, &of) || of.Field != test.field || !strings.Contains(of.Why, test.says) {
			t.Errorf("Check(%+v) = %v, want an error of %s that says %q", test.schedule, err, test.field, test.says)
		}
		if _, err := test.schedule.Next(time.Now(), ""); err == nil {
			t.Errorf("Next of %+v = nil error", test.schedule)
		}
		if _, err := test.schedule.Due(time.Now(), time.Now(), ""); err == nil {
			t.Errorf("Due of %+v = nil error", test.schedule)
		}
	}
}

func TestAScheduleSaysInWordsWhenItIsDue(t *testing.T) {
	for _, test := range []struct {
		schedule schedule.Schedule
		want     string
	}{
		{schedule.Schedule{}, "only by hand"},
		{schedule.Schedule{Every: "hour", At: "07:15"}, "every hour at minute 15, UTC"},
		{schedule.Schedule{Every: "1m"}, "every minute, UTC"},
		{schedule.Schedule{Every: "15m"}, "every 15 minutes, UTC"},
		{schedule.Schedule{Every: "90m", At: "02:00"}, "every 90 minutes from 00:30, UTC"},
		{schedule.Schedule{Every: "2h"}, "every 2 hours, UTC"},
		{schedule.Schedule{Every: "day", At: "02:30", Zone: "Europe/Berlin"}, "every day at 02:30, Europe/Berlin"},
		{schedule.Schedule{Every: "week", Weekdays: []string{"sun", "thu", "mon"}, At: "06:15"}, "Monday, Thursday and Sunday at 06:15, UTC"},
		{schedule.Schedule{Every: "week", Weekdays: []string{"mon"}}, "Monday at 00:00, UTC"},
		{schedule.Schedule{Every: "month", Days: []int{-1}, At: "23:00"}, "on the last day of each month at 23:00, UTC"},
		{schedule.Schedule{Every: "month", Days: []int{22, 3, 1, 11}}, "on the 1st, 3rd, 11th and 22nd of each month at 00:00, UTC"},
		{schedule.Schedule{Every: "month", Days: []int{30}}, "on the 30th of each month at 00:00 where the month has that day, UTC"},
		{schedule.Schedule{Every: "cron", Cron: "30 2 * * 1-5"}, `by cron "30 2 * * 1-5", UTC`},
		{schedule.Schedule{Every: "day", Jitter: "10m", CatchUp: true, Window: schedule.Window{From: "22:00", To: "06:00"}},
			"every day at 00:00, UTC, spread over 10m, only from 22:00 to 06:00, caught up if missed"},
		{schedule.Schedule{Every: "day", At: "noon"}, `invalid schedule: at: "noon": want a time of day such as 02:30`},
	} {
		if got := test.schedule.String(); got != test.want {
			t.Errorf("String of %#v = %q, want %q", test.schedule, got, test.want)
		}
	}
}

func TestAScheduleIsTheSameAfterJSON(t *testing.T) {
	full := schedule.Schedule{Every: "month", At: "02:30", Weekdays: []string{"monday"}, Days: []int{1, -1}, Cron: "@daily", Zone: "Europe/Berlin",
		Jitter: "10m", Window: schedule.Window{From: "22:00", To: "06:00"}, CatchUp: true}
	for _, test := range []struct {
		schedule schedule.Schedule
		text     string
	}{
		{schedule.Schedule{}, `{}`},
		{full, `{"every":"month","at":"02:30","weekdays":["monday"],"days":[1,-1],"cron":"@daily","zone":"Europe/Berlin",` +
			`"jitter":"10m","window":{"from":"22:00","to":"06:00"},"catch_up":true}`},
	} {
		text, err := json.Marshal(test.schedule)
		if err != nil || string(text) != test.text {
			t.Errorf("JSON of %#v = %s, %v, want %s", test.schedule, text, err, test.text)
		}
		var again schedule.Schedule
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.schedule, again); diff != "" {
			t.Errorf("after JSON (-want +got):\n%s", diff)
		}
	}
}

func TestAFarMomentIsFoundFast(t *testing.T) {
	now := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	for _, cron := range []string{"0 0 29 2 */7", "* * 29 2 */7", "0 0 30 2 *", "* * 31 2,4,6,9,11 *"} {
		s, fastest := schedule.Schedule{Every: "cron", Cron: cron, Zone: "America/New_York"}, time.Hour
		for range 10 { // others may use the machine
			begin := time.Now()
			_, _ = s.Next(now, "")
			fastest = min(fastest, time.Since(begin))
		}
		if fastest > 5*time.Millisecond {
			t.Errorf("Next of %q takes %v", cron, fastest)
		}
		t.Logf("Next of %q takes %v", cron, fastest)
	}
}

// 10,000 plans of all frequencies, a quarter of them with a window, show their next three runs.
func BenchmarkThreeRunsOf10000Schedules(b *testing.B) {
	zones := []string{"Europe/Berlin", "America/New_York", "UTC", "Australia/Lord_Howe", "Asia/Kolkata"}
	kinds := []schedule.Schedule{{Every: "hour"}, {Every: "day", At: "02:30"}, {Every: "week", Weekdays: []string{"mon"}, At: "03:00"},
		{Every: "month", Days: []int{-1}}, {Every: "15m"}, {Every: "cron", Cron: "30 2 * * 1-5"}, {Every: "cron", Cron: "0 */4 * * *"}}
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for b.Loop() {
		for i := range 10_000 {
			s := kinds[i%len(kinds)]
			s.Zone, s.Jitter = zones[i%len(zones)], "10m"
			if i%4 == 0 {
				s.Window = schedule.Window{From: "22:00", To: "06:00"}
			}
			moment := now
			for range 3 {
				var err error
				if moment, err = s.Next(moment, "plan"); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}
