package api_test

import (
	"crypto/rand"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/secret"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/servers"
)

// databases are the two kinds of database, each as it is made anew.
var databases = map[string]func(t *testing.T) string{
	"SQLite": func(*testing.T) string { return "" }, "PostgreSQL": func(t *testing.T) string { return servers.Postgres(t) },
}

// serverCommands are those that a kit says of the server itself.
func serverCommands(kit string) string {
	_, lines, _ := strings.Cut(kit, "The server itself")
	lines, _, _ = strings.Cut(lines, "\n1. Repository")
	var script strings.Builder
	for line := range strings.Lines(lines) {
		if command, ok := strings.CutPrefix(line, "      "); ok {
			script.WriteString(command)
		}
	}
	return script.String()
}

// shell types a script into a shell, in a folder.
func shell(t *testing.T, dir, script, program string, env ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-e")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(script)
	cmd.Env = append([]string{"HOME=" + dir, "PATH=" + filepath.Dir(program) + ":/usr/bin:/bin"}, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// run waits for the end of the newest run of a kind, and returns it.
func (b *backed) run(t *testing.T, kind backstay.RunKind) backstay.Run {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(100 * time.Millisecond) {
		var list struct{ Items []backstay.Run }
		b.Owner.Get(t, "/runs?limit=1&sort=-created_at&kind="+string(kind), &list)
		if len(list.Items) == 1 && list.Items[0].State.Ended() {
			return list.Items[0]
		}
	}
	t.Fatalf("no run %s ends", kind)
	return backstay.Run{}
}

func (b *backed) backUpServer(t *testing.T) {
	t.Helper()
	b.Owner.Patch(t, "/settings", map[string]any{"backup_repository": b.repository}, nil)
	b.Owner.Post(t, "/settings/backups", nil, nil)
	if run := b.run(t, backstay.RunServer); run.State != backstay.Succeeded {
		t.Fatalf("the backup of the server is %s: %+v", run.State, run.Failure)
	}
	b.quiet(t)
}

// lostServer makes a server with all sorts of things, backs it up, goes on a little, and loses it. It returns what is left: a kit.
func lostServer(t *testing.T, database string) (b *backed, cloud, kit string) {
	t.Run("before", func(t2 *testing.T) {
		s := servertest.Start(t2, server.Options{Database: database}).Claim(t2)
		b = back(t, s, nil) // the source and the repository outlive the server
		cloud = b.made(t2, "/storages", map[string]any{"project": b.project, "name": "Cloud", "location": "s3:localhost/bucket", "settings": map[string]string{"access-key-id": "me", "secret-access-key": "hush-hush"}})
		s.Person(t2, "Vera Viewer", "viewer", "/project/"+b.project)
		for _, content := range []string{"first", "second"} {
			put(t2, filepath.Join(b.dir, "file"), content)
			b.backUp(t2)
		}
		s.Owner.Post(t2, "/snapshots/"+b.snapshots(t2)[0].ID+"/protect", nil, nil)
		b.first = b.snapshots(t2)[0].Handle
		b.backUpServer(t2)
		var list struct{ Items []struct{ Snapshot string } }
		if s.Owner.Get(t2, "/settings/backups", &list); len(list.Items) != 1 || len(list.Items[0].Snapshot) != 64 {
			t2.Errorf("backups = %+v", list)
		}
		if all := b.snapshots(t2); len(all) != 2 {
			t2.Errorf("the backup of the server is among the snapshots that people browse: %+v", all)
		}
		put(t2, filepath.Join(b.dir, "file"), "third")
		b.backUp(t2)
		s.Person(t2, "Lara Late", "viewer", "/")
		kit = string(s.Owner.Ask(t2, "POST", "/recovery-kit?format=txt", nil).Body)
	})
	if t.Failed() {
		t.FailNow()
	}
	return b, cloud, kit
}

func TestAServerIsMadeAgainFromItsBackup(t *testing.T) {
	program := builtProgram(t)
	for from, old := range databases {
		for to, fresh := range databases {
			if from == to && os.Getenv("BACKSTAY_SOAK") == "" { // then there is less that could go wrong
				continue
			}
			t.Run(from+" to "+to, func(t *testing.T) {
				b, cloud, kit := lostServer(t, old(t))
				dir, database := t.TempDir(), fresh(t)
				if out, err := shell(t, dir, serverCommands(kit), program, "BACKSTAY_DATABASE="+database); err != nil || !strings.Contains(out, "2 persons") && !strings.Contains(out, "2 people") {
					t.Fatalf("%v\n%s", err, out)
				}
				s := servertest.Start(t, server.Options{Data: filepath.Join(dir, "server"), Database: database})
				if s.ClaimCode() != "" {
					t.Error("the server is nobody's")
				}
				s.Owner, b.Server = s.Client(t), s
				s.Owner.Post(t, "/session", map[string]string{"email": "ada@example.org", "password": servertest.Password}, nil)
				s.Owner.Post(t, "/session/confirm", map[string]string{"password": servertest.Password}, nil)
				b.isBack(t, cloud)
				b.removesNothingUntilConfirmed(t)
			})
		}
	}
}

// isBack fails the test unless all is there that was in the backup, and what was made in the repository since.
func (b *backed) isBack(t *testing.T, cloud string) {
	t.Helper()
	b.run(t, backstay.RunCatalogue)
	var out struct{ Secrets map[string]string }
	if b.Owner.Get(t, "/storages/"+cloud+"/secrets", &out); out.Secrets["secret-access-key"] != "hush-hush" {
		t.Errorf("secrets = %v", out.Secrets)
	}
	var people struct{ Items []backstay.User }
	if b.Owner.Get(t, "/users?sort=name", &people); len(people.Items) != 2 || people.Items[1].Name != "Vera Viewer" {
		t.Errorf("people = %+v", people.Items)
	}
	vera := b.Client(t)
	vera.Post(t, "/session", map[string]string{"email": "vera.viewer@example.org", "password": servertest.Password}, nil)
	vera.Get(t, "/plans/"+b.plan, nil)
	vera.Ask(t, "POST", "/plans/"+b.plan+"/start", nil).Refused(t, http.StatusForbidden, "denied")
	var sessions struct{ Items []struct{ ID string } }
	if b.Owner.Get(t, "/sessions", &sessions); len(sessions.Items) != 1 {
		t.Errorf("there are %d sessions of the owner, want the one of now", len(sessions.Items))
	}
	var verdict struct {
		Good    bool
		Problem string
	}
	if b.Owner.Post(t, "/audit-events/verify", map[string]any{}, &verdict); !verdict.Good {
		t.Errorf("the audit trail: %+v", verdict)
	}
	if trail := b.Owner.Ask(t, "GET", "/audit-events?action=server.restored", nil).Body; strings.Count(string(trail), `"server.restored"`) != 1 {
		t.Errorf("the trail says of the restore %s", trail)
	}
	all := b.snapshots(t)
	if len(all) != 3 || !all[0].Protected || all[1].Protected || all[2].Plan != b.plan {
		t.Errorf("snapshots = %+v, want the first protected and the one that was made since", all)
	}
}

// removesNothingUntilConfirmed makes most snapshots superfluous.
func (b *backed) removesNothingUntilConfirmed(t *testing.T) {
	t.Helper()
	var clock struct{ Held, Person, Older bool }
	if b.Owner.Get(t, "/clock", &clock); !clock.Held || !clock.Person || !clock.Older {
		t.Errorf("clock = %+v", clock)
	}
	b.Owner.Patch(t, "/plans/"+b.plan, map[string]any{"retention": map[string]string{"last": "1"}}, nil)
	put(t, filepath.Join(b.dir, "file"), "fourth")
	b.Owner.Post(t, "/plans/"+b.plan+"/start", nil, nil)
	if run := b.run(t, backstay.RunBackup); run.State != backstay.Succeeded {
		t.Fatalf("the backup is %s: %+v", run.State, run.Failure)
	}
	time.Sleep(2 * time.Second)
	if all := b.snapshots(t); len(all) != 4 {
		t.Errorf("%d snapshots are left, want 4", len(all))
	}
	b.Owner.Post(t, "/clock/confirm", nil, nil)
	b.quiet(t)
	if all := b.snapshots(t); len(all) != 2 || !all[0].Protected {
		t.Errorf("once confirmed there are %+v, want the protected one and the last", all)
	}
	states := map[backstay.RunState]int{}
	for _, run := range b.quiet(t) {
		states[run.State]++
	}
	if states[backstay.RunFailed] > 0 {
		t.Errorf("runs = %v", states)
	}
}

func TestTheBackupOfTheServerIsRefusedWhereItMakesNoSense(t *testing.T) {
	program := builtProgram(t)
	b, _, kit := lostServer(t, "")
	commands := serverCommands(kit)
	for what, c := range map[string]struct {
		script, says string
		prepare      func(dir string)
	}{
		"without a key":       {strings.Replace(commands, "--key server-key.txt ", "", 1), "--key FILE", nil},
		"a folder in use":     {commands, "is not empty", func(dir string) { put(t, filepath.Join(dir, "server", "catalogue.db"), "x") }},
		"no such snapshot":    {strings.Replace(commands, "server restore", "server restore 00000000", 1), "backstay snapshots --tag", nil},
		"not of a server":     {strings.Replace(commands, "server restore", "server restore "+b.first, 1), "no backup of a server", nil},
		"a second time":       {commands + commands, "is not empty", nil},
		"the key twice":       {"export BACKSTAY_SECRET_KEY=" + keyOf(kit) + "\n" + commands, "given twice", nil},
		"a key of others":     {strings.ReplaceAll(commands, keyOf(kit), otherKey(t)), "recovery kit", nil},
		"a key that is shown": {strings.Replace(commands, "umask 077", "umask 022", 1), "chmod 600", nil},
	} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "server"), 0o700); err != nil {
			t.Fatal(err)
		}
		if c.prepare != nil {
			c.prepare(dir)
		}
		out, err := shell(t, dir, c.script, program)
		if err == nil || !strings.Contains(out, c.says) || !strings.Contains(out, "Hint:") && c.says != "chmod 600" || strings.Contains(out, keyOf(kit)) {
			t.Errorf("%s: %v\n%s", what, err, out)
		}
	}
}

func keyOf(kit string) string {
	words := strings.Fields(kit)
	return words[slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "bsk_") })]
}

func otherKey(t *testing.T) string {
	t.Helper()
	k, err := secret.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k.Text().Reveal()
}
