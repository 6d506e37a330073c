package api_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
)

// backedUp is a project with a backup of a folder.
type backedUp struct {
	*servertest.Server
	folder                               string // what is backed up
	project, source, plan, repo, storage string
}

const hostile = "=cmd|' \"\r\nX-Evil: 1.txt"

// newBackedUp makes a project with one plan for a folder with files of several kinds.
func newBackedUp(t *testing.T, s *servertest.Server) *backedUp {
	t.Helper()
	w := &backedUp{Server: s, folder: filepath.Join(t.TempDir(), "data")}
	for name, text := range map[string]string{"a.txt": "first", "hr/pay.csv": "pay", "hr/deep/x.bin": strings.Repeat("0123456789", 200_000), "sales/s.txt": "sold", "sales/" + hostile: "evil", "empty": ""} {
		w.write(t, name, text)
	}
	w.project = w.make(t, "/projects", map[string]any{"name": "Shop"})
	w.source = w.make(t, "/sources", map[string]any{"project": w.project, "name": "ERP Data", "kind": "files", "settings": map[string]string{"paths": w.folder}})
	w.storage = w.make(t, "/storages", map[string]any{"project": w.project, "name": "disk", "location": filepath.Join(t.TempDir(), "store")})
	w.repo = w.make(t, "/repositories", map[string]any{"project": w.project, "name": "main", "storage": w.storage})
	w.plan = w.make(t, "/plans", map[string]any{"project": w.project, "name": "nightly", "sources": []string{w.source}, "repositories": []string{w.repo}, "verify": "none"})
	return w
}

func (w *backedUp) make(t *testing.T, path string, body map[string]any) string {
	t.Helper()
	var made struct{ ID string }
	w.Owner.Post(t, path, body, &made)
	return made.ID
}

func (w *backedUp) write(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(w.folder, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// backup runs the plan and returns the id of the snapshot.
func (w *backedUp) backup(t *testing.T) string {
	t.Helper()
	var run struct{ ID string }
	w.Owner.Post(t, "/plans/"+w.plan+"/start", nil, &run)
	w.wait(t, w.Owner, "/runs/"+run.ID, "succeeded")
	var list struct{ Items []struct{ ID string } }
	w.Owner.Get(t, "/snapshots?run="+run.ID, &list)
	if len(list.Items) != 1 {
		t.Fatalf("a backup made %d snapshots", len(list.Items))
	}
	return list.Items[0].ID
}

// wait asks until something has one of the states.
func (w *backedUp) wait(t *testing.T, c *servertest.Client, path string, states ...string) (state string) {
	t.Helper()
	for range 600 {
		var v struct {
			State   string
			Failure any
		}
		c.Get(t, path, &v)
		if slices.Contains(states, v.State) {
			return v.State
		}
		if slices.Contains([]string{"failed", "cancelled", "discarded", "warning"}, v.State) {
			t.Fatalf("%s is %s: %v", path, v.State, v.Failure)
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s never was %v", path, states)
	return ""
}

// content reads the files of a folder by their paths.
func content(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			text, rerr := os.ReadFile(filepath.Join(folder, name))
			files[name], err = string(text), rerr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func same(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s has %d files %.300q, want %d %.300q", what, len(got), slices.Sorted(maps.Keys(got)), len(want), slices.Sorted(maps.Keys(want)))
	}
}

func (w *backedUp) at(name string) string { return url.QueryEscape(filepath.Join(w.folder, name)) }

func TestASnapshotIsBrowsedFolderByFolder(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newBackedUp(t, s)
		id := w.backup(t)
		var names []string
		cursor := ""
		for {
			var page struct {
				Items []struct {
					Name, Path, Type string
					Size             int64
				}
				Next string
			}
			w.Owner.Get(t, "/snapshots/"+id+"/entries?limit=2&path="+w.at("")+"&cursor="+cursor, &page)
			for _, e := range page.Items {
				names = append(names, e.Name+" "+e.Type)
				if e.Name == "a.txt" && (e.Size != 5 || e.Path != filepath.Join(w.folder, "a.txt")) {
					t.Errorf("a.txt = %+v", e)
				}
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if want := []string{"a.txt file", "empty file", "hr dir", "sales dir"}; !slices.Equal(names, want) {
			t.Errorf("entries = %q, want %q", names, want)
		}
		w.Owner.Ask(t, "GET", "/snapshots/"+id+"/entries?path=/nowhere", nil).Refused(t, http.StatusNotFound, "not-found")
		var trail struct {
			Items []struct{ After struct{ Path string } }
		}
		w.Owner.Get(t, "/audit-events?action=snapshot.browsed", &trail)
		if len(trail.Items) != 2 || trail.Items[1].After.Path != w.folder {
			t.Errorf("the trail of browsing is %+v", trail.Items)
		}
	})
}

func TestAFileIsDownloadedAsItWas(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newBackedUp(t, s)
		id := w.backup(t)
		for name, want := range content(t, w.folder) {
			a := w.Owner.Ask(t, "GET", "/snapshots/"+id+"/content?path="+w.at(name), nil)
			if a.Status != http.StatusOK || string(a.Body) != want {
				t.Errorf("%q = %d with %d bytes, want %d", name, a.Status, len(a.Body), len(want))
			}
			kind, params, err := mime.ParseMediaType(a.Header.Get("Content-Disposition"))
			if err != nil || kind != "attachment" || strings.ContainsAny(params["filename"], "\r\n\"/|") || a.Header.Get("X-Evil") != "" {
				t.Errorf("%q is sent as %q, %v", name, a.Header.Get("Content-Disposition"), err)
			}
			if a.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "sandbox") || a.Header.Get("Content-Type") != "application/octet-stream" {
				t.Errorf("headers = %v", a.Header)
			}
		}
		w.Owner.Ask(t, "GET", "/snapshots/"+id+"/content?path="+w.at("hr"), nil).Refused(t, http.StatusUnprocessableEntity, "invalid")
		w.Owner.Ask(t, "GET", "/snapshots/"+id+"/content?path="+w.at("nowhere"), nil).Refused(t, http.StatusNotFound, "not-found")
		var trail struct{ Items []struct{ Result string } }
		w.Owner.Get(t, "/audit-events?action=snapshot.downloaded", &trail)
		if len(trail.Items) != len(content(t, w.folder)) {
			t.Errorf("%d downloads are in the trail", len(trail.Items))
		}
	})
}

func TestFoldersAreDownloadedAsArchives(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newBackedUp(t, s)
		id := w.backup(t)
		all := content(t, w.folder)
		zipped := w.Owner.Ask(t, "GET", "/snapshots/"+id+"/download?format=zip&path="+w.at(""), nil)
		same(t, "the zip", w.unzip(t, zipped.Body), all)
		tarred := w.Owner.Ask(t, "GET", "/snapshots/"+id+"/download?format=tar", nil)
		same(t, "the tar", w.untar(t, tarred.Body), all)
		two := w.Owner.Ask(t, "GET", "/snapshots/"+id+"/download?path="+w.at("a.txt")+"&path="+w.at("hr/deep"), nil)
		same(t, "two paths", w.unzip(t, two.Body), map[string]string{"a.txt": all["a.txt"], "hr/deep/x.bin": all["hr/deep/x.bin"]})
		w.Owner.Ask(t, "GET", "/snapshots/"+id+"/download?path=/nowhere", nil).Refused(t, http.StatusNotFound, "not-found")
		file := filepath.Join(t.TempDir(), "all.zip")
		if err := os.WriteFile(file, zipped.Body, 0o600); err != nil {
			t.Fatal(err)
		}
		program, err := exec.LookPath("unzip")
		if err != nil {
			t.Skip("archive/zip alone has read the archive; unzip is missing: apt-get install unzip")
		}
		if out, err := exec.CommandContext(t.Context(), program, "-t", file).CombinedOutput(); err != nil {
			t.Errorf("unzip -t: %v\n%s", err, out)
		}
	})
}

// unzip reads the files of an archive by their paths in the folder.
func (w *backedUp) unzip(t *testing.T, archive []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatalf("%v: %.200s", err, archive)
	}
	files := map[string]string{}
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix("/"+f.Name, w.folder+"/")] = string(text)
	}
	return files
}

// untar lets the program tar unpack an archive.
func (w *backedUp) untar(t *testing.T, archive []byte) map[string]string {
	t.Helper()
	if _, err := tar.NewReader(bytes.NewReader(archive)).Next(); err != nil {
		t.Fatalf("%v: %.200s", err, archive)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "tar", "-x", "-C", dir)
	cmd.Stdin = bytes.NewReader(archive)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	return content(t, filepath.Join(dir, w.folder))
}

func TestTwoSnapshotsAreCompared(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newBackedUp(t, s)
		before := w.backup(t)
		w.write(t, "a.txt", "second")
		w.write(t, "new", "new")
		if err := os.Remove(filepath.Join(w.folder, "empty")); err != nil {
			t.Fatal(err)
		}
		after := w.backup(t)
		var c struct {
			Items  []struct{ Path, Kind string }
			More   bool
			Counts map[string]int
		}
		w.Owner.Get(t, "/snapshots/"+before+"/diff/"+after+"?limit=2", &c)
		if len(c.Items) != 2 || !c.More || c.Items[0].Path != filepath.Join(w.folder, "a.txt") || !maps.Equal(c.Counts, map[string]int{"added": 1, "removed": 1, "modified": 1}) {
			t.Errorf("comparison = %+v", c)
		}
	})
}

func TestASnapshotIsDeletedUnlessItIsProtected(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newBackedUp(t, s)
		id := w.backup(t)
		w.Owner.Post(t, "/snapshots/"+id+"/protect", nil, nil)
		w.Owner.Ask(t, "DELETE", "/snapshots/"+id, nil).Refused(t, http.StatusConflict, "conflict")
		files := func() int {
			all, err := filepath.Glob(filepath.Join(filepath.Dir(w.folder), "..", "*", "store", "snapshots", "*"))
			if err != nil {
				t.Fatal(err)
			}
			return len(all)
		}
		if files() != 1 {
			t.Fatalf("the repository has %d snapshots", files())
		}
		w.Owner.Post(t, "/snapshots/"+id+"/unprotect", nil, nil)
		operator := s.Person(t, "Otto Operator", "operator", "/project/"+w.project)
		operator.Ask(t, "DELETE", "/snapshots/"+id, nil).Refused(t, http.StatusForbidden, "denied")
		w.Owner.Delete(t, "/snapshots/"+id)
		if files() != 0 {
			t.Errorf("the repository still has %d snapshots", files())
		}
		w.Owner.Ask(t, "GET", "/snapshots/"+id, nil).Refused(t, http.StatusNotFound, "not-found")
	})
}

func TestWhoMayNotReadSnapshotsSeesNothingOfThem(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newBackedUp(t, s)
		id := w.backup(t)
		paths := []string{"/entries", "/content?path=" + w.at("a.txt"), "/download", "/diff/" + id}
		viewer := s.Person(t, "Vera Viewer", "viewer", "/project/"+w.project)
		restorer := s.Person(t, "Rita Restorer", "restorer", "/project/"+w.project)
		other := s.Person(t, "Otto Other", "restorer", "/project/"+w.make(t, "/projects", map[string]any{"name": "Other"}))
		operator := s.Person(t, "Olga Operator", "operator", "/project/"+w.project)
		for _, path := range paths {
			path = "/snapshots/" + id + path
			viewer.Ask(t, "GET", path, nil).Refused(t, http.StatusForbidden, "denied")
			other.Ask(t, "GET", path, nil).Refused(t, http.StatusNotFound, "not-found")
			s.Client(t).Ask(t, "GET", path, nil).Refused(t, http.StatusUnauthorized, "sign-in")
			if a := restorer.Ask(t, "GET", path, nil); a.Status != http.StatusOK {
				t.Errorf("a restorer gets %d for %s: %.200s", a.Status, path, a.Body)
			}
		}
		operator.Get(t, "/snapshots/"+id+"/entries", nil)
		operator.Ask(t, "GET", "/snapshots/"+id+paths[1], nil).Refused(t, http.StatusForbidden, "denied")
	})
}

func TestAGrantOfAModuleShowsJustItsPaths(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newBackedUp(t, s)
		hr := w.make(t, "/modules", map[string]any{"project": w.project, "source": w.source, "name": "HR", "paths": []string{filepath.Join(w.folder, "hr")}})
		id := w.backup(t)
		module := "/project/" + w.project + "/source/" + w.source + "/module/" + hr
		anna := s.Person(t, "Anna HR", "restorer", module)
		var found struct{ Items []struct{ ID string } }
		anna.Get(t, "/modules/"+hr+"/snapshots", &found)
		if len(found.Items) != 1 || found.Items[0].ID != id {
			t.Errorf("a person of the module finds %+v", found.Items)
		}
		var page struct{ Items []struct{ Name string } }
		anna.Get(t, "/snapshots/"+id+"/entries?path="+w.at(""), &page)
		if len(page.Items) != 1 || page.Items[0].Name != "hr" {
			t.Errorf("a person of the module sees %+v", page.Items)
		}
		anna.Ask(t, "GET", "/snapshots/"+id+"/entries?path="+w.at("sales"), nil).Refused(t, http.StatusNotFound, "not-found")
		anna.Ask(t, "GET", "/snapshots/"+id+"/content?path="+w.at("a.txt"), nil).Refused(t, http.StatusNotFound, "not-found")
		hrOnly := map[string]string{"hr/pay.csv": "pay", "hr/deep/x.bin": content(t, w.folder)["hr/deep/x.bin"]}
		same(t, "the whole for a person of the module", w.unzip(t, anna.Ask(t, "GET", "/snapshots/"+id+"/download", nil).Body), hrOnly)

		var user struct{ ID string }
		rest := s.Person(t, "Rita Rest", "restorer", "/project/"+w.project)
		rest.Get(t, "/profile", &user)
		s.Owner.Post(t, "/grants", map[string]any{"subject_kind": "user", "subject": user.ID, "role": "restorer", "scope": module, "effect": "deny"}, nil)
		all := content(t, w.folder)
		maps.DeleteFunc(all, func(name, _ string) bool { return strings.HasPrefix(name, "hr/") })
		same(t, "the whole for a person who is denied the module", w.unzip(t, rest.Ask(t, "GET", "/snapshots/"+id+"/download", nil).Body), all)
	})
}

func TestADownloadOfADamagedRepositoryNamesWhatIsLost(t *testing.T) {
	s := servertest.Start(t, server.Options{}).Claim(t)
	w := newBackedUp(t, s)
	id := w.backup(t)
	all := content(t, w.folder)
	w.spoil(t)
	a := s.Owner.Ask(t, "GET", "/snapshots/"+id+"/download", nil)
	got := w.unzip(t, a.Body)
	if note := got["/NOT-COMPLETE.txt"]; !strings.Contains(note, w.folder) {
		t.Errorf("the archive of a damaged snapshot has %q and no note", slices.Sorted(maps.Keys(got)))
	}
	if maps.Equal(got, all) {
		t.Error("nothing was lost")
	}
	if file, err := s.Owner.Try(t, "/snapshots/"+id+"/content?path="+w.at("hr/deep/x.bin")); err == nil {
		t.Errorf("a file that can't be read was sent with %d bytes as if it were whole", len(file))
	}
}

// spoil changes bytes in all files of the repository that hold data. The server still has the folders in its cache.
func (w *backedUp) spoil(t *testing.T) {
	t.Helper()
	var storage struct{ Location string }
	w.Owner.Get(t, "/storages/"+w.storage, &storage)
	packs, err := filepath.Glob(filepath.Join(storage.Location, "data", "*", "*"))
	if err != nil || len(packs) == 0 {
		t.Fatalf("the repository has the packs %v, %v", packs, err)
	}
	for _, pack := range packs {
		text, err := os.ReadFile(pack)
		if err != nil {
			t.Fatal(err)
		}
		for i := range len(text) / 2 {
			text[i] ^= 0xff
		}
		if err := errors.Join(os.Chmod(pack, 0o600), os.WriteFile(pack, text, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}
