package schedule

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// String says in words when the plan is due, such as "every day at 02:30, Europe/Berlin". A schedule that Check refuses is said to
// be invalid, with the reason.
func (s Schedule) String() string {
	if err := s.Check(); err != nil {
		return "invalid " + err.Error()
	}
	if s.Every == "" {
		return "only by hand"
	}
	parts := []string{s.frequency(), cmp.Or(s.Zone, "UTC")}
	if s.Jitter != "" {
		parts = append(parts, "spread over "+s.Jitter)
	}
	if s.Window != (Window{}) {
		parts = append(parts, "only from "+s.Window.From+" to "+s.Window.To)
	}
	if s.CatchUp {
		parts = append(parts, "caught up if missed")
	}
	return strings.Join(parts, ", ")
}

func (s Schedule) frequency() string {
	at := cmp.Or(s.At, "00:00")
	switch s.kind() {
	case "cron":
		return "by cron " + strconv.Quote(s.Cron)
	case "interval":
		return s.intervalWords(at)
	case "week":
		return weekdayWords(s.Weekdays) + " at " + at
	case "month":
		return monthWords(s.Days, at)
	}
	return "every day at " + at
}

// intervalWords is called for what compiles.
func (s Schedule) intervalWords(at string) string {
	every, _ := minutesOf(s.Every)
	minutes, _ := timeOfDay(at)
	first := minutes % every
	if every == 60 {
		return fmt.Sprintf("every hour at minute %d", first)
	}
	words := fmt.Sprintf("every %d minutes", every)
	switch {
	case every == 1:
		return "every minute"
	case every%60 == 0:
		words = fmt.Sprintf("every %d hours", every/60)
	}
	if first == 0 {
		return words
	}
	return fmt.Sprintf("%s from %02d:%02d", words, first/60, first%60)
}

// weekdayWords lists the days in the order of the week, from Monday on.
func weekdayWords(names []string) string {
	set, _ := weekdaySet(names)
	var days []string
	for i := range 7 {
		if weekday := time.Weekday((i + 1) % 7); set>>weekday&1 == 1 {
			days = append(days, weekday.String())
		}
	}
	return and(days)
}

func monthWords(days []int, at string) string {
	days = slices.Compact(slices.Sorted(slices.Values(days)))
	var words []string
	for _, d := range days {
		if d > 0 {
			words = append(words, strconv.Itoa(d)+ordinal(d))
		}
	}
	if days[0] == -1 {
		words = append(words, "last day")
	}
	text := fmt.Sprintf("on the %s of each month at %s", and(words), at)
	if days[len(days)-1] > 28 {
		text += " where the month has that day"
	}
	return text
}

func ordinal(n int) string {
	switch {
	case n/10 == 1:
		return "th"
	case n%10 == 1:
		return "st"
	case n%10 == 2:
		return "nd"
	case n%10 == 3:
		return "rd"
	}
	return "th"
}

// and joins words as a sentence does.
func and(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
