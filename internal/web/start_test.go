package web_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/server/servertest"
)

func TestTheWayToAFirstBackupGoesOnWhereItWasLeft(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		docs, vault := filepath.Join(t.TempDir(), "docs"), filepath.Join(t.TempDir(), "vault")
		if err := os.MkdirAll(docs, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(docs, "letter.txt"), []byte("Dear all"), 0o600); err != nil {
			t.Fatal(err)
		}
		next := func(want string) {
			t.Helper()
			if to := c.Page(t, http.MethodGet, "/start", nil).Header.Get("Location"); to != "/start/"+want {
				t.Fatalf("/start leads to %q, want %s", to, want)
			}
		}
		next("source")
		form := page(t, c, "/start/source")
		has(t, form, "Step 1 of 5", "What do you want to protect?", "Folders and files")
		if to := c.Page(t, http.MethodGet, "/start/plan", nil).Header.Get("Location"); to != "/start/source" {
			t.Errorf("a step that is too far ahead leads to %q", to)
		}
		source := url.Values{"name": {"Letters"}, "kind": {"files"}, "settings.paths": {docs + "/none"}, "project": {between(t, form, `name="project" value="`, `"`)}}
		broken := c.Page(t, http.MethodPost, "/start/source", source)
		has(t, string(broken.Body), "It is saved, but it can&#39;t be read.", "Go on anyway")
		source.Set("settings.paths", docs)
		send(t, c, "/start/source", source)
		next("storage")
		has(t, page(t, c, "/start/source"), `value="Letters"`, docs)

		form = page(t, c, "/start/storage")
		send(t, c, "/start/storage", url.Values{"name": {"Cellar"}, "kind": {"local"}, "location": {vault}, "project": {between(t, form, `name="project" value="`, `"`)}})
		next("encryption")
		has(t, page(t, c, "/start/encryption"), "Backups in Cellar", "can be used")
		send(t, c, "/start/encryption", url.Values{"name": {"Main"}, "path": {"main"}})
		next("encryption")
		has(t, page(t, c, "/start/encryption"), "Save the recovery kit now", "Do without a kit")
		if a := c.Page(t, http.MethodPost, "/start/risk", url.Values{"reason": {""}}); a.Status != http.StatusUnprocessableEntity {
			t.Errorf("a risk that is taken without a reason = %d", a.Status)
		}
		send(t, c, "/start/risk", url.Values{"reason": {"a test machine"}})
		next("plan")
		var events struct {
			Items []struct{ Action, Reason string }
		}
		c.Get(t, "/audit-events?action=recoverykit.risk-accepted", &events)
		if len(events.Items) != 1 || events.Items[0].Reason != "a test machine" {
			t.Errorf("the trail has %v", events.Items)
		}

		form = page(t, c, "/start/plan")
		has(t, form, "Save and start the first backup", "Every day at 02:30", `name="retention.daily"`)
		if to := send(t, c, "/start/plan", url.Values{"schedule.rhythm": {"day"}, "schedule.at": {"03:15"}, "schedule.zone": {"UTC"}, "retention.daily": {"14"}}); to != "/start/backup" {
			t.Errorf("the plan leads to %q", to)
		}
		done := ""
		for until := time.Now().Add(time.Minute); !strings.Contains(done, "Your first backup is done"); time.Sleep(100 * time.Millisecond) {
			if done = page(t, c, "/start/backup"); time.Now().After(until) {
				t.Fatalf("the first backup is not done:\n%s", main(done))
			}
		}
		has(t, done, "Try a restore")
		var plans struct {
			Items []struct {
				Name, When string
				Retention  struct{ Daily any }
			}
		}
		c.Get(t, "/plans", &plans)
		if len(plans.Items) != 1 || plans.Items[0].Name != "Letters" || !strings.Contains(plans.Items[0].When, "03:15") {
			t.Errorf("the plan is %+v", plans.Items)
		}
	})
}
