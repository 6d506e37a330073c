package web

import (
	"net/http"
	"slices"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// sourcePage is the page of the form that makes or changes a source.
type sourcePage struct {
	frame
	Heading, Lead string
	Back          tab
	Form          *form
	Tested        *tested
}

// tested is what a test of the connection found.
type tested struct {
	Problem, Hint string
	Found         []string
}

// sourceKinds are the kinds that the person may use.
func (v *visit) sourceKinds() []app.Kind {
	local := v.may(backstay.ManageSources, backstay.Everywhere, "")
	return slices.DeleteFunc(v.App.Places.SourceKinds(), func(k app.Kind) bool { return k.Local && !local })
}

// newSource asks for the kind of a new source, and then for what that has to know.
func (v *visit) newSource() error {
	kind := v.query("kind")
	if kind == "" {
		return v.kindsPage("What is to be protected?", "/sources/new", "/sources", v.sourceKinds())
	}
	s := backstay.Source{Kind: kind}
	f, err := v.sourceForm(&s)
	if err != nil {
		return err
	}
	return v.showSourceForm(http.StatusOK, &s, f, nil)
}

// sourceForm is the form of a source; of a new one if it has no id.
func (v *visit) sourceForm(s *backstay.Source) (*form, error) {
	kinds := v.App.Places.SourceKinds()
	i := slices.IndexFunc(kinds, func(k app.Kind) bool { return k.Kind == s.Kind })
	if i < 0 {
		return nil, backstay.Errorf(backstay.NotFound, "there is no kind of sources called %q", s.Kind).WithHint("Choose one of those that there are.")
	}
	local := s.ID != "" && s.Local || v.may(backstay.ManageSources, backstay.Everywhere, "")
	name := &field{Name: "name", Title: "Name", Kind: textField, Value: s.Name, Help: "What people will look for when something is lost"}
	about := []*field{name, {Name: "kind", Kind: hiddenField, Value: s.Kind}}
	f := &form{Action: "/sources", Submit: "Add the source", Back: "/sources"}
	if s.ID == "" {
		about = append(about, v.projectField(backstay.ManageSources))
	} else {
		f = &form{Action: "/sources/" + s.ID + "/edit", Submit: "Save", Back: "/sources/" + s.ID + "/settings", Version: s.Version}
		about = append(about, &field{Name: "id", Kind: hiddenField, Value: s.ID})
	}
	where := settingsFields(kinds[i].Fields, s.Settings, s.Secrets, local)
	for _, field := range where {
		field.Wide = field.Kind == textField
	}
	f.Groups = []group{{Fields: about}, {Title: kinds[i].Title, Help: kinds[i].Help, Fields: where}}
	return f, nil
}

func (v *visit) showSourceForm(status int, s *backstay.Source, f *form, found *tested) error {
	page := sourcePage{Heading: "Add a source", Lead: "Say where it is. The test reads a little of it and keeps nothing.", Back: tab{Href: "/sources", Word: "Sources"}, Form: f, Tested: found}
	if s.ID != "" {
		page.Heading, page.Back = "Change "+s.Name, tab{Href: "/sources/" + s.ID, Word: s.Name}
	}
	page.frame = v.frame(page.Heading)
	return v.answer(status, "source-edit", page)
}

func (v *visit) addSource() error {
	s := backstay.Source{Kind: v.r.PostForm.Get("kind")}
	f, err := v.sourceForm(&s)
	if err != nil {
		return err
	}
	f.read(v.r)
	var made backstay.Source
	if err = f.into(&made); err == nil {
		made.ID = ""
		made, err = v.App.Sources.Create(v.ctx, v.who, made)
	}
	if err != nil {
		status, err := f.refuse(v, err)
		if err != nil {
			return err
		}
		return v.showSourceForm(status, &s, f, nil)
	}
	return v.redirect("/sources/"+made.ID, made.Name+" was added. A plan backs it up.")
}

func (v *visit) editSource() error {
	s, err := v.App.Sources.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	f, err := v.sourceForm(&s)
	if err != nil {
		return err
	}
	return v.showSourceForm(http.StatusOK, &s, f, nil)
}

func (v *visit) changeSource() error {
	s, err := v.App.Sources.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	f, err := v.sourceForm(&s)
	if err != nil {
		return err
	}
	f.read(v.r)
	patch, err := f.json()
	if err == nil {
		_, err = v.App.Sources.Update(v.ctx, v.who, s.ID, int64(v.number("version", 0)), patch)
	}
	if err != nil {
		status, err := f.refuse(v, err)
		if err != nil {
			return err
		}
		return v.showSourceForm(status, &s, f, nil)
	}
	return v.redirect(f.Back, "Saved.")
}

// testSource tests what was entered, without saving it. It answers beside the button, or without script with the whole page again.
func (v *visit) testSource() error {
	s := backstay.Source{Kind: v.r.PostForm.Get("kind")}
	if id := v.r.PostForm.Get("id"); id != "" {
		var err error
		if s, err = v.App.Sources.Find(v.ctx, v.who, id); err != nil {
			return err
		}
	}
	f, err := v.sourceForm(&s)
	if err != nil {
		return err
	}
	f.read(v.r)
	draft := s
	draft.Settings = map[string]string{}
	for name, value := range s.Settings {
		draft.Settings[name] = value
	}
	found := &tested{}
	status := http.StatusOK
	if err = f.into(&draft); err == nil {
		found.Found, err = v.App.TestSourceDraft(v.ctx, v.who, draft)
	}
	if err != nil {
		if status, err = f.refuse(v, err); err != nil {
			return err
		}
		found.Problem, found.Hint = f.Problem, f.Hint
		for _, wrong := range f.Wrong() {
			found.Problem = wrong.Title + ": " + wrong.Error
		}
	}
	if v.r.Header.Get("HX-Request") != "" {
		return v.piece("source-edit", "tested", found)
	}
	f.Problem = "" // it stands beside the button
	return v.showSourceForm(status, &s, f, found)
}

// sourceDeletion are the pages of the question before one is deleted.
func (s *Site) sourceDeletion() nounPages[backstay.Source, *backstay.Source] {
	return nounPages[backstay.Source, *backstay.Source]{noun: s.App.Sources, path: "/sources", one: "source", many: "sources", typed: true,
		facts: func(*visit, *backstay.Source) ([]fact, error) { return nil, nil },
		row:   func(_ *visit, s *backstay.Source) row { return row{Name: s.Name} },
		goes: func(*visit, *backstay.Source) string {
			return "Its settings and modules go, and it is backed up no more. All snapshots of it stay in their repositories, and can be restored. Plans that name it have to let go of it first."
		}}
}
