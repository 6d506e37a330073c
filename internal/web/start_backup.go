package web

import (
	"encoding/json"
	"net/http"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// showPlanStep asks when it is backed up and how long that is kept. Without a form it suggests what suits most people.
func (v *visit) showPlanStep(status int, w way, f *planForm) error {
	if f == nil {
		made, err := v.planForm(v.firstPlan(w))
		if err != nil {
			return err
		}
		f = &made
	}
	f.say(v)
	p := v.stepPage(w, "plan", "When should it run, and how long should it keep?", "We filled in what suits most people. You can change it at any time.")
	p.Plan = f
	return v.answer(status, "start", p)
}

// firstPlan is the plan that there is, or the one that is suggested.
func (v *visit) firstPlan(w way) backstay.Plan {
	if w.Plan != nil {
		return *w.Plan
	}
	p := v.suggested(w.Source.Project)
	p.Name, p.Sources, p.Repositories = w.Source.Name, []string{w.Source.ID}, []string{w.Repository.ID}
	return p
}

func (v *visit) saveFirstPlan() error {
	w, err := v.way()
	if err != nil {
		return err
	}
	if !w.hasReached("plan") {
		return v.redirect("/start", "")
	}
	p := v.firstPlan(w)
	f, err := v.planForm(p)
	if err != nil {
		return err
	}
	(&form{Groups: []group{{Fields: f.When.fields()}, {Fields: f.Keep.fields()}}}).read(v.r)
	when, whenRead := f.When.schedule()
	keep, keepRead := f.Keep.policy()
	if !whenRead || !keepRead {
		return v.showPlanStep(http.StatusUnprocessableEntity, w, &f)
	}
	if w.Plan == nil {
		p.Schedule, p.Retention = when, keep
		p, err = v.App.Plans.Create(v.ctx, v.who, p)
	} else {
		var patch []byte
		if patch, err = json.Marshal(map[string]any{"schedule": patchOf(when), "retention": patchOfPolicy(keep)}); err == nil {
			_, err = v.App.Plans.Update(v.ctx, v.who, p.ID, 0, patch)
		}
	}
	if err != nil {
		status, err := f.refuse(v, err)
		if err != nil {
			return err
		}
		return v.showPlanStep(status, w, &f)
	}
	if w.Run == nil {
		if _, err := v.App.StartPlan(v.ctx, v.who, p.ID, app.RunNow{}); err != nil {
			return err
		}
	}
	return v.redirect("/start/backup", "")
}

// backUpFirst starts the first backup, once more if it failed.
func (v *visit) backUpFirst() error {
	w, err := v.way()
	if err != nil {
		return err
	}
	if w.Plan == nil {
		return v.redirect("/start", "")
	}
	if _, err := v.App.StartPlan(v.ctx, v.who, w.Plan.ID, app.RunNow{}); err != nil {
		return err
	}
	return v.redirect("/start/backup", "")
}

// firstRun is the first backup at work, or what came of it.
type firstRun struct {
	ID      string
	Heading string
	Lead    html
	State   pill
	Meter   *meter
	Said    string
	Over    bool
	Acts    []act
}

// firstRun tells how the first backup is.
func (v *visit) firstRun(w way) (f *firstRun, err error) {
	if w.Run == nil {
		return &firstRun{Heading: "Ready for the first backup", Lead: "It reads everything once. Later ones read only what has changed.", State: statePill(backstay.Pending), Over: true,
			Acts: []act{{Word: "Start the first backup", Icon: "play", Href: "/start/backup", Post: true, Tone: "primary"}}}, nil
	}
	known, err := v.App.KnownOf(v.ctx, v.who, []backstay.Run{*w.Run})
	if err != nil {
		return nil, err
	}
	view, err := v.runView(*w.Run, known, true)
	if err != nil {
		return nil, err
	}
	f = &firstRun{ID: w.Run.ID, Heading: view.Heading, Lead: view.Lead, State: view.State, Meter: view.Meter, Said: view.Said, Over: w.Run.State.Ended()}
	see := act{Word: "See the run", Href: "/activity/" + w.Run.ID, Tone: "quiet"}
	switch {
	case !f.Over:
		f.Heading, f.Acts = "Your first backup is running", []act{see}
	case w.Done:
		f.Heading = "Your first backup is done"
		f.Acts = []act{{Word: "Try a restore", Icon: "restore", Href: "/restore?source=" + w.Source.ID, Tone: "primary"}, {Word: "Go to the overview", Href: "/"}, see}
	default:
		f.Acts = []act{{Word: "See what went wrong", Href: "/activity/" + w.Run.ID, Tone: "primary"}, {Word: "Try again", Icon: "play", Href: "/start/backup", Post: true}}
	}
	return f, nil
}

func (v *visit) showBackupStep(w way) error {
	run, err := v.firstRun(w)
	if err != nil {
		return err
	}
	p := v.stepPage(w, "backup", run.Heading, "")
	p.Run = run
	return v.show("start", p)
}

// firstBackupLive sends how the first backup is, until it has ended.
func (v *visit) firstBackupLive() error {
	return v.live(liveEvery, func() ([]byte, error) {
		w, err := v.way()
		if err != nil {
			return nil, err
		}
		run, err := v.firstRun(w)
		if err != nil {
			return nil, err
		}
		text, err := v.templates.part("start", "first-run", run)
		if err == nil && run.Over {
			err = errOver
		}
		return text, err
	})
}
