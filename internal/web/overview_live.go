package web

import (
	"slices"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// runningCard is what is at work. While the page is open its rows stay where they are: what ends says so in its place, and what has begun
// since then is only counted.
type runningCard struct {
	Rows   []runRow
	Follow string // where it is live
	Said   string // to who hears the page
	Waits  string // what is not in the rows
	Since  bool   // some have begun since the page was loaded
}

func (v *visit) runningCard(o app.RunsOverview, pending int) (c runningCard, err error) {
	if c.Rows, err = v.runRows(o.Runs); err != nil {
		return c, err
	}
	ids := make([]string, len(o.Runs))
	for i, r := range o.Runs {
		ids[i] = r.ID
	}
	c.Follow = "/overview/live?ids=" + strings.Join(ids, ",")
	c.say(o.Total-len(o.Runs), pending)
	return c, nil
}

// say tells what is not in the rows.
func (c *runningCard) say(more, pending int) {
	var words []string
	if more > 0 {
		words = append(words, counted(more, "more is", "more are")+" at work")
	}
	if pending > 0 {
		words = append(words, counted(pending, "waits", "wait"))
	}
	switch {
	case len(words) > 0:
		c.Waits = upper(strings.Join(words, ", ")) + "."
	case len(c.Rows) == 0:
		c.Waits = "Nothing is running, and nothing waits."
	default:
		c.Waits = "Nothing else is at work, and nothing waits."
	}
}

// overviewLive sends the card of what is at work while the page is open.
func (v *visit) overviewLive() error {
	var ids []string
	if v.query("ids") != "" {
		ids = strings.Split(v.query("ids"), ",")
		ids = ids[:min(len(ids), pageSize)]
	}
	return v.live(liveEvery, func() ([]byte, error) {
		c, err := v.runningSince(ids)
		if err != nil {
			return nil, err
		}
		return v.templates.part("overview", "running", c)
	})
}

// runningSince is the card with the rows that the page has.
func (v *visit) runningSince(ids []string) (c runningCard, err error) {
	active, _, err := v.App.Activity(v.ctx, v.who, app.Activity{List: app.List{Limit: 1000, Project: v.project()}, States: severalStates[stateActive]})
	if err != nil {
		return c, err
	}
	var shown []backstay.Run
	if len(ids) > 0 {
		if shown, _, err = v.App.Activity(v.ctx, v.who, app.Activity{List: app.List{Limit: pageSize}, IDs: ids}); err != nil {
			return c, err
		}
	}
	slices.SortFunc(shown, func(a, b backstay.Run) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
	if c.Rows, err = v.runRows(shown); err != nil {
		return c, err
	}
	more, pending := 0, 0
	for _, r := range active {
		switch {
		case r.State == backstay.Pending:
			pending++
		case !slices.Contains(ids, r.ID):
			more++
		}
	}
	c.Since = more > 0
	c.say(more, pending)
	c.Said = saidOf(c.Rows)
	return c, nil
}

// saidOf tells those who hear the page how far the runs are, by quarters.
func saidOf(rows []runRow) string {
	var words []string
	for _, r := range rows {
		switch {
		case r.Meter != nil && r.Meter.Known && r.Meter.Part >= 25:
			words = append(words, r.Name+": "+countText(r.Meter.Part/25*25)+" percent done.")
		case r.Meter == nil:
			words = append(words, r.Name+": "+r.State.Word+".")
		}
	}
	return strings.Join(words, " ")
}
