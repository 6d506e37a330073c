package api_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/server/servertest"
)

func TestBuiltInRolesAreListedWithThoseThatPeopleMadeAndStayAsTheyAre(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		var own backstay.Role
		s.Owner.Post(t, "/roles", map[string]any{"name": "Starter", "permissions": []string{"run.start"}}, &own)
		viewer := s.Person(t, "Vera Viewer", "viewer", "/")
		want := append(backstay.BuiltInRoles(), own)
		for limit, path := range map[string]string{"all": "/roles?sort=name&limit=1000", "one": "/roles?limit=1", "three": "/roles?limit=3", "just the built-in ones": "/roles?limit=10", "eleven": "/roles?limit=11"} {
			var got []backstay.Role
			for cursor := ""; ; {
				var page struct {
					Items []backstay.Role
					Next  string
				}
				viewer.Get(t, path+"&cursor="+cursor, &page)
				if got = append(got, page.Items...); page.Next == "" {
					break
				}
				cursor = page.Next
			}
			same := slices.EqualFunc(got, want, func(a, b backstay.Role) bool {
				return a.ID == b.ID && a.Name == b.Name && a.BuiltIn == b.BuiltIn && slices.Equal(a.Permissions, b.Permissions)
			})
			if !same {
				t.Errorf("roles, %s on a page, are %+v", limit, got)
			}
		}
		for query, want := range map[string][]string{"?name=Viewer": {"viewer"}, "?search=ADMINISTRATOR": {"system-admin", "project-admin"}, "?name=Starter": {own.ID}, "?search=nobody": nil} {
			var page struct{ Items []backstay.Role }
			viewer.Get(t, "/roles"+query, &page)
			var ids []string
			for _, r := range page.Items {
				ids = append(ids, r.ID)
			}
			if !slices.Equal(ids, want) {
				t.Errorf("roles%s are %q, want %q", query, ids, want)
			}
		}
		var shown backstay.Role
		viewer.Get(t, "/roles/viewer", &shown)
		if !shown.BuiltIn || !slices.Contains(shown.Permissions, backstay.ReadSources) || slices.Contains(shown.Permissions, backstay.ManageSources) {
			t.Errorf("the role of viewers is shown as %+v", shown)
		}
		s.Owner.Ask(t, "PATCH", "/roles/viewer", map[string]any{"permissions": []string{"source.manage"}}).Refused(t, http.StatusConflict, "conflict")
		s.Owner.Ask(t, "DELETE", "/roles/viewer", nil).Refused(t, http.StatusConflict, "conflict")
		viewer.Ask(t, "PATCH", "/roles/viewer", map[string]any{"permissions": []string{"source.manage"}}).Refused(t, http.StatusForbidden, "denied")
		viewer.Ask(t, "POST", "/projects", map[string]string{"name": "Mine"}).Refused(t, http.StatusForbidden, "denied")
	})
}
