package web

import (
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// runWords are how runs of a kind are spoken of; the name of what they are about follows.
type runWords struct{ noun, doing string }

var wordsOfRuns = map[backstay.RunKind]runWords{
	backstay.RunBackup: {"Backup of", "Backing up"}, backstay.RunRestore: {"Restore of", "Restoring"}, backstay.RunVerification: {"Verification of", "Verifying"},
	backstay.RunCopy: {"Copy of", "Copying"}, backstay.RunForget: {"Retention of", "Applying the retention of"}, backstay.RunPrune: {"Freeing space in", "Freeing space in"},
	backstay.RunCatalogue: {"Catalogue of", "Listing what is in"}, backstay.RunServer: {"Backup of", "Backing up"}, backstay.RunExtension: {"Object lock of", "Extending the object lock of"},
}

// runName is what a run is called in a sentence.
func runName(r backstay.Run, known app.Known) string {
	about := aboutRun(r, known)
	w, ok := wordsOfRuns[r.Kind]
	switch {
	case r.Kind == backstay.RunServer:
		return "Backup of this server"
	case about == kindWord(r.Kind) || !ok:
		return kindWord(r.Kind)
	}
	return w.noun + " " + about
}

// runHeading says how a run stands.
func runHeading(r backstay.Run, known app.Known) string {
	name, about := runName(r, known), aboutRun(r, known)
	switch r.State {
	case backstay.Pending:
		return name + " waits"
	case backstay.Running:
		switch w, ok := wordsOfRuns[r.Kind]; {
		case r.Kind == backstay.RunServer:
			return "Backing up this server"
		case ok && about != kindWord(r.Kind):
			return w.doing + " " + about
		}
		return name + " is at work"
	case backstay.RanPartly:
		return name + " reached only some repositories"
	case backstay.Warned:
		return name + " left something out"
	case backstay.RunFailed:
		return name + " failed"
	case backstay.Stopped:
		return name + " was cancelled"
	case backstay.Missed:
		return name + " was missed"
	}
	return name + " succeeded"
}

// runLead says what there is to know about it first.
func (v *visit) runLead(r backstay.Run, m *meter, again *backstay.Run) html {
	took := html("It took " + spanText(r.Duration()))
	if r.EndedAt != nil {
		took += ", and ended at " + v.when(*r.EndedAt)
	}
	switch r.State {
	case backstay.Pending:
		if r.DueAt.After(v.App.Clock.Now()) {
			return "It begins at " + v.when(r.DueAt) + ", " + v.ago(r.DueAt) + "."
		}
		return "It begins as soon as a place is free and nothing else works on the same."
	case backstay.Running:
		switch {
		case r.Cancel:
			return "Somebody asked for its end. It stops within seconds."
		case r.Figures.Lost > 0:
			return html(counted(r.Figures.Lost, "file", "files") + " could not be read so far. The log says which, and why.")
		case m != nil && !m.done.IsZero():
			return "Nothing needs your attention. It should be done at about " + v.clockTime(m.done) + "."
		}
		return "Nothing needs your attention."
	case backstay.Warned:
		if r.Figures.Lost > 0 {
			return html(counted(r.Figures.Lost, "file", "files")+" could not be read; the log says which, and why. Everything else is done. ") + took + "."
		}
		return "It is done, but something beside it went wrong. " + took + "."
	case backstay.RunFailed, backstay.RanPartly:
		return v.failedLead(r, again)
	case backstay.Stopped:
		if r.StartedAt == nil {
			return "It had not begun. Nothing was changed."
		}
		return took + ". What was done until then stays."
	case backstay.Missed:
		return "It was due at " + v.when(r.DueAt) + ", and nobody was there to do it."
	}
	return took + ". Nothing needs your attention."
}

func (v *visit) failedLead(r backstay.Run, again *backstay.Run) html {
	lead := html("It did not begin.")
	if r.StartedAt != nil && r.EndedAt != nil {
		lead = "It stopped after " + html(spanText(r.Duration())) + ", at " + v.when(*r.EndedAt) + "."
	}
	switch {
	case again == nil:
	case again.State == backstay.Pending:
		lead += ` It <a href="/activity/` + html(again.ID) + `">is tried again</a> at ` + v.when(again.DueAt) + "."
	default:
		lead += ` It <a href="/activity/` + html(again.ID) + `">was tried again</a>.`
	}
	return lead
}

// clockTime is the time of day of a moment that is near.
func (v *visit) clockTime(t time.Time) html { return v.moment(t, t.In(v.zone).Format("15:04")) }

// triggers say why a run was started.
var triggers = map[string]string{"schedule": "By its schedule", "person": "By a person", "retry": "As another attempt", "server": "By the server"}

// meter is how far a run has come.
type meter struct {
	Name  string // of the run
	Known bool   // how much there is to do is
	Part  int    // of 100
	Text  string // such as 62 %, or what was done so far
	Left  string // about how long it takes yet
	done  time.Time
}

// What has to be known of a run before its end is foretold.
const (
	enoughTime = 10 * time.Second
	enoughPart = 0.02
)

// meterOf is how far a run at work has come. What is expected is the size of the last time, so that there may be more.
func meterOf(r backstay.Run, known app.Known, now time.Time) *meter {
	f := r.Figures
	m := &meter{Name: runName(r, known)}
	done, total := f.Bytes, f.TotalBytes
	if total == 0 {
		done, total = f.Files, f.TotalFiles
	}
	if total == 0 {
		m.Text = counted(f.Files, "file", "files") + " so far"
		if f.Files == 0 {
			m.Text = "Begun"
		}
		return m
	}
	part := min(float64(done)/float64(total), 0.99)
	m.Known, m.Part, m.Text = true, int(part*100), countText(int(part*100))+nbsp+"%"
	if r.StartedAt == nil || done >= total {
		return m
	}
	if elapsed := now.Sub(*r.StartedAt); elapsed >= enoughTime && part >= enoughPart {
		left := time.Duration(float64(elapsed) * (1 - part) / part)
		m.Left, m.done = "about "+aboutSpan(left)+" left", now.Add(left)
	}
	return m
}

// aboutSpan is a duration that is not known well, in its greatest unit.
func aboutSpan(d time.Duration) string {
	switch {
	case d >= time.Hour:
		return spanText(d.Round(10 * time.Minute))
	case d >= time.Minute:
		return spanText(d.Round(time.Minute))
	}
	return spanText(max(d.Round(10*time.Second), 10*time.Second))
}

// said is what is told to who hears the page: the start, each quarter, and the end. A failure speaks for itself.
func said(r backstay.Run, m *meter, name string) string {
	switch {
	case r.State == backstay.Pending:
		return name + " waits."
	case r.State == backstay.Running && m != nil && m.Known && m.Part >= 25:
		return countText(m.Part/25*25) + " percent done."
	case r.State == backstay.Running:
		return name + " has started."
	case r.State == backstay.RunFailed, r.State == backstay.RanPartly:
		return ""
	}
	return name + ": " + statePill(r.State).Word + "."
}
