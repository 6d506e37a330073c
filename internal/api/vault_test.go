package api_test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/secret"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/servers"
)

// backed is a server with one plan, whose source has a file.
type backed struct {
	*servertest.Server
	project, storage, source, repository, plan string
	dir, location                              string // of the source and the repository
	first                                      string // what the repository calls a snapshot
}

func back(t *testing.T, s *servertest.Server, plan map[string]any) *backed {
	t.Helper()
	b := &backed{Server: s, dir: t.TempDir(), location: filepath.Join(t.TempDir(), "it's here")}
	put(t, filepath.Join(b.dir, "file"), "what is to be kept")
	b.project = b.made(t, "/projects", map[string]any{"name": "Home"})
	b.storage = b.made(t, "/storages", map[string]any{"project": b.project, "name": "Disk", "location": b.location})
	b.repository = b.made(t, "/repositories", map[string]any{"project": b.project, "name": "Main", "storage": b.storage, "path": "main"})
	b.source = b.made(t, "/sources", map[string]any{"project": b.project, "name": "Files", "kind": "files", "settings": map[string]string{"paths": b.dir}})
	all := map[string]any{"project": b.project, "name": "Nightly", "sources": []string{b.source}, "repositories": []string{b.repository}, "type": "incremental", "verify": "none"}
	for name, value := range plan {
		all[name] = value
	}
	b.plan = b.made(t, "/plans", all)
	b.location = filepath.Join(b.location, "main")
	return b
}

func (b *backed) made(t *testing.T, path string, body map[string]any) string {
	t.Helper()
	var v struct{ ID string }
	b.Owner.Post(t, path, body, &v)
	return v.ID
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// quiet waits until no run is at work or waits, and returns all runs, the oldest first.
func (b *backed) quiet(t *testing.T) []backstay.Run {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		var list struct{ Items []backstay.Run }
		b.Owner.Get(t, "/runs?limit=1000&sort=created_at", &list)
		over := true
		for _, run := range list.Items {
			over = over && run.State.Ended()
		}
		if over {
			return list.Items
		}
		if time.Since(begun) > 2*time.Minute {
			t.Fatalf("runs don't end: %+v", list.Items)
		}
	}
}

// backUp starts the plan and waits until all that follows is done. It returns the last run of a kind.
func (b *backed) backUp(t *testing.T) {
	t.Helper()
	b.Owner.Post(t, "/plans/"+b.plan+"/start", nil, nil)
	b.quiet(t)
}

func (b *backed) snapshots(t *testing.T) []backstay.Snapshot {
	t.Helper()
	var list struct{ Items []backstay.Snapshot }
	b.Owner.Get(t, "/snapshots?sort=time", &list)
	return list.Items
}

func (b *backed) password(t *testing.T) string {
	t.Helper()
	var out struct{ Password string }
	b.Owner.Get(t, "/repositories/"+b.repository+"/password", &out)
	return out.Password
}

func TestSecretsAreShownToThoseWhoMayOnly(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		b := back(t, s, nil)
		cloud := b.made(t, "/storages", map[string]any{"project": b.project, "name": "Cloud", "location": "s3:localhost/bucket", "settings": map[string]string{"access-key-id": "me", "secret-access-key": "hush-hush"}})
		var out struct{ Secrets map[string]string }
		s.Owner.Get(t, "/storages/"+cloud+"/secrets", &out)
		if out.Secrets["secret-access-key"] != "hush-hush" || len(out.Secrets) != 1 {
			t.Errorf("secrets = %v", out.Secrets)
		}
		s.Owner.Get(t, "/sources/"+b.source+"/secrets", &out)
		password := b.password(t)
		if len(password) < 20 {
			t.Errorf("password = %q", password)
		}
		operator := s.Person(t, "Otto Operator", "operator", "/project/"+b.project)
		stranger := s.Person(t, "Sue Stranger", "", "")
		for _, path := range []string{"/repositories/" + b.repository + "/password", "/storages/" + cloud + "/secrets"} {
			operator.Ask(t, "GET", path, nil).Refused(t, http.StatusForbidden, "denied")
			stranger.Ask(t, "GET", path, nil).Refused(t, http.StatusNotFound, "not-found")
		}
		trail := s.Owner.Ask(t, "GET", "/audit-events?limit=1000", nil).Body
		if n := strings.Count(string(trail), `"vault.revealed"`); n != 3 {
			t.Errorf("%d events of secrets that were shown, want 3", n)
		}
		if bytes.Contains(trail, []byte(password)) || bytes.Contains(trail, []byte("hush-hush")) || strings.Contains(s.Log(), password) {
			t.Error("the trail or the log shows a secret")
		}
		for _, path := range []string{"/repositories", "/storages"} {
			if list := s.Owner.Ask(t, "GET", path, nil).Body; bytes.Contains(list, []byte(password)) || bytes.Contains(list, []byte("hush-hush")) {
				t.Errorf("GET %s shows a secret", path)
			}
		}
	})
}

func TestTheRecoveryKitLeadsBackToTheFiles(t *testing.T) {
	theirs := resticbin.Newest(t)
	s := servertest.Start(t, server.Options{}).Claim(t)
	b := back(t, s, nil)
	b.backUp(t)
	var state struct {
		Version   int
		OutOfDate bool `json:"out_of_date"`
	}
	if s.Owner.Get(t, "/recovery-kit", &state); state.Version != 0 || !state.OutOfDate {
		t.Errorf("before there is a kit it is %+v", state)
	}
	text := s.Owner.Ask(t, "POST", "/recovery-kit?format=txt", nil)
	page := s.Owner.Ask(t, "POST", "/recovery-kit", nil)
	if s.Owner.Get(t, "/recovery-kit", &state); state.Version != 2 || state.OutOfDate {
		t.Errorf("with a kit it is %+v", state)
	}
	if !bytes.Contains(page.Body, []byte(b.password(t))) || bytes.Contains(page.Body, []byte("<script")) || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
		t.Errorf("page = %s", page.Body)
	}
	b.made(t, "/repositories", map[string]any{"project": b.project, "name": "Second", "storage": b.storage, "path": "second"})
	if s.Owner.Get(t, "/recovery-kit", &state); !state.OutOfDate {
		t.Error("the kit is up to date though there is a repository more")
	}
	for _, program := range []string{theirs.Path, builtProgram(t)} {
		follow(t, string(text.Body), program)
	}
	viewer := s.Person(t, "Vera Viewer", "viewer", "/")
	viewer.Ask(t, "POST", "/recovery-kit", nil).Refused(t, http.StatusForbidden, "denied")
}

// follow types what a kit says into a shell, for one program, and looks whether the file is back.
func follow(t *testing.T, kit, program string) {
	t.Helper()
	name := filepath.Base(program)
	_, lines, _ := strings.Cut(kit, "In a terminal, with restic")
	if name == "backstay" {
		_, lines, _ = strings.Cut(kit, "Or with backstay")
	}
	var script strings.Builder
	for line := range strings.Lines(lines) {
		if command, ok := strings.CutPrefix(line, "      "); ok {
			script.WriteString(command)
		} else if script.Len() > 0 && strings.TrimSpace(line) != "" {
			break
		}
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "sh", "-e")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(script.String())
	cmd.Env = []string{"HOME=" + dir, "PATH=" + filepath.Dir(program) + ":/usr/bin:/bin"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s\n%s", name, err, script.String(), out)
	}
	found := false
	_ = filepath.WalkDir(filepath.Join(dir, "restored"), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Name() == "file" {
			content, err := os.ReadFile(path)
			found = err == nil && string(content) == "what is to be kept"
		}
		return nil
	})
	if !found {
		t.Errorf("with %s the file is not back", name)
	}
}

// builtProgram builds backstay.
func builtProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backstay")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-C", "../../cmd/backstay", "-o", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

func TestALostDatabaseIsMadeAgainFromItsRepositories(t *testing.T) {
	for name, database := range map[string]func(t *testing.T) string{
		"SQLite": func(*testing.T) string { return "" }, "PostgreSQL": func(t *testing.T) string { return servers.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			lost := back(t, servertest.Start(t, server.Options{}).Claim(t), nil)
			for _, content := range []string{"first", "second", "third"} {
				put(t, filepath.Join(lost.dir, "file"), content)
				lost.backUp(t)
			}
			want, password := lost.snapshots(t), lost.password(t)

			s := servertest.Start(t, server.Options{Database: database(t)}).Claim(t)
			again := &backed{Server: s}
			again.project = again.made(t, "/projects", map[string]any{"name": "Again"})
			again.storage = again.made(t, "/storages", map[string]any{"project": again.project, "name": "Disk", "location": lost.location})
			again.repository = again.made(t, "/repositories", map[string]any{"project": again.project, "name": "Found", "storage": again.storage, "adopt": true, "password": password})
			s.Owner.Post(t, "/repositories/"+again.repository+"/scan", nil, nil)
			again.quiet(t)
			got := again.snapshots(t)
			if len(got) != 3 || len(want) != 3 {
				t.Fatalf("%d snapshots are back of %d", len(got), len(want))
			}
			for i, g := range got {
				w := want[i]
				if g.Handle != w.Handle || g.Original != w.Original || !g.Time.Equal(w.Time) || g.Host != w.Host || strings.Join(g.Paths, " ") != strings.Join(w.Paths, " ") ||
					g.Type != w.Type || g.Files != w.Files || g.Bytes != w.Bytes || g.Added != w.Added {
					t.Errorf("snapshot %d = %+v, was %+v", i, g, w)
				}
			}
		})
	}
}

func TestTheKeyOfTheServerIsReplaced(t *testing.T) {
	data := filepath.Join(t.TempDir(), "server")
	var password string
	var b *backed
	t.Run("before", func(t *testing.T) {
		b = back(t, servertest.Start(t, server.Options{Data: data}).Claim(t), nil)
		password = b.password(t)
	})
	again := func(name string, opt server.Options) {
		t.Run(name, func(t *testing.T) {
			opt.Data = data
			s := servertest.Start(t, opt)
			c := s.Client(t)
			c.Post(t, "/session", map[string]string{"email": "ada@example.org", "password": servertest.Password}, nil)
			c.Post(t, "/session/confirm", map[string]string{"password": servertest.Password}, nil)
			s.Owner, b.Server = c, s
			if got := b.password(t); got != password {
				t.Errorf("password = %q, want %q", got, password)
			}
		})
	}
	file := filepath.Join(data, "secret.key")
	again("rotated", server.Options{Rotate: true})
	ring, err := secret.LoadFile(file)
	if err != nil || len(ring.Keys()) != 2 {
		t.Fatalf("keys = %v, %v", ring, err)
	}
	if err := secret.NewRing(ring.Current()).SaveFile(file); err != nil { // the old one goes
		t.Fatal(err)
	}
	again("with the new key alone", server.Options{})
}
