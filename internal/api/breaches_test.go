package api_test

import (
	"crypto/sha1"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/servers"
)

func TestNewPasswordsAreLookedUpAmongStolenOnesIfTheSettingsSaySo(t *testing.T) {
	const stolen, unknown = "lantern-harbour-violet-24", "orchard-compass-thimble-88"
	sum := fmt.Sprintf("%X", sha1.Sum([]byte(stolen)))
	for name, database := range map[string]func() string{"SQLite": func() string { return "" }, "PostgreSQL": func() string { return servers.Postgres(t) }} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var asked []string // guarded by mu
			service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, r.URL.Path+" "+r.Header.Get("Add-Padding"))
				fmt.Fprintf(w, "%s:0\r\n%s:17\r\n", strings.Repeat("A", 35), sum[5:])
			}))
			t.Cleanup(service.Close)
			questions := func() int { mu.Lock(); defer mu.Unlock(); return len(asked) }
			s := servertest.Start(t, server.Options{Database: database(), Breaches: service.URL + "/range/"}).Claim(t)
			change := func(password string) servertest.Answer {
				return s.Owner.Ask(t, http.MethodPut, "/profile/password", map[string]string{"password": password})
			}
			if got := change(stolen); got.Status != http.StatusNoContent || questions() != 0 {
				t.Errorf("while it is off, a stolen password = %d %s, after %d questions", got.Status, got.Body, questions())
			}
			s.Owner.Patch(t, "/settings", map[string]any{"check_breaches": true}, nil)
			var p struct{ Field, Hint string }
			got := change(stolen)
			got.Refused(t, http.StatusUnprocessableEntity, "invalid")
			if got.Decode(t, &p); p.Field != "password" || p.Hint == "" {
				t.Errorf("a stolen password is refused by %s", got.Body)
			}
			link := func() map[string]string {
				var u, l struct{ ID, Ticket string }
				s.Owner.Post(t, "/users", map[string]string{"name": "P", "email": fmt.Sprintf("p%d@example.org", questions())}, &u)
				s.Owner.Post(t, "/users/"+u.ID+"/link", nil, &l)
				return map[string]string{"ticket": l.Ticket, "password": stolen}
			}
			chosen := link()
			s.Client(t).Ask(t, http.MethodPost, "/link", chosen).Refused(t, http.StatusUnprocessableEntity, "invalid")
			chosen["password"] = unknown
			if got := s.Client(t).Ask(t, http.MethodPost, "/link", chosen); got.Status != http.StatusCreated {
				t.Errorf("a password that nobody stole = %d %s", got.Status, got.Body)
			}
			mu.Lock()
			if len(asked) != 3 || asked[0] != "/range/"+sum[:5]+" true" {
				t.Errorf("the service was asked %q, want five letters each, with padding", asked)
			}
			mu.Unlock()

			service.Close()
			if got := change(stolen); got.Status != http.StatusNoContent {
				t.Errorf("a password while the service is away = %d %s, want it to be taken", got.Status, got.Body)
			}
			if log := s.Log(); !strings.Contains(log, "a new password was not looked up among stolen ones") || strings.Contains(log, stolen) || strings.Contains(log, sum[:5]) {
				t.Error("the log doesn't say that a password was not looked up, or says too much")
			}
		})
	}
}
