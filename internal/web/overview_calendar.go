package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/backstay/backstay/internal/app"
)

// calendar is a table of the last weeks: a column a week, a row a weekday.
type calendar struct {
	Caption string
	Summary string
	Weeks   []calendarWeek
	Days    []calendarRow
}

type calendarWeek struct{ Month, Of string }

type calendarRow struct {
	Short, Long string
	Cells       []calendarCell
}

// calendarCell is a day. Those with a problem lead to its runs.
type calendarCell struct {
	Tone, Href, Text string
}

func (v *visit) calendarOf(days []app.CalendarDay) (c calendar) {
	if len(days) == 0 {
		return c
	}
	first, err := time.Parse(time.DateOnly, days[0].Day)
	if err != nil {
		return c
	}
	weeks := (len(days) + 6) / 7
	for w := range weeks {
		monday := first.AddDate(0, 0, 7*w)
		week := calendarWeek{Of: "Week of " + monday.Format("2 Jan")}
		if before := monday.AddDate(0, 0, -7); w > 0 && before.Month() != monday.Month() {
			week.Month = monday.Format("Jan")
		}
		c.Weeks = append(c.Weeks, week)
	}
	runs, problems := 0, 0
	for d := range 7 {
		at := first.AddDate(0, 0, d)
		row := calendarRow{Short: at.Format("Mon"), Long: at.Format("Monday")}
		for w := range weeks {
			i := 7*w + d
			if i >= len(days) {
				row.Cells = append(row.Cells, calendarCell{Tone: "idle", Text: first.AddDate(0, 0, i).Format("2 Jan") + ": not yet"})
				continue
			}
			runs, problems = runs+days[i].Runs, problems+days[i].Runs-days[i].Good
			row.Cells = append(row.Cells, dayCell(days[i], first.AddDate(0, 0, i), i == len(days)-1))
		}
		c.Days = append(c.Days, row)
	}
	c.Caption = fmt.Sprintf("Runs of each day from %s to %s. Days with a problem are links to their runs.", first.Format("2 January"), first.AddDate(0, 0, 7*weeks-1).Format("2 January 2006"))
	c.Summary = counted(runs, "run", "runs") + ", all succeeded"
	switch {
	case runs == 0:
		c.Summary = "no runs yet"
	case problems > 0:
		c.Summary = counted(runs, "run", "runs") + ", " + countText(problems) + " with problems"
	}
	return c
}

func dayCell(day app.CalendarDay, at time.Time, today bool) calendarCell {
	name := at.Format("2 Jan")
	if today {
		name += ", today"
	}
	if day.Runs == 0 {
		return calendarCell{Tone: "idle", Text: name + ": no runs"}
	}
	c := calendarCell{Tone: "ok", Text: name + ": " + counted(day.Runs, "run", "runs") + ", all succeeded"}
	var bad []string
	for _, p := range []struct {
		n         int
		one, many string
	}{{day.Failed, "failed", "failed"}, {day.Partial, "partial", "partial"}, {day.Warning, "warning", "warnings"}, {day.Missed, "missed", "missed"}} {
		if p.n > 0 {
			bad = append(bad, counted(p.n, p.one, p.many))
		}
	}
	if len(bad) == 0 {
		return c
	}
	c.Tone, c.Text = "warn", name+": "+counted(day.Runs, "run", "runs")+", "+strings.Join(bad, ", ")
	if day.Failed > 0 {
		c.Tone = "fail"
	}
	c.Href = "/activity?state=" + stateProblem + "&from=" + day.Day + "&to=" + day.Day
	return c
}
