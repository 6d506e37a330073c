package web

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/door"
)

// newRestorePage asks where to what was chosen is to be brought back, and what becomes of what is there.
type newRestorePage struct {
	frame
	Steps    []restoreStep
	Snapshot string
	When     html
	Paths    []chosenPath
	More     int // paths that are not shown
	Form     *form
	Ways     []restoreWay
	Folder   *field
	Conflict *field
}

// chosenPath is one of what is to be brought back.
type chosenPath struct{ Shown, At string }

// restoreWay is where to it may go.
type restoreWay struct {
	Value, Title, Help string
	Not                string // why it can't
	Chosen             bool
}

// pathsShown is how many of what was chosen a page names.
const pathsShown = 5

// toBrowser is the target of what is downloaded; the others are those of backstay.Restore.
const toBrowser = "download"

// newRestore asks for what a restore needs. It is a form of its own, since what was chosen may be too much for an address.
func (v *visit) newRestore() error { return v.askForRestore(http.StatusOK, nil) }

// restoreForm is what a new restore asks for.
func restoreForm() *form {
	f := newForm("/restores", "Show what would change", "",
		&field{Name: "target", Kind: radioField},
		&field{Name: "folder", Title: "Folder on the server", Kind: textField, Wide: true, Optional: true, Auto: "off", Help: "Such as /srv/restored. The whole path of each file is made in it."},
		&field{Name: "conflicts", Title: "If a file is there and differs", Kind: radioField, Value: "ask", Choices: []choice{
			{Value: "ask", Title: "Let me decide", Help: "You see each of them in the plan."},
			{Value: "overwrite", Title: "Overwrite it"},
			{Value: "if-changed", Title: "Overwrite it if its content differs"},
			{Value: "if-newer", Title: "Overwrite it if the backup is newer"},
			{Value: "never", Title: "Keep what is there"},
		}})
	return f
}

// askForRestore shows the form, again where refused says why.
func (v *visit) askForRestore(status int, refused *form) error {
	paths, err := v.chosen()
	if err != nil {
		return err
	}
	ways, err := v.App.RestoreWays(v.ctx, v.who, v.r.Form.Get("snapshot"), paths)
	if err != nil {
		return err
	}
	f := refused
	if f == nil {
		f = restoreForm()
	}
	s := ways.Snapshot
	page := newRestorePage{frame: v.frame("Where should it go?"), Snapshot: s.ID, When: v.when(s.Time), Form: f, Folder: f.find("folder"), Conflict: f.find("conflicts")}
	back := "/restore"
	if s.Source != "" {
		back = "/restore?source=" + s.Source
	}
	page.Steps = restoreSteps(back, "/snapshots/"+s.ID+"/files")
	for i, p := range paths {
		page.Paths = append(page.Paths, chosenPath{At: url.QueryEscape(p)})
		if i < pathsShown {
			page.Paths[i].Shown = shownPath(p)
		}
	}
	page.More = max(0, len(paths)-pathsShown)
	page.Ways = waysOf(ways, f)
	return v.answer(status, "restorenew", page)
}

// waysOf are where to it may go: the first that can be is chosen at first.
func waysOf(ways app.RestoreWays, f *form) []restoreWay {
	all := []restoreWay{
		{Value: backstay.TargetOriginal, Title: "To its place", Help: "Over what is there now. You decide about conflicts.", Not: whyNot(ways.Original)},
		{Value: backstay.TargetFolder, Title: "To another folder of the server", Help: "Nothing that exists elsewhere is touched.", Not: whyNot(ways.Folder)},
		{Value: toBrowser, Title: "Download it", Help: "As a ZIP archive, to this device.", Not: whyNot(ways.Download)},
	}
	target := f.find("target")
	for i := range all {
		if target.Value == "" && all[i].Not == "" {
			target.Value = all[i].Value
		}
		all[i].Chosen = all[i].Value == target.Value
	}
	return all
}

// whyNot is why something can't be, "" for nil.
func whyNot(err error) string {
	if err == nil {
		return ""
	}
	e, _ := door.Failure(err)
	return strings.TrimSpace(sentence(e.Msg))
}

// planRestore has it planned, or sends it at once if it is for the browser.
func (v *visit) planRestore() error {
	f := restoreForm()
	f.read(v.r)
	if f.value("target") == toBrowser {
		v.r.PostForm.Set("format", "zip")
		v.r.SetPathValue("id", v.r.Form.Get("snapshot"))
		return v.download()
	}
	paths, err := v.chosen()
	if err != nil {
		return err
	}
	want := backstay.Restore{Snapshot: v.r.Form.Get("snapshot"), Paths: paths, Target: f.value("target"), Conflicts: f.value("conflicts")}
	if want.Target == backstay.TargetFolder {
		want.Folder = f.value("folder")
	}
	for _, p := range paths {
		if !utf8.ValidString(p) {
			err = backstay.Errorf(backstay.Invalid, "the name %q is no text, so it can't be restored on its own", shownPath(p)).WithHint("Choose the folder that it is in, or download it.")
		}
	}
	var r backstay.Restore
	if err == nil {
		r, err = v.App.PlanRestore(v.ctx, v.who, want)
	}
	if err != nil {
		status, err := f.refuse(v, err)
		if err != nil {
			return err
		}
		return v.askForRestore(status, f)
	}
	return v.redirect("/restores/"+r.ID, "")
}
