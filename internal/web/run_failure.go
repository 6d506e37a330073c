package web

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/doctor"
)

// failureView is the card that says what went wrong, what is safe, and what to do.
type failureView struct {
	Title, Code string
	Failed, Why string
	Checked     []checked
	Safe        string
	Newest      html // what is said of the newest snapshot
	Todo        []string
	Cure, Again *act
	Evidence    string
	Support     string
	Alert       bool // it came while the person looked
	Message     string
}

// checked is something that is known to be well, or not.
type checked struct {
	State pill
	Text  string
}

// evidenceLines is how much of the log stands on the card.
const evidenceLines = 8

func (v *visit) failureView(r backstay.Run, known app.Known) (*failureView, error) {
	f := r.Failure
	entry, ok := doctor.WithCode(f.Code)
	if !ok {
		entry = doctor.Named(doctor.Unexpected)
	}
	w := &failureView{Title: entry.Title, Code: f.Code, Failed: failedText(r, known), Why: entry.Cause, Checked: checkedOf(r, known), Safe: entry.Safe, Message: f.Text}
	if f.Hint != "" {
		w.Todo = append(w.Todo, f.Hint)
	}
	for _, a := range entry.Next {
		if a.Text != f.Hint {
			w.Todo = append(w.Todo, a.Text)
		}
	}
	w.Cure = v.cure(r, entry)
	if r.State.Ended() && r.State != backstay.Succeeded && v.may(backstay.StartRuns, r.Scope, r.Owner) {
		again := v.retryAct(r)
		w.Again = &again
		if w.Cure == nil {
			w.Again.Tone = "primary"
		}
	}
	var err error
	if w.Newest, err = v.newestSnapshot(r); err != nil {
		return nil, err
	}
	return w, v.evidence(w, r, known)
}

// failedText says what was being done.
func failedText(r backstay.Run, known app.Known) string {
	text := runName(r, known)
	if r.Failure.Stage != "" && r.Failure.Stage != string(r.Kind) {
		text += ", at: " + r.Failure.Stage
	}
	for _, o := range r.Outcomes {
		if s, ok := known.Repositories[o.Repository]; ok && o.Failure != nil && *o.Failure == *r.Failure {
			return text + ", in the repository " + s.Name + "."
		}
	}
	return text + "."
}

// checkedOf is what the run itself has shown.
func checkedOf(r backstay.Run, known app.Known) (all []checked) {
	for _, o := range r.Outcomes {
		name := "A repository"
		if s, ok := known.Repositories[o.Repository]; ok {
			name = "The repository " + s.Name
		}
		if o.Failure != nil {
			all = append(all, checked{pill{"fail", "fail", "", true}, name + ": " + o.Failure.Text})
			continue
		}
		all = append(all, checked{pill{"ok", "ok", "", true}, name + " has all that it was to get"})
	}
	if len(all) == 0 {
		all = append(all, checked{pill{"idle", "pending", "", true}, "The run ended before it came to any repository"})
	}
	return all
}

// newestSnapshot says how old the newest snapshot of the run's source is, and whether it was verified.
func (v *visit) newestSnapshot(r backstay.Run) (html, error) {
	if len(r.Sources) != 1 || !v.somewhere(backstay.ListSnapshots) {
		return "", nil
	}
	all, _, err := v.App.Snapshots.List(v.ctx, v.who, app.List{Limit: 1, Sort: "-time", Filters: map[string]string{"source": r.Sources[0]}})
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "There is no snapshot of this source yet.", nil
	}
	text := "The newest snapshot of this source is from " + v.when(all[0].Time)
	switch {
	case all[0].Health == backstay.HealthGood && all[0].HealthAt != nil:
		return text + ", and was verified " + v.ago(*all[0].HealthAt) + ".", nil
	case all[0].Health == backstay.HealthDamaged:
		return text + ", and is damaged.", nil
	}
	return text + ", and was not verified yet.", nil
}

// evidence adds the last lines of the log, and what helps others to help.
func (v *visit) evidence(w *failureView, r backstay.Run, known app.Known) error {
	log, err := v.App.RunLog(v.ctx, v.who, r.ID, 0, evidenceLines)
	if err != nil {
		return err
	}
	var lines strings.Builder
	for _, l := range log.Lines {
		fmt.Fprintf(&lines, "%s  %s\n", l.Time.In(v.zone).Format("15:04:05"), l.Text)
	}
	w.Evidence = lines.String()
	w.Support = fmt.Sprintf("%s %s\n%s (%s), attempt %d, run %s\ndue %s\nstage: %s\nmessage: %s\nBackstay %s\n\n%s", r.Failure.Code, w.Title, runName(r, known), r.State, r.Attempt, r.ID,
		r.DueAt.UTC().Format(time.RFC3339), r.Failure.Stage, r.Failure.Text, v.Version, w.Evidence)
	return nil
}

// cure is what mends the likeliest cause, as far as the person may do it; nil where no page does.
func (v *visit) cure(r backstay.Run, e doctor.Entry) *act {
	place, first := failedRepository(r), func(ids []string) string {
		if len(ids) == 1 {
			return ids[0]
		}
		return ""
	}
	for _, a := range e.Next {
		switch {
		case (a.Do == doctor.EditStorage || a.Do == doctor.TestStorage || a.Do == doctor.EnterPassword || a.Do == doctor.ShowLocks || a.Do == doctor.Unlock ||
			a.Do == doctor.Check || a.Do == doctor.RepairIndex || a.Do == doctor.FreeSpace) && place != "" && v.somewhere(backstay.ManageRepository):
			return &act{Word: cureWords[a.Do], Href: pathOf("repository", place), Tone: "primary"}
		case a.Do == doctor.EditSource && first(r.Sources) != "" && v.somewhere(backstay.ManageSources):
			return &act{Word: cureWords[a.Do], Href: pathOf("source", first(r.Sources)), Tone: "primary"}
		case a.Do == doctor.EditPlan && r.Plan != "" && v.somewhere(backstay.ManagePlans):
			return &act{Word: cureWords[a.Do], Href: pathOf("plan", r.Plan), Tone: "primary"}
		}
	}
	return nil
}

var cureWords = map[doctor.Do]string{
	doctor.EditStorage: "Look at the repository", doctor.TestStorage: "Test the storage", doctor.EnterPassword: "Look at the repository",
	doctor.ShowLocks: "Look at the locks", doctor.Unlock: "Look at the locks", doctor.Check: "Verify the repository", doctor.RepairIndex: "Look at the repository",
	doctor.FreeSpace: "Free space in the repository", doctor.EditSource: "Look at the source", doctor.EditPlan: "Look at the plan",
}

// failedRepository is the repository that the run's failure is of; the only one it has, if no outcome tells.
func failedRepository(r backstay.Run) string {
	for _, o := range r.Outcomes {
		if o.Failure != nil {
			return o.Repository
		}
	}
	if len(r.Repositories) == 1 {
		return r.Repositories[0]
	}
	return ""
}

// pathOf is the page of a thing.
func pathOf(object, id string) string {
	switch object {
	case "source":
		return "/sources/" + id
	case "plan":
		return "/plans/" + id
	case "repository":
		return "/repositories/" + id
	case "storage":
		return "/storage/" + id
	case "restore":
		return "/restores/" + id
	case "snapshot":
		return "/snapshots/" + id
	case "run":
		return "/activity/" + id
	}
	return "/"
}

// linkTo is a link within a fact.
func linkTo(path, name string) html {
	return html(`<a href="` + template.HTMLEscapeString(path) + `">` + template.HTMLEscapeString(name) + `</a>`) //nolint:gosec // escaped
}

// lowerFirst is a text as it stands within a sentence.
func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// explainedPage is what the error doctor has to say about a code.
type explainedPage struct {
	frame
	Entry doctor.Entry
}

func (v *visit) explained(code string) (page explainedPage, ok bool) {
	page.Entry, ok = doctor.WithCode(strings.ToUpper(code))
	page.frame = v.frame(page.Entry.Title)
	return page, ok
}
