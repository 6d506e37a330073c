package api_test

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/server/servertest"
)

func TestTheTrailIsExportedWhole(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		names := []string{"=HYPERLINK(\"http://evil.example.org\")", "+1", "-2+3", "@SUM(A1)", "=1+1;\"quoted\"", "|calc", "%00", "＝1+1", "plain, \"quoted\""}
		for _, name := range names {
			s.Owner.Post(t, "/projects", map[string]string{"name": name}, nil)
		}
		lines := s.Owner.Ask(t, http.MethodGet, "/audit-events/export", nil)
		var last backstay.AuditEvent
		n := int64(0)
		for line := range strings.Lines(string(lines.Body)) {
			if err := json.Unmarshal([]byte(line), &last); err != nil {
				t.Fatal(err)
			}
			if n++; last.Seq != n || last.Hash == "" {
				t.Fatalf("line %d is event %d", n, last.Seq)
			}
		}
		if last.Action != "audit.exported" || n != int64(len(names))+3 {
			t.Errorf("%d events, the last one is %+v", n, last)
		}

		table := s.Owner.Ask(t, http.MethodGet, "/audit-events/export?format=csv&after=2", nil)
		rows, err := csv.NewReader(strings.NewReader(string(table.Body))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != len(names)+3 { // with the heading and two exports
			t.Errorf("the table has %d rows", len(rows))
		}
		for i, name := range names {
			got := rows[i+1][15]
			if strings.TrimPrefix(got, "'") != name || name != names[len(names)-1] && got == name {
				t.Errorf("the name %q is exported as %q", name, got)
			}
			for _, cell := range rows[i+1] {
				if cell != "" && strings.ContainsAny(cell[:1], "=+-@|%\t\r") {
					t.Errorf("a cell may be taken for a formula: %q", cell)
				}
			}
		}
		s.Person(t, "Vera", "viewer", "/").Ask(t, http.MethodGet, "/audit-events/export", nil).Refused(t, http.StatusForbidden, "denied")
	})
}
