package api_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstay/backstay/internal/server/servertest"
)

func TestHooksRunOnceTheOwnerAllowsThem(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newShop(t, s)
		mark := filepath.Join(t.TempDir(), "mark")
		hooks := map[string]any{"before_hook": "echo about to begin", "after_hook": `sh -c 'echo "$BACKSTAY_STATE" > "$0"' ` + mark}
		s.Owner.Ask(t, "PATCH", "/plans/"+w.plan, hooks).Refused(t, http.StatusForbidden, "denied")
		admin := s.Person(t, "Sam Admin", "system-admin", "/")
		admin.Ask(t, "PATCH", "/settings", map[string]any{"hooks": true}).Refused(t, http.StatusForbidden, "denied")
		s.Owner.Patch(t, "/settings", map[string]any{"hooks": true}, nil)
		s.Owner.Patch(t, "/plans/"+w.plan, hooks, nil)

		r := w.start(t)
		text, err := os.ReadFile(mark)
		if r.State != "succeeded" || err != nil || strings.TrimSpace(string(text)) != "succeeded" {
			t.Errorf("run = %+v; the hook after it wrote %q, %v", r, text, err)
		}
		if log := w.log(t, r.ID); !strings.Contains(log, "before hook: about to begin") {
			t.Errorf("log = %s", log)
		}

		s.Owner.Patch(t, "/plans/"+w.plan, map[string]any{"before_hook": "false", "retries": 0}, nil)
		var before, after struct{ Items []struct{ ID string } }
		s.Owner.Get(t, "/snapshots?repository="+w.repository, &before)
		failed := w.start(t)
		s.Owner.Get(t, "/snapshots?repository="+w.repository, &after)
		if failed.State != "failed" || failed.Failure == nil || !strings.Contains(failed.Failure.Text, "before hook") || len(before.Items) != len(after.Items) {
			t.Errorf("run = %+v, failure %+v; snapshots %d, then %d", failed, failed.Failure, len(before.Items), len(after.Items))
		}
	})
}

// log is the log of a run as text.
func (w *shop) log(t *testing.T, id string) string {
	t.Helper()
	var log struct{ Items []struct{ Text string } }
	w.s.Owner.Get(t, "/runs/"+id+"/log", &log)
	var all []string
	for _, line := range log.Items {
		all = append(all, line.Text)
	}
	return strings.Join(all, "\n")
}
