package api_test

import (
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/backstay/backstay/internal/server/servertest"
)

// trap is something on the server's own machine that nobody else shall reach through it.
type trap struct {
	address string
	hits    atomic.Int32
}

func newTrap(t *testing.T) *trap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &trap{address: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.hits.Add(1)
			_ = c.Close()
		}
	}()
	return p
}

type placed struct {
	ID       string
	Local    bool
	Location string
	Secrets  []string
}

// TestWhoEditsAPlaceDoesNotVouchForIt lets administrators of the server and of a project change what the other has made.
func TestWhoEditsAPlaceDoesNotVouchForIt(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w, hidden := newShop(t, s), newTrap(t)
		pat := s.Person(t, "Pat Project", "project-admin", "/project/"+w.project)
		for _, of := range []struct {
			noun string
			body map[string]any
		}{
			{"storages", map[string]any{"location": "rest:http://" + hidden.address + "/"}},
			{"sources", map[string]any{"kind": "remote", "settings": map[string]string{"location": "webdav:http://" + hidden.address + "/x"}}},
			{"channels", map[string]any{"kind": "webhook", "settings": map[string]string{"url": "http://" + hidden.address + "/", "secret": hookSecret}}},
		} {
			of.body["name"], of.body["project"] = "theirs", w.project
			var theirs placed
			pat.Post(t, "/"+of.noun, of.body, &theirs)
			s.Owner.Patch(t, "/"+of.noun+"/"+theirs.ID, map[string]any{"name": "renamed"}, &theirs)
			if theirs.Local {
				t.Errorf("%s: the owner gave it another name, and it may use the machine of the server", of.noun)
			}
			for _, who := range []*servertest.Client{pat, s.Owner} {
				if got := who.Ask(t, http.MethodPost, "/"+of.noun+"/"+theirs.ID+"/test", nil); got.Status < 400 {
					t.Errorf("%s: a test = %d %s", of.noun, got.Status, got.Body)
				}
			}
		}
		if n := hidden.hits.Load(); n != 0 {
			t.Errorf("the server's own machine was reached %d times", n)
		}
	})
}

// TestWhatAnAdministratorMadeStaysWhereItIs lets somebody of the project give it another name, and another place.
func TestWhatAnAdministratorMadeStaysWhereItIs(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w, hidden := newShop(t, s), newTrap(t)
		pat := s.Person(t, "Pat Project", "project-admin", "/project/"+w.project)
		var storages, sources struct{ Items []placed }
		s.Owner.Get(t, "/storages?project="+w.project, &storages)
		s.Owner.Get(t, "/sources?project="+w.project, &sources)
		disk, files := storages.Items[0].ID, sources.Items[0].ID
		for _, path := range []string{"/storages/" + disk, "/sources/" + files} {
			var kept placed
			if pat.Patch(t, path, map[string]any{"name": "Renamed by Pat"}, &kept); !kept.Local {
				t.Errorf("%s may not use the machine any more, since somebody gave it another name", path)
			}
			pat.Post(t, path+"/test", nil, nil)
		}
		if r := w.start(t); r.State != "succeeded" {
			t.Errorf("the backup = %+v", r)
		}
		pat.Ask(t, http.MethodPatch, "/storages/"+disk, map[string]any{"location": t.TempDir()}).Refused(t, http.StatusUnprocessableEntity, "invalid")
		pat.Ask(t, http.MethodPatch, "/sources/"+files, map[string]any{"settings": map[string]string{"paths": "/etc"}}).Refused(t, http.StatusForbidden, "denied")

		var far placed
		s.Owner.Post(t, "/storages", map[string]any{"name": "far", "project": w.project, "location": "rest:http://127.0.0.1:1/"}, &far)
		pat.Patch(t, "/storages/"+far.ID, map[string]any{"location": "rest:http://" + hidden.address + "/"}, &far)
		if got := pat.Ask(t, http.MethodPost, "/storages/"+far.ID+"/test", nil); far.Local || got.Status < 400 || hidden.hits.Load() != 0 {
			t.Errorf("what an administrator made, moved by somebody of the project: local %t, a test = %d %s, reached %d times", far.Local, got.Status, got.Body, hidden.hits.Load())
		}
		s.Owner.Patch(t, "/storages/"+disk, map[string]any{"location": w.repo}, &far)
		if !far.Local {
			t.Error("an administrator may not use the machine any more")
		}
	})
}

// TestSecretsOfAChannelAreSentToNoOtherPlace lets somebody who may change channels, but not see their secrets, point them elsewhere.
func TestSecretsOfAChannelAreSentToNoOtherPlace(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newShop(t, s)
		pat := s.Person(t, "Pat Project", "project-admin", "/project/"+w.project)
		make := func(kind string, settings map[string]string) string {
			var c placed
			s.Owner.Post(t, "/channels", map[string]any{"name": kind, "project": w.project, "kind": kind, "settings": settings}, &c)
			return "/channels/" + c.ID
		}
		change := func(path string, settings map[string]string) servertest.Answer {
			return pat.Ask(t, http.MethodPatch, path, map[string]any{"settings": settings})
		}
		mail := make("email", map[string]string{"host": "mail.example.org", "user": "u", "password": "hidden", "from": "a@example.org", "to": "b@example.org"})
		form := make("sms-form", map[string]string{"url": "https://sms.example.org/", "to": "1", "form": "text={text}", "user": "u", "password": "hidden"})
		twilio := make("sms-twilio", map[string]string{"account": "AC0123456789abcdef0123456789abcdef", "token": "hidden", "from": "+15551234567", "to": "+15557654321"})
		for path, settings := range map[string]map[string]string{mail: {"host": "evil.example.org"}, form: {"url": "https://evil.example.org/"}, twilio: {"url": "https://evil.example.org"}} {
			change(path, settings).Refused(t, http.StatusUnprocessableEntity, "invalid")
		}
		change(mail, map[string]string{"security": "none"}).Refused(t, http.StatusUnprocessableEntity, "invalid")
		for path, settings := range map[string]map[string]string{
			mail:   {"to": "c@example.org"},
			form:   {"password": "another"},
			twilio: {"url": "https://api.example.org", "token": "another"},
		} {
			if got := change(path, settings); got.Status != http.StatusOK {
				t.Errorf("%v = %d %s", settings, got.Status, got.Body)
			}
		}
		pat.Patch(t, mail, map[string]any{"name": "Mail"}, nil)
	})
}
