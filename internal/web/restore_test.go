package web_test

import (
	"archive/zip"
	"bytes"
	"image"
	"image/png"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/server/servertest"
)

// kept is a project with a backup of a folder.
type kept struct {
	*servertest.Server
	folder, project, source, snapshot string
}

// newKept makes one, with some names that would do harm if a page took them for more than names.
func newKept(t *testing.T, s *servertest.Server) *kept {
	t.Helper()
	k := &kept{Server: s, folder: filepath.Join(t.TempDir(), "data")}
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"a.txt": "first <b>line</b>\n", "hr/pay.csv": "pay", "sales/s.txt": "sold", "plan.png": picture.String(), "raw.bin": "\x00\x01\x02\x03", "odd/" + script: "x", "odd/new\nline": "x",
		"odd/bad\xff\xfe.txt": "not text", "odd/\u202etxt.exe": "x", "page.html": "<script>alert(1)</script>"} {
		k.write(t, name, text)
	}
	k.project = k.make(t, "/projects", map[string]any{"name": "Shop"})
	k.source = k.make(t, "/sources", map[string]any{"project": k.project, "name": "ERP Data", "kind": "files", "settings": map[string]string{"paths": k.folder}})
	storage := k.make(t, "/storages", map[string]any{"project": k.project, "name": "disk", "location": filepath.Join(t.TempDir(), "store")})
	repository := k.make(t, "/repositories", map[string]any{"project": k.project, "name": "main", "storage": storage})
	plan := k.make(t, "/plans", map[string]any{"project": k.project, "name": "nightly", "sources": []string{k.source}, "repositories": []string{repository}, "verify": "none"})
	k.snapshot = k.backup(t, plan)
	return k
}

const script = `<script>alert("1")<`

func (k *kept) make(t *testing.T, path string, body map[string]any) string {
	t.Helper()
	var made struct{ ID string }
	k.Owner.Post(t, path, body, &made)
	return made.ID
}

func (k *kept) write(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(k.folder, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (k *kept) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(k.folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (k *kept) backup(t *testing.T, plan string) string {
	t.Helper()
	var run struct{ ID, State string }
	k.Owner.Post(t, "/plans/"+plan+"/start", nil, &run)
	for range 600 {
		if k.Owner.Get(t, "/runs/"+run.ID, &run); run.State == "succeeded" {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	var list struct{ Items []struct{ ID string } }
	if k.Owner.Get(t, "/snapshots?run="+run.ID, &list); len(list.Items) != 1 {
		t.Fatalf("a backup that is %s made %d snapshots", run.State, len(list.Items))
	}
	return list.Items[0].ID
}

// at is a path of the folder as links have it, and coded as forms have it.
func (k *kept) at(name string) string    { return url.QueryEscape(filepath.Join(k.folder, name)) }
func (k *kept) coded(name string) string { return url.QueryEscape(filepath.Join(k.folder, name)) }

// planned plans a restore by the form, and returns the address of its page once it is planned.
func (k *kept) planned(t *testing.T, c *servertest.Client, form url.Values) string {
	t.Helper()
	to := send(t, c, "/restores", form)
	for range 600 {
		if strings.Contains(page(t, c, to), "Nothing has been changed yet") {
			return to
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s is never planned", to)
	return ""
}

// version is the one that a page's forms send.
func version(t *testing.T, page string) string {
	t.Helper()
	_, rest, _ := strings.Cut(page, `name="version" value="`)
	v, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatal("the page has no version")
	}
	return v
}

func TestFoldersAreBrowsedWithHostileNames(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		k := newKept(t, s)
		files := "/snapshots/" + k.snapshot + "/files"
		has(t, page(t, s.Owner, files), "a.txt", "hr", `role="treegrid"`, `aria-setsize="7"`, "Restore these", "ZIP")
		odd := page(t, s.Owner, files+"?dir="+k.at("odd"))
		has(t, odd, "&lt;script&gt;", "new\u240aline", "bad\uFFFD.txt", "\uFFFDtxt.exe", "%FF%FE")
		hasNot(t, odd, script, "\u202e")
		for _, name := range []string{"odd/" + script, "odd/new\nline", "odd/bad\xff\xfe.txt"} {
			if a := s.Owner.Page(t, http.MethodPost, "/snapshots/"+k.snapshot+"/content", url.Values{"at": {k.coded(name)}}); a.Status != http.StatusOK || string(a.Body) != k.read(t, name) {
				t.Errorf("%q = %d %q", name, a.Status, a.Body)
			}
			if a := s.Owner.Page(t, http.MethodGet, "/snapshots/"+k.snapshot+"/file?path="+k.at(name), nil); a.Status != http.StatusOK {
				t.Errorf("the page of %q = %d", name, a.Status)
			}
		}
		rows := s.Owner.Page(t, http.MethodGet, "/snapshots/"+k.snapshot+"/rows?level=2&from=1&limit=1&dir="+k.at("odd"), nil)
		if text := string(rows.Body); rows.Status != http.StatusOK || strings.Count(text, "<tr") != 1 || !strings.Contains(text, `aria-level="2" aria-setsize="4" aria-posinset="2"`) {
			t.Errorf("rows = %d %s", rows.Status, text)
		}
		if a := s.Owner.Page(t, http.MethodGet, files+"?dir=/../../etc", nil); a.Status != http.StatusNotFound {
			t.Errorf("a folder outside = %d", a.Status)
		}
		size := s.Owner.Page(t, http.MethodPost, "/snapshots/"+k.snapshot+"/size", url.Values{"at": {k.coded("hr"), k.coded("sales")}})
		if string(size.Body) != "2\u00a0files, 7\u00a0B" {
			t.Errorf("size = %q", size.Body)
		}
	})
}

func TestAFileIsShownAsTextOrImageAndNeverRun(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		k := newKept(t, s)
		at := "/snapshots/" + k.snapshot
		has(t, page(t, s.Owner, at+"/file?path="+k.at("a.txt")), "first &lt;b&gt;line&lt;/b&gt;", "What is in it", "All versions")
		has(t, page(t, s.Owner, at+"/file?path="+k.at("page.html")), "&lt;script&gt;alert(1)")
		has(t, page(t, s.Owner, at+"/file?path="+k.at("raw.bin")), "neither text nor an image")
		has(t, page(t, s.Owner, at+"/file?path="+k.at("plan.png")), at+"/image?path=")
		a := s.Owner.Page(t, http.MethodGet, at+"/image?path="+k.at("plan.png"), nil)
		if a.Status != http.StatusOK || a.Header.Get("Content-Type") != "image/png" || a.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "sandbox") || string(a.Body) != k.read(t, "plan.png") {
			t.Errorf("image = %d %v", a.Status, a.Header)
		}
		if a := s.Owner.Page(t, http.MethodGet, at+"/image?path="+k.at("page.html"), nil); a.Status != http.StatusNotFound {
			t.Errorf("a page as an image = %d", a.Status)
		}
	})
}

func TestAnArchiveOfWhatIsChosenIsDownloaded(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		k := newKept(t, s)
		a := s.Owner.Page(t, http.MethodPost, "/snapshots/"+k.snapshot+"/download", url.Values{"format": {"zip"}, "dir": {k.coded("")}, "at": {k.coded("hr"), k.coded("a.txt")}})
		z, err := zip.NewReader(bytes.NewReader(a.Body), int64(len(a.Body)))
		if err != nil || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment") {
			t.Fatalf("download = %d %v: %v", a.Status, a.Header, err)
		}
		var names []string
		for _, f := range z.File {
			if !f.FileInfo().IsDir() {
				names = append(names, filepath.Base(f.Name))
			}
		}
		if got := strings.Join(names, " "); got != "a.txt pay.csv" {
			t.Errorf("the archive holds %q", got)
		}
		if a := s.Owner.Page(t, http.MethodPost, "/snapshots/"+k.snapshot+"/download", url.Values{"format": {"exe"}, "at": {k.coded("hr")}}); a.Status != http.StatusUnprocessableEntity {
			t.Errorf("an unknown format = %d", a.Status)
		}
	})
}

func TestARestoreIsPlannedDecidedAndAppliedByForms(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		k := newKept(t, s)
		k.write(t, "a.txt", "mine")
		k.write(t, "hr/pay.csv", "mine, too")
		form := page(t, s.Owner, "/restore/new?snapshot="+k.snapshot+"&path="+k.at("a.txt"))
		has(t, form, "Where should it go?", `value="original" checked`, "To another folder of the server", "Download it")
		to := k.planned(t, s.Owner, url.Values{"snapshot": {k.snapshot}, "target": {"original"}, "conflicts": {"ask"}, "at": {k.coded("a.txt"), k.coded("hr/pay.csv")}})
		plan := page(t, s.Owner, to)
		has(t, plan, "2\u00a0files or folders differ", "Decision for a.txt", "Before it starts", "Decide the 2\u00a0open ones")
		hasNot(t, plan, to+"/apply")
		has(t, page(t, s.Owner, to+"?show=conflict&search=PAY"), "pay.csv")
		hasNot(t, page(t, s.Owner, to+"?show=conflict&search=PAY"), "Decision for a.txt")
		rel := func(name string) string {
			return url.QueryEscape(strings.TrimPrefix(filepath.Join(k.folder, name), "/"))
		}
		send(t, s.Owner, to+"/decide", url.Values{"version": {version(t, plan)}, "decision": {"overwrite " + rel("a.txt"), "skip " + rel("hr/pay.csv"), ""}})
		if a := s.Owner.Page(t, http.MethodPost, to+"/apply", url.Values{"version": {version(t, plan)}}); a.Status != http.StatusConflict {
			t.Errorf("applying what was seen before = %d", a.Status)
		}
		decided := page(t, s.Owner, to)
		has(t, decided, "Restore 1\u00a0file or folder")
		send(t, s.Owner, to+"/apply", url.Values{"version": {version(t, decided)}})
		for range 600 {
			if strings.Contains(page(t, s.Owner, to), "is back") {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		has(t, page(t, s.Owner, to+"?show="), "is back", "Overwritten", "Report as table (CSV)")
		if k.read(t, "a.txt") != "first <b>line</b>\n" || k.read(t, "hr/pay.csv") != "mine, too" {
			t.Errorf("a.txt = %q, pay.csv = %q", k.read(t, "a.txt"), k.read(t, "hr/pay.csv"))
		}
		report := s.Owner.Page(t, http.MethodGet, to+"/report?format=csv", nil)
		if !strings.Contains(string(report.Body), "overwrite") || !strings.HasPrefix(report.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("report = %d %s", report.Status, report.Body)
		}
		has(t, page(t, s.Owner, "/restores"), "ERP Data", "Done", "Its place")
	})
}

func TestARestoreIsRefusedWithItsReason(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		k := newKept(t, s)
		for want, form := range map[string]url.Values{
			"is not absolute and clean": {"target": {"folder"}, "folder": {"relative"}},
			"own data":                  {"target": {"folder"}, "folder": {filepath.Join(s.Data, "x")}},
			"is no text":                {"target": {"original"}, "at": {k.coded("odd/bad\xff\xfe.txt")}},
		} {
			form.Set("snapshot", k.snapshot)
			form.Set("conflicts", "ask")
			a := s.Owner.Page(t, http.MethodPost, "/restores", form)
			if a.Status != http.StatusUnprocessableEntity {
				t.Errorf("%s: %d", want, a.Status)
			}
			has(t, string(a.Body), want, "Where should it go?")
		}
		operator := s.Person(t, "Olga Operator", "operator", "/project/"+k.project)
		form := page(t, operator, "/restore/new?snapshot="+k.snapshot)
		has(t, form, "You may not restore over the original", "You may not restore to another place", "You may not read and download")
		files := page(t, operator, "/snapshots/"+k.snapshot+"/files")
		hasNot(t, files, "ZIP", "Restore these")
		if a := operator.Page(t, http.MethodPost, "/snapshots/"+k.snapshot+"/content", url.Values{"at": {k.coded("a.txt")}}); a.Status != http.StatusForbidden {
			t.Errorf("a download without the right = %d", a.Status)
		}
		to := k.planned(t, operator, url.Values{"snapshot": {k.snapshot}, "target": {"original"}, "conflicts": {"overwrite"}, "at": {k.coded("hr")}})
		has(t, page(t, operator, to), "have it done:")
		hasNot(t, page(t, operator, to), to+"/apply")
		if a := operator.Page(t, http.MethodPost, to+"/apply", url.Values{}); a.Status != http.StatusForbidden {
			t.Errorf("applying over the original without the right = %d", a.Status)
		}
		other := s.Person(t, "Otto Other", "restorer", "/project/"+k.make(t, "/projects", map[string]any{"name": "Other"}))
		for _, path := range []string{"/snapshots/" + k.snapshot + "/files", "/snapshots/" + k.snapshot + "/file?path=" + k.at("a.txt"), "/restore?source=" + k.source, to, "/restore/new?snapshot=" + k.snapshot} {
			if a := other.Page(t, http.MethodGet, path, nil); a.Status != http.StatusNotFound {
				t.Errorf("%s for somebody else = %d", path, a.Status)
			}
		}
	})
}

func TestWhatIsDeniedInAModuleDoesNotShow(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		k := newKept(t, s)
		hr := k.make(t, "/modules", map[string]any{"project": k.project, "source": k.source, "name": "HR", "paths": []string{filepath.Join(k.folder, "hr")}})
		anna := s.Person(t, "Anna HR", "restorer", "/project/"+k.project+"/source/"+k.source+"/module/"+hr)
		has(t, page(t, anna, "/restore"), "Or choose a module", "HR")
		has(t, page(t, anna, "/restore?module="+hr), "/snapshots/"+k.snapshot+"/files")
		files := page(t, anna, "/snapshots/"+k.snapshot+"/files?dir="+k.at(""))
		has(t, files, ">hr<", `aria-setsize="1"`)
		hasNot(t, files, "a.txt", "sales")
		if a := anna.Page(t, http.MethodGet, "/snapshots/"+k.snapshot+"/file?path="+k.at("a.txt"), nil); a.Status != http.StatusNotFound {
			t.Errorf("a file of others = %d", a.Status)
		}
		has(t, page(t, anna, "/snapshots/"+k.snapshot+"/file?path="+k.at("hr/pay.csv")), "pay", "Restore it")
	})
}

func TestASearchFindsNounsAndFiles(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		k := newKept(t, s)
		found := ""
		for range 600 {
			if found = page(t, s.Owner, "/search?q=PAY.c"); strings.Contains(found, "pay.csv") {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		has(t, found, "pay.csv", "ERP Data", "/restore/file?")
		_, rest, _ := strings.Cut(found, `href="/restore/file?`)
		link, _, _ := strings.Cut(rest, `"`)
		a := s.Owner.Page(t, http.MethodGet, "/restore/file?"+strings.ReplaceAll(link, "&amp;", "&"), nil)
		if want := "/snapshots/" + k.snapshot + "/file?path=" + k.at("hr/pay.csv"); a.Header.Get("Location") != want {
			t.Errorf("the link leads to %q, want %q", a.Header.Get("Location"), want)
		}
		has(t, page(t, s.Owner, a.Header.Get("Location")), "This version")
		has(t, page(t, s.Owner, "/search?q=erp"), "/sources/"+k.source)
		has(t, page(t, s.Owner, "/search?q=nightly"), "Plans")
		has(t, page(t, s.Owner, "/search?q=no+such+thing"), "Nothing is called so")
		other := s.Person(t, "Otto Other", "restorer", "/project/"+k.make(t, "/projects", map[string]any{"name": "Other"}))
		hasNot(t, page(t, other, "/search?q=pay.c"), "pay.csv")
	})
}
