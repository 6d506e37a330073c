package browser_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	pages "github.com/backstay/backstay/test/browser"
)

// stock is a server with two backups of a folder.
type stock struct {
	*servertest.Server
	folder string
	source string
	newest string // the id of the newest snapshot
}

// newStock makes a server with two backups of some files, between which some have changed.
func newStock(t *testing.T, more map[string]string) *stock {
	t.Helper()
	s := &stock{Server: servertest.Start(t, server.Options{}).Claim(t), folder: filepath.Join(t.TempDir(), "shared")}
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 64, 48))); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"finance/Budget Q3.csv": "one,two\n1,2\n", "finance/Budget Q4.csv": "q4", "projects/crane/README.txt": "Read me first.\n", "projects/crane/plan.png": picture.String(),
		"projects/yard/notes.txt": "notes", "letters/a.txt": "a", "letters/b.txt": "b", "letters/<script>alert(1)<": "hostile"}
	for name, text := range more {
		files[name] = text
	}
	for name, text := range files {
		s.write(t, name, text)
	}
	make := func(path string, body map[string]any) string {
		var made struct{ ID string }
		s.Owner.Post(t, path, body, &made)
		return made.ID
	}
	project := make("/projects", map[string]any{"name": "Fairwater Group"})
	s.source = make("/sources", map[string]any{"project": project, "name": "Shared files on atlas", "kind": "files", "settings": map[string]string{"paths": s.folder}})
	storage := make("/storages", map[string]any{"project": project, "name": "disk", "location": filepath.Join(t.TempDir(), "store")})
	repository := make("/repositories", map[string]any{"project": project, "name": "main", "storage": storage})
	plan := make("/plans", map[string]any{"project": project, "name": "nightly", "sources": []string{s.source}, "repositories": []string{repository}, "verify": "none"})
	s.backup(t, plan)
	s.write(t, "finance/Budget Q4.csv", "q4, corrected")
	s.write(t, "letters/c.txt", "c")
	s.newest = s.backup(t, plan)
	s.catalogued(t)
	return s
}

func (s *stock) path(name string) string { return filepath.Join(s.folder, name) }

func (s *stock) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (s *stock) read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// backup runs a plan and returns the id of the snapshot.
func (s *stock) backup(t *testing.T, plan string) string {
	t.Helper()
	var run struct{ ID, State string }
	s.Owner.Post(t, "/plans/"+plan+"/start", nil, &run)
	for range 600 {
		if s.Owner.Get(t, "/runs/"+run.ID, &run); run.State == "succeeded" {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	var list struct{ Items []struct{ ID string } }
	if s.Owner.Get(t, "/snapshots?run="+run.ID, &list); len(list.Items) != 1 {
		t.Fatalf("a backup that is %s made %d snapshots", run.State, len(list.Items))
	}
	return list.Items[0].ID
}

// catalogued waits until a search knows the newest snapshot.
func (s *stock) catalogued(t *testing.T) {
	t.Helper()
	for range 600 {
		var found struct{ Items []struct{ Path string } }
		if s.Owner.Get(t, "/search?text=c.txt", &found); len(found.Items) > 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the catalogue never knows the newest snapshot")
}

// open is a tab of the owner. What is downloaded comes into a folder.
func (s *stock) open(t *testing.T) (p *pages.Page, downloads string) {
	t.Helper()
	p, downloads = pages.Start(t, s.URL), t.TempDir()
	p.SignIn(s.Owner.Cookies(t))
	tab, err := chromedp.Call(p.Context(), target.GetTargetInfo, target.GetTargetInfoParams{})
	if err == nil {
		_, err = chromedp.Call(p.Context(), browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, BrowserContextID: tab.TargetInfo.BrowserContextID, DownloadPath: downloads})
	}
	if err != nil {
		t.Fatal(err)
	}
	return p, downloads
}

// downloaded waits for the one file in a folder to be whole.
func downloaded(t *testing.T, folder string) string {
	t.Helper()
	for range 300 {
		files, err := filepath.Glob(filepath.Join(folder, "*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 1 && !strings.HasSuffix(files[0], ".crdownload") {
			return files[0]
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("nothing was downloaded to %s", folder)
	return ""
}

func TestAFileThatASearchFindsIsRestored(t *testing.T) {
	t.Parallel()
	s := newStock(t, nil)
	p, _ := s.open(t)
	to := filepath.Join(t.TempDir(), "back")
	p.Open("/restore")
	p.WaitText("What do you need back?")
	p.Everywhere()
	p.Screenshot("start")
	p.Fill("Name of a file or folder", "budget q4")
	p.Click("Find it")
	p.WaitText("Budget Q4.csv")
	p.Everywhere()
	p.Screenshot("search")
	p.Click("Budget Q4.csv")
	p.WaitText("All versions", "Last changed")
	p.Everywhere()
	p.Screenshot("file")
	p.Click("Restore it")
	p.WaitText("Where should it go?")
	p.Everywhere()
	p.Screenshot("where")
	p.Choose("Where to", "To another folder of the server")
	p.Fill("Folder on the server", to)
	p.Click("Show what would change")
	p.WaitText("Nothing has been changed yet")
	if _, err := os.Stat(to); err == nil {
		t.Error("the plan has made its target")
	}
	p.Everywhere()
	p.Screenshot("plan")
	p.Click(button(p, "Restore "))
	p.WaitText("are back")
	p.Everywhere()
	p.Screenshot("done")
	if got, want := s.read(t, filepath.Join(to, s.path("finance/Budget Q4.csv"))), s.read(t, s.path("finance/Budget Q4.csv")); got != want {
		t.Errorf("restored %q, want %q", got, want)
	}
	if _, err := os.Stat(filepath.Join(to, s.path("letters"))); err == nil {
		t.Error("more was restored than was chosen")
	}
}

func TestARestoreOverTheOriginalIsDecidedFileByFile(t *testing.T) {
	t.Parallel()
	s := newStock(t, nil)
	p, _ := s.open(t)
	s.write(t, "letters/a.txt", "mine")
	s.write(t, "letters/b.txt", "mine, too")
	if err := os.Remove(s.path("letters/c.txt")); err != nil {
		t.Fatal(err)
	}
	p.Open("/restore?source=" + s.source)
	p.WaitText("Which version of Shared files on atlas?")
	p.Everywhere()
	p.Screenshot("points")
	p.Open("/snapshots/" + s.newest + "/files")
	p.Click("Select letters")
	p.WaitText("1 chosen")
	p.WaitText("4 files")
	p.Everywhere()
	p.Screenshot("files")
	p.Click("Restore these")
	p.WaitText("Where should it go?")
	p.Click("Show what would change")
	p.WaitText("Nothing has been changed yet", "3 files or folders differ")
	p.Everywhere()
	p.Screenshot("open")
	p.Choose("Decision for a.txt", "Overwrite")
	p.Choose("Decision for b.txt", "Keep what is there")
	p.Choose("Decision for letters", "Keep its times and rights")
	p.Click("Save decisions")
	p.WaitText("3 decisions saved.", "Restore 2 files")
	p.Screenshot("decided")
	p.Click("Restore 2 files")
	if p.HasText("Confirm that it is you") {
		p.Fill("Your password", servertest.Password)
		p.Click("Confirm")
	}
	p.WaitText("2 files and folders are back")
	for name, want := range map[string]string{"letters/a.txt": "a", "letters/b.txt": "mine, too", "letters/c.txt": "c"} {
		if got := s.read(t, s.path(name)); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestFoldersAreDownloadedByKeyboardAlone(t *testing.T) {
	t.Parallel()
	s := newStock(t, nil)
	p, downloads := s.open(t)
	p.Open("/snapshots/" + s.newest + "/files")
	p.TabTo("Select finance")
	p.Press("ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight")
	waitRow(t, p, "crane")
	p.Press("ArrowRight", "ArrowDown")
	waitRow(t, p, "README.txt")
	p.Press("ArrowLeft", "ArrowLeft", "Home", "l")
	waitRow(t, p, "letters")
	p.Press("Space", "End", "ArrowRight", "ArrowDown", "ArrowRight", "ArrowDown", "Space")
	p.WaitText("2 chosen")
	p.Screenshot("chosen")
	p.TabTo("ZIP")
	p.Press("Enter")
	if p.HasText("Confirm that it is you") {
		p.TabTo("Your password")
		p.Type(servertest.Password)
		p.Press("Enter")
	}
	unzipped(t, downloaded(t, downloads), map[string]string{"letters/a.txt": "a", "letters/b.txt": "b", "letters/c.txt": "c", "letters/<script>alert(1)<": "hostile", "projects/yard/notes.txt": "notes"}, s.folder)
}

// row is the name in the row of the tree that has the focus.
func row(p *pages.Page) (name string) {
	text := p.Evaluate(`document.activeElement.closest("tr")?.querySelector(".b-name")?.textContent ?? ""`)
	if err := json.Unmarshal([]byte(text), &name); err != nil {
		return text
	}
	return name
}

// waitRow waits until the focus is on a row of the tree.
func waitRow(t *testing.T, p *pages.Page, want string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if row(p) == want {
			return
		}
	}
	t.Fatalf("the focus is on %q, want %q", row(p), want)
}

// button is the name of the one that begins with some words and ends with what the plan counts.
func button(p *pages.Page, begin string) string {
	for _, name := range p.Names() {
		if strings.HasPrefix(name, begin) && strings.HasSuffix(name, "files and folders") {
			return name
		}
	}
	return begin
}

// unzipped compares an archive with the files that it is to hold, by their paths in a folder.
func unzipped(t *testing.T, file string, want map[string]string, folder string) {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }() // it was only read
	got := map[string]string{}
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if _, err := text.ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		name, _ := strings.CutPrefix("/"+f.Name, folder+"/")
		got[name] = text.String()
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s in the archive = %q, want %q", name, got[name], text)
		}
	}
	if len(got) != len(want) {
		t.Errorf("the archive holds %d files, want %d", len(got), len(want))
	}
}

func TestAPhoneRestoresAFile(t *testing.T) {
	t.Parallel()
	s := newStock(t, nil)
	p, _ := s.open(t)
	p.Size(360, 740)
	p.Touch(true)
	to := filepath.Join(t.TempDir(), "back")
	p.Open("/restore")
	p.Screenshot("start")
	p.Click("Shared files on atlas")
	p.WaitText("Which version")
	p.Screenshot("points")
	p.Open("/snapshots/" + s.newest + "/files")
	p.Click("Open projects")
	p.WaitText("crane")
	p.Click("Select crane")
	p.WaitText("1 chosen")
	p.Screenshot("files")
	p.Click("Restore these")
	p.WaitText("Where should it go?")
	p.Screenshot("where")
	p.Choose("Where to", "To another folder of the server")
	p.Fill("Folder on the server", to)
	p.Click("Show what would change")
	p.WaitText("Nothing has been changed yet")
	p.Screenshot("plan")
	p.Click(button(p, "Restore "))
	p.WaitText("are back")
	p.Screenshot("done")
	for _, name := range []string{"projects/crane/README.txt", "projects/crane/plan.png"} {
		if got, want := s.read(t, filepath.Join(to, s.path(name))), s.read(t, s.path(name)); got != want {
			t.Errorf("%s has %d bytes, want %d", name, len(got), len(want))
		}
	}
}

func TestALargeFolderIsQuickFromEndToEnd(t *testing.T) {
	t.Parallel()
	const many = 20_000
	more := map[string]string{}
	for i := range many {
		more[fmt.Sprintf("many/entry-%06d.txt", i)] = ""
	}
	s := newStock(t, more)
	p, _ := s.open(t)
	p.Size(1280, 800)
	p.Open("/snapshots/" + s.newest + "/files?dir=" + s.path("many"))
	p.TabTo("Select entry-000000")
	p.Press("End")
	waitRow(t, p, "entry-019999.txt")
	p.Press(strings.Split("entry-0123", "")...)
	waitRow(t, p, "entry-012300.txt")
	p.Press("ArrowUp", "Space", "Home", "ArrowDown", "Space")
	waitRow(t, p, "entry-000001.txt")
	p.WaitText("2 files chosen")
	rows := p.Evaluate(`[document.querySelectorAll("tr[data-at]").length, document.querySelector("tr[data-at]").getAttribute("aria-setsize"), document.activeElement.getAttribute("aria-posinset")]`)
	var n []any
	if err := json.Unmarshal([]byte(rows), &n); err != nil || n[0].(float64) > 2000 || n[1] != "20000" || n[2] != "2" {
		t.Errorf("rows, set and place = %s", rows)
	}
}
