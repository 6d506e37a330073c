package schedule_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/schedule"
)

// A cron expression that is accepted is due at the minutes that a plain reading of it says, and one that isn't says why.
func FuzzCron(f *testing.F) {
	for _, s := range []string{"* * * * *", "@daily", "30 2 * * 1-5", "0,30 1-5/2 L * *", "0 0 1,15 jan-mar sun", "*/7 4/6 */2 * fri-sun", "0 0 30 2 *",
		"0 0 29 2 */7", "60 * * * *", "1, * * * *", "-1 * * * *", "0 0 31 * 7", "5-3 * * * *", "0 0 l,L * *"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 27, 22, 59, 30, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		s := schedule.Schedule{Every: "cron", Cron: text}
		moment, err := s.Next(now, "")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "schedule: cron: ") || s.Check() == nil {
				t.Fatalf("Next of %q = %v, Check = %v", text, err, s.Check())
			}
			return
		}
		if !moment.After(now) || moment.Year() > 2100 || !says(text, moment) {
			t.Fatalf("%q is due at %v", text, moment)
		}
		for minute := now.Truncate(time.Minute).Add(time.Minute); minute.Before(moment) && minute.Sub(now) < 24*time.Hour; minute = minute.Add(time.Minute) {
			if says(text, minute) {
				t.Fatalf("%q is due at %v, and not at %v", text, moment, minute)
			}
		}
	})
}

// says reads an expression that is known to be a right one.
func says(text string, t time.Time) bool {
	words := map[string]string{"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
		"@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *"}
	text = strings.ToLower(strings.TrimSpace(text))
	if words[text] != "" {
		text = words[text]
	}
	f := strings.Fields(text)
	weekday := inList(f[4], int(t.Weekday()), 6) || t.Weekday() == 0 && inList(f[4], 7, 6)
	day := inList(f[2], t.Day(), 31) || slices.Contains(strings.Split(f[2], ","), "l") && t.AddDate(0, 0, 1).Day() == 1
	isDay := day && weekday
	if f[2][0] != '*' && f[4][0] != '*' {
		isDay = day || weekday
	}
	return inList(f[0], t.Minute(), 59) && inList(f[1], t.Hour(), 23) && inList(f[3], int(t.Month()), 12) && isDay
}

func inList(list string, value, largest int) bool {
	for part := range strings.SplitSeq(list, ",") {
		part, step, stepped := strings.Cut(part, "/")
		from, to, isRange := strings.Cut(part, "-")
		first, last, by := valueOf(from, largest), valueOf(from, largest), 1
		if isRange {
			last = valueOf(to, largest)
		} else if stepped || part == "*" {
			last = largest
		}
		if last == 0 && first > 0 {
			last = 7
		}
		if stepped {
			by = valueOf(step, largest)
		}
		if part != "l" && value >= first && value <= last && (value-first)%by == 0 {
			return true
		}
	}
	return false
}

func valueOf(text string, largest int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	if text == "*" && (largest == 31 || largest == 12) {
		return 1
	}
	for i, name := range []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} {
		if strings.HasPrefix(text, name) {
			return i
		}
	}
	months := []string{"", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
	return max(0, slices.IndexFunc(months, func(name string) bool { return name != "" && strings.HasPrefix(text, name) }))
}
