package web

import (
	"net/http"
	"strings"

	"github.com/backstay/backstay"
)

// registerRecoveryKit registers the page of the recovery kit.
func (s *Site) registerRecoveryKit() {
	s.get("/recovery-kit", (*visit).kitPage)
	s.post("/recovery-kit", (*visit).exportKit)
}

// kitPage says what the kit is for, and whether the one that somebody has is good still.
type kitPage struct {
	frame
	State *notice
	Form  *form
}

func (v *visit) kitPage() error { return v.showKit(http.StatusOK, v.ask(kitForm())) }

func kitForm() *form {
	return newForm("/recovery-kit", "Save the recovery kit", "",
		&field{Name: "format", Title: "As", Kind: radioField, Value: "html", Choices: []choice{{Value: "html", Title: "A page to print"}, {Value: "txt", Title: "A text file"}}},
		&field{Name: "secrets", Title: "With the secrets of storages, such as access keys", Kind: switchField, Value: "true"})
}

func (v *visit) showKit(status int, f *form) error {
	state, err := v.App.RecoveryKitState(v.ctx, v.who)
	if err != nil {
		return err
	}
	page := kitPage{frame: v.frame("Recovery kit"), Form: f}
	switch {
	case state.Version == 0:
		page.State = &notice{Tone: "warn", Icon: "warn", Fact: "No recovery kit was ever saved.", Text: "If this server is lost, nobody can open the repositories without their passwords."}
	case state.OutOfDate:
		page.State = &notice{Tone: "warn", Icon: "warn", Fact: "The saved kit is out of date.", Text: "It lacks: " + strings.Join(state.Missing, ", ") + "."}
	default:
		page.State = &notice{Tone: "ok", Icon: "ok", Fact: "The saved kit has everything.", Text: "Keep it where this server is not."}
	}
	return v.answer(status, "recoverykit", page)
}

func (v *visit) exportKit() error {
	f := kitForm()
	f.read(v.r)
	kit, err := v.App.ExportRecoveryKit(v.ctx, v.who, f.value("secrets") == "true")
	if err != nil {
		return v.refused(f, err, func(status int) error { return v.showKit(status, f) })
	}
	name, kind, text := "recovery-kit.txt", "text/plain; charset=utf-8", kit.Text()
	if f.value("format") != "txt" {
		name, kind = "recovery-kit.html", "text/html; charset=utf-8"
		if text, err = kit.Page(); err != nil {
			return err
		}
	}
	h := v.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	_, _ = v.w.Write([]byte(text)) // who asked may have gone
	return nil
}

// kitNotice says that a recovery kit is missing or out of date; nil where that is none of the person's business, or all is well.
func (v *visit) kitNotice(repositories int) (*notice, error) {
	if repositories == 0 || !v.somewhere(backstay.ExportRecoveryKit) {
		return nil, nil
	}
	state, err := v.App.RecoveryKitState(v.ctx, v.who)
	if err != nil || state.Version > 0 && !state.OutOfDate {
		return nil, err
	}
	n := &notice{Tone: "warn", Icon: "key", Fact: "No recovery kit was saved yet.", Text: "With it, everything can be restored without this server.", Acts: []act{{Word: "Save the recovery kit", Href: "/recovery-kit"}}}
	if state.Version > 0 {
		n.Fact, n.Text = "The recovery kit is out of date.", "It lacks: "+strings.Join(state.Missing, ", ")+"."
	}
	return n, nil
}
