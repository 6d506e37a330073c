package web

import (
	"net/http"
	"slices"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// registerStart registers the way from an empty installation to its first backup. It keeps nothing of its own: where it goes on is what is
// missing first.
func (s *Site) registerStart() {
	s.get("/start", func(v *visit) error {
		way, err := v.way()
		if err != nil {
			return err
		}
		return v.redirect("/start/"+way.at, "")
	})
	s.get("/start/{step}", (*visit).startStep)
	s.get("/start/storage-kind", func(v *visit) error {
		return v.kindsPage("Where do the backups go?", "/start/storage", "/start/storage", v.App.Places.StorageKinds())
	})
	s.get("/start/backup/live", (*visit).firstBackupLive)
	s.post("/start/source", (*visit).startSource)
	s.post("/start/storage", (*visit).startStorage)
	s.post("/start/encryption", (*visit).startEncryption)
	s.post("/start/risk", (*visit).acceptKitRisk)
	s.post("/start/plan", (*visit).saveFirstPlan)
	s.post("/start/backup", (*visit).backUpFirst)
}

// startSteps are the steps, in their order.
var startSteps = []struct{ name, word string }{{"source", "Source"}, {"storage", "Storage"}, {"encryption", "Encryption"}, {"plan", "Plan"}, {"backup", "First backup"}}

// way is how far somebody has come.
type way struct {
	app.FirstSteps
	at string // the step that is next
}

func (v *visit) way() (w way, err error) {
	if w.FirstSteps, err = v.App.FirstSteps(v.ctx, v.who); err != nil {
		return w, err
	}
	switch {
	case w.Source == nil:
		w.at = "source"
	case w.Storage == nil:
		w.at = "storage"
	case w.Repository == nil || !w.Kit:
		w.at = "encryption"
	case w.Plan == nil:
		w.at = "plan"
	default:
		w.at = "backup"
	}
	return w, nil
}

// hasReached reports whether somebody has come as far as a step.
func (w way) hasReached(step string) bool { return stepNumber(step) <= stepNumber(w.at) }

// stepNumber counts steps from 1; 0 for what is none.
func stepNumber(name string) int {
	return 1 + slices.IndexFunc(startSteps, func(s struct{ name, word string }) bool { return s.name == name })
}

// startPage is a page of the way.
type startPage struct {
	frame
	Steps         []startMark
	Number        int    // of this step, from 1
	Word          string // of this step
	Heading, Lead string
	Form          *form
	Plan          *planForm // of the step that makes the plan
	Notice        *notice
	SoFar         []soFar
	NoFactor      bool   // the person's account has no second factor yet
	Other         *act   // another kind of thing
	Back          string // the step before; "" for the first
	OnAnyway      string // where to go on although something is not as it should be
	Kit           *kitPart
	Run           *firstRun
}

type startMark struct {
	Word, Href    string
	Done, Current bool
}

// soFar is an answer that was given.
type soFar struct {
	Name, Sub string
	State     pill
}

// kitPart asks to save the recovery kit, or to take the risk of having none.
type kitPart struct {
	Export, Risk *form
}

// stepPage is the page of a step, with what all steps have alike.
func (v *visit) stepPage(w way, step, heading, lead string) startPage {
	n := stepNumber(step)
	p := startPage{frame: v.frame(heading), Number: n, Word: startSteps[n-1].word, Heading: heading, Lead: lead}
	for i, s := range startSteps {
		m := startMark{Word: s.word, Current: i == n-1, Done: i < stepNumber(w.at)-1 || w.Done}
		if m.Done && !m.Current {
			m.Href = "/start/" + s.name
		}
		p.Steps = append(p.Steps, m)
	}
	p.NoFactor = !v.desk.User.MFA
	if n > 1 {
		p.Back = "/start/" + startSteps[n-2].name
	}
	if w.Source != nil {
		p.SoFar = append(p.SoFar, soFar{w.Source.Name, v.kindTitle(w.Source.Kind), pill{"ok", "ok", "Set up", true}})
	}
	if w.Storage != nil {
		p.SoFar = append(p.SoFar, soFar{w.Storage.Name, v.kindOfStorage(w.Storage.Location).Title, pill{"ok", "ok", "Set up", true}})
	}
	if w.Repository != nil {
		kit := soFar{"Encrypted", "in the repository " + w.Repository.Name, pill{"ok", "ok", "Kit saved", true}}
		if !w.Kit {
			kit.State = pill{"warn", "warn", "No kit yet", true}
		}
		p.SoFar = append(p.SoFar, kit)
	}
	return p
}

// startStep shows a step. One that is too far ahead leads to the next one.
func (v *visit) startStep() error {
	w, err := v.way()
	if err != nil {
		return err
	}
	step := v.r.PathValue("step")
	if n := stepNumber(step); n == 0 || !w.hasReached(step) {
		return v.redirect("/start/"+w.at, "")
	}
	switch step {
	case "source":
		return v.showSourceStep(http.StatusOK, w, v.sourceStepForm(w), nil)
	case "storage":
		return v.showStorageStep(http.StatusOK, w, v.storageStepForm(w), nil)
	case "encryption":
		return v.showEncryptionStep(http.StatusOK, w, nil, nil)
	case "plan":
		return v.showPlanStep(http.StatusOK, w, nil)
	}
	return v.showBackupStep(w)
}

// sourceStepForm asks what is protected.
func (v *visit) sourceStepForm(w way) *form {
	src := backstay.Source{Kind: kindNamed(v.App.Places.SourceKinds(), v.r.FormValue("kind")).Kind}
	if w.Source != nil {
		src = *w.Source
	}
	kind := kindNamed(v.App.Places.SourceKinds(), src.Kind)
	local := v.may(backstay.ManageSources, backstay.Everywhere, "")
	f := newForm("/start/source", "Test and go on", "", &field{Name: "name", Title: "Name", Kind: textField, Value: src.Name, Help: "As you call it, such as Photos.", Auto: "off", Wide: true}, &field{Name: "kind", Kind: hiddenField, Value: kind.Kind})
	if w.Source == nil {
		f.Groups[0].Fields = append(f.Groups[0].Fields, v.projectField(backstay.ManageSources))
	}
	more := group{Title: "More", Closed: true}
	for _, x := range settingsFields(kind.Fields, src.Settings, src.Secrets, local) {
		if x.Optional {
			more.Fields = append(more.Fields, x)
		} else {
			f.Groups[0].Fields = append(f.Groups[0].Fields, x)
		}
	}
	f.Groups = append(f.Groups, more)
	return f
}

func (v *visit) showSourceStep(status int, w way, f *form, n *notice) error {
	p := v.stepPage(w, "source", "What do you want to protect?", "Begin with one thing. Others can be added at any time.")
	p.Form, p.Notice = f, n
	if w.Source == nil {
		for _, k := range v.App.Places.SourceKinds() {
			if k.Kind != f.value("kind") {
				p.Other = &act{Word: k.Title + " instead", Href: "/start/source?kind=" + k.Kind, Tone: "quiet"}
			}
		}
	}
	if n != nil {
		p.OnAnyway = "/start/storage"
	}
	return v.answer(status, "start", p)
}

func (v *visit) startSource() error {
	w, err := v.way()
	if err != nil {
		return err
	}
	f := v.sourceStepForm(w)
	f.read(v.r)
	if w.Source, err = saveStep(v, v.App.Sources, w.Source, f); err != nil {
		return v.refused(f, err, func(status int) error { return v.showSourceStep(status, w, f, nil) })
	}
	found, err := v.App.TestSource(v.ctx, v.who, w.Source.ID)
	if err != nil {
		what, hint := v.told(err)
		return v.showSourceStep(http.StatusUnprocessableEntity, w, v.sourceStepForm(w), &notice{Tone: "fail", Icon: "fail", Fact: "It is saved, but it can't be read.", Text: what + " " + hint})
	}
	return v.redirect("/start/storage", w.Source.Name+" can be read: "+counted(len(found), "entry was", "entries were")+" seen at first.")
}

// saveStep makes the thing of a step, or changes it where it is there.
func saveStep[T any, P record[T]](v *visit, noun *app.Noun[T, P], have *T, f *form) (*T, error) {
	if have != nil {
		patch, err := f.json()
		if err != nil {
			return have, err
		}
		changed, err := noun.Update(v.ctx, v.who, P(have).Base().ID, 0, patch)
		if err != nil {
			return have, err
		}
		return &changed, nil
	}
	made := new(T)
	if err := f.into(made); err != nil {
		return nil, err
	}
	saved, err := noun.Create(v.ctx, v.who, *made)
	if err != nil {
		return nil, err
	}
	return &saved, nil
}

// storageStepForm asks where the backups go.
func (v *visit) storageStepForm(w way) *form {
	var x backstay.Storage
	if w.Storage != nil {
		x = *w.Storage
	}
	f := newForm("/start/storage", "Test and go on", "")
	f.Groups = v.storageFields(&x)
	f.Groups = f.Groups[:len(f.Groups)-1] // the limits can wait
	return f
}

func (v *visit) showStorageStep(status int, w way, f *form, n *notice) error {
	p := v.stepPage(w, "storage", "Where do the backups go?", "Best is a place that is not on this machine and not in this building.")
	p.Form, p.Notice = f, n
	if w.Storage == nil {
		p.Other = &act{Word: "Another kind of storage", Href: "/start/storage-kind", Tone: "quiet"}
	}
	if n != nil {
		p.OnAnyway = "/start/encryption"
	}
	return v.answer(status, "start", p)
}

func (v *visit) startStorage() error {
	w, err := v.way()
	if err != nil {
		return err
	}
	f := v.storageStepForm(w)
	f.read(v.r)
	if w.Storage, err = saveStep(v, v.App.Storages, w.Storage, f); err != nil {
		return v.refused(f, err, func(status int) error { return v.showStorageStep(status, w, f, nil) })
	}
	if tested := v.tryStorage(w.Storage.ID); tested.Tone == "fail" {
		tested.Fact = "It is saved, but it can't be used."
		return v.showStorageStep(http.StatusUnprocessableEntity, w, v.storageStepForm(w), tested)
	}
	return v.redirect("/start/encryption", w.Storage.Name+" can be used: a file was written and read there.")
}

// encryptionForm asks for the repository.
func (v *visit) encryptionForm(w way) *form {
	return newForm("/start/encryption", "Make the encrypted repository", "",
		&field{Name: "name", Title: "Name of the repository", Kind: textField, Value: "Backups in " + w.Storage.Name, Auto: "off"},
		&field{Name: "path", Title: "Folder in the storage", Kind: textField, Value: "backstay", Optional: true, Help: "Empty: the storage's own location."},
		&field{Name: "adopt", Title: "There is a repository already, such as one that restic made", Kind: switchField},
		&field{Name: "password", Title: "Its password", Kind: secretField, Optional: true, Auto: "off", Help: "Only for one that is there. For a new one Backstay makes a password that nobody guesses."})
}

// showEncryptionStep asks for the repository, or, where there is one, for the recovery kit.
func (v *visit) showEncryptionStep(status int, w way, f, risk *form) error {
	p := v.stepPage(w, "encryption", "Everything is encrypted before it leaves this machine", "With a password that only this server has, until you save the recovery kit.")
	if w.Repository == nil {
		p.Form = f
		if f == nil {
			p.Form = v.encryptionForm(w)
		}
		return v.answer(status, "start", p)
	}
	p.Heading, p.Lead = "Save the recovery kit now", "It has the password. If this server burns, the kit and the storage are all you need; without the kit, nobody can open your backups."
	if risk == nil {
		risk = riskForm()
	}
	p.Kit = &kitPart{Export: v.ask(kitForm()), Risk: risk}
	if w.Kit {
		p.Notice = &notice{Tone: "ok", Icon: "ok", Fact: "The kit is saved, or its lack is accepted.", Text: "Go on to the plan."}
	}
	return v.answer(status, "start", p)
}

func riskForm() *form {
	return newForm("/start/risk", "Take the risk", "", &field{Name: "reason", Title: "Why there is to be no recovery kit", Kind: textField, Help: "It is noted in the audit trail with your name."})
}

func (v *visit) startEncryption() error {
	w, err := v.way()
	if err != nil {
		return err
	}
	if w.Storage == nil || w.Repository != nil {
		return v.redirect("/start", "")
	}
	f := v.encryptionForm(w)
	f.read(v.r)
	var r backstay.Repository
	if err = f.into(&r); err == nil {
		r.Project, r.Storage, r.VerifyDays = w.Storage.Project, w.Storage.ID, 90
		_, err = v.App.CreateRepository(v.ctx, v.who, r)
	}
	if err != nil {
		return v.refused(f, err, func(status int) error { return v.showEncryptionStep(status, w, f, nil) })
	}
	return v.redirect("/start/encryption", r.Name+" is ready.")
}

func (v *visit) acceptKitRisk() error {
	w, err := v.way()
	if err != nil {
		return err
	}
	f := riskForm()
	f.read(v.r)
	if err := v.App.AcceptKitRisk(v.ctx, v.who, f.value("reason")); err != nil {
		return v.refused(f, err, func(status int) error { return v.showEncryptionStep(status, w, nil, f) })
	}
	return v.redirect("/start", "")
}
