package web

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/door"
	"github.com/backstay/backstay/retention"
	"github.com/backstay/backstay/schedule"
)

// retentionSaid says what a policy comes to after a year, and what it does to the snapshots that there are.
type retentionSaid struct {
	Problem string
	Words   string
	Ticks   []tick
	Kept    []keptAs
	Now     *keptNow
}

// tick is a snapshot on the line of a year.
type tick struct{ X, Y string }

// keptAs is how many snapshots a rule keeps.
type keptAs struct {
	Rule   string
	Count  int
	Oldest string
}

// keptNow is what becomes of the snapshots that there are.
type keptNow struct {
	Words string
	Going table
}

const (
	forecastDays    = 365
	forecastTime    = time.Second // then it is given up: a policy that keeps nearly all of a year's backups
	goingRows       = 100         // of the snapshots that would go are listed
	axisLength      = 720.0       // of the line
	pixelsOfSection = axisLength / 4
)

// sections of the line of a year are as long as each other, so that the last days, of which most is kept, are seen: up to so many days ago.
var sections = []float64{0, 14, 61, 183, forecastDays}

// spot is where on the line a snapshot of an age stands: today at the right.
func spot(days float64) float64 {
	for i := range len(sections) - 1 {
		if from, to := sections[i], sections[i+1]; days <= to || i == len(sections)-2 {
			return max(0, axisLength-pixelsOfSection*(float64(i)+(days-from)/(to-from)))
		}
	}
	return 0
}

// say says what was entered, with the schedule that it goes with.
func (k *retentionFields) say(v *visit, w *scheduleFields) {
	p, ok := k.policy()
	s, planned := w.schedule()
	if !ok {
		k.Said = &retentionSaid{Problem: "One of the entries is no number."}
		return
	}
	k.Said = v.sayKept(p, s, planned && s.Check() == nil && s.Every != "", k.Plan)
}

// sayKept says what a policy does. Without a schedule it forecasts nothing.
func (v *visit) sayKept(p retention.Policy, s schedule.Schedule, planned bool, id string) *retentionSaid {
	said := &retentionSaid{}
	if p.IsEmpty() {
		said.Words = "Every snapshot is kept."
	} else if planned {
		if err := v.forecast(said, p, s); err != nil {
			e, _ := door.Failure(err)
			said.Problem = sentence(e.Msg)
			return said
		}
	}
	if id != "" {
		said.Now = v.keptNow(p, id)
	}
	return said
}

// forecast plays a year.
func (v *visit) forecast(said *retentionSaid, p retention.Policy, s schedule.Schedule) error {
	ctx, cancel := context.WithTimeout(v.ctx, forecastTime)
	defer cancel()
	f, err := v.App.ForecastRetention(ctx, v.who, s, p, forecastDays)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		said.Words = "It keeps so many snapshots that they are not counted here."
		return nil
	}
	if err != nil {
		return err
	}
	for _, kept := range f.Kept {
		rule, height := ruleOf(kept.Reasons)
		said.Ticks = append(said.Ticks, tick{fmt.Sprintf("%.1f", spot(kept.AgeDays)), height})
		if n := len(said.Kept); n == 0 || said.Kept[n-1].Rule != rule {
			said.Kept = append(said.Kept, keptAs{Rule: rule})
		}
		last := &said.Kept[len(said.Kept)-1]
		last.Count++
		last.Oldest = spanText(time.Duration(max(kept.AgeDays, 0)*24) * time.Hour)
	}
	said.Words = counted(len(f.Kept), "snapshot", "snapshots") + " of " + countText(f.Made) + "."
	return nil
}

// ruleOf is the finest rule that keeps a snapshot, and how high its tick begins: the coarser the higher.
func ruleOf(reasons []string) (rule, height string) {
	for _, r := range []struct{ word, title, height string }{{"last ", "Newest", "40"}, {"within", "By age", "40"}, {"hourly", "Hourly", "40"}, {"daily", "Daily", "34"}, {"weekly", "Weekly", "20"}, {"monthly", "Monthly", "6"}, {"yearly", "Yearly", "0"}} {
		for _, reason := range reasons {
			if strings.HasPrefix(strings.TrimPrefix(reason, "oldest "), r.word) {
				return r.title, r.height
			}
		}
	}
	return "Otherwise", "34"
}

// Picture says what the line shows.
func (s *retentionSaid) Picture() string {
	var parts []string
	for _, k := range s.Kept {
		parts = append(parts, fmt.Sprintf("%d %s back to %s ago", k.Count, strings.ToLower(k.Rule), k.Oldest))
	}
	return "Kept snapshots on a line of one year: " + strings.Join(parts, ", ")
}

// keptNow tells what becomes of the snapshots of a plan; nothing where the person may not see all of them, or there are none.
func (v *visit) keptNow(p retention.Policy, id string) *keptNow {
	found, err := v.App.PreviewRetention(v.ctx, v.who, app.RetentionQuestion{Plan: id, Policy: &p})
	if err != nil {
		e, _ := door.Failure(err)
		return &keptNow{Words: "What becomes of the snapshots that there are can't be told: " + e.Msg + "."}
	}
	all := found.Kept + found.Removed
	switch {
	case all == 0:
		return nil
	case found.Removed == 0:
		return &keptNow{Words: "All " + counted(all, "snapshot", "snapshots") + " that there are stay."}
	}
	now := &keptNow{Words: "Of the " + counted(all, "snapshot", "snapshots") + " that there are, " + countText(found.Removed) + " go after the next backup. At most " + bytesText(found.Freed) + " become free."}
	now.Going = table{Label: "Snapshots that go", Columns: []column{{Title: "Snapshot"}, {Title: "Added", End: true}}}
	for _, g := range found.Groups {
		for _, s := range g.Snapshots {
			if s.Fate == app.FateRemoved && len(now.Going.Rows) < goingRows {
				now.Going.Rows = append(now.Going.Rows, row{Name: v.stamp(s.Time), Sub: strings.Join(g.Paths, ", "), Href: "/snapshots/" + s.ID, Cells: []cell{{Text: bytesText(s.Added)}}})
			}
		}
	}
	return now
}

// retentionFragment answers what somebody is entering: what the policy that the address names comes to, with the schedule.
func (v *visit) retentionFragment() error {
	w, k := newScheduleFields("schedule", schedule.Schedule{}, v.zone.String()), newRetentionFields(v.query("name"), retention.Policy{})
	(&form{Groups: []group{{Fields: append(w.fields(), k.fields()...)}}}).read(v.r)
	k.Plan = v.query("plan")
	k.say(v, w)
	return v.piece("plan-edit", "retention-said", k.Said)
}
