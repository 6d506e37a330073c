package api_test

import (
	"net/http"
	"testing"

	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/server/servertest"
)

// permissionOf returns what is explained of a permission.
func permissionOf(t *testing.T, e app.Explained, name string) app.ExplainedPermission {
	t.Helper()
	for _, p := range e.Permissions {
		if string(p.Permission) == name {
			return p
		}
	}
	t.Fatalf("%s is not explained", name)
	return app.ExplainedPermission{}
}

func TestRightsAreExplainedByTheGrantsThatMakeThem(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		id := func(path string, body map[string]any) string {
			var made struct{ ID string }
			s.Owner.Post(t, path, body, &made)
			return made.ID
		}
		mine, theirs := id("/projects", map[string]any{"name": "Mine"}), id("/projects", map[string]any{"name": "Theirs"})
		anna := s.Person(t, "Anna", "viewer", "/project/"+mine)
		var me struct{ ID string }
		anna.Get(t, "/profile", &me)
		staff := id("/groups", map[string]any{"name": "Staff", "members": []string{me.ID}})
		given := id("/grants", map[string]any{"subject_kind": "group", "subject": staff, "role": "backup-manager", "scope": "/"})
		taken := id("/grants", map[string]any{"subject_kind": "user", "subject": me.ID, "role": "operator", "scope": "/project/" + theirs, "effect": "deny"})

		var e app.Explained
		anna.Get(t, "/users/"+me.ID+"/rights?scope=/project/"+mine, &e)
		manage := permissionOf(t, e, "plan.manage")
		if manage.Answer != app.AnswerYes || len(manage.Because) != 1 || manage.Because[0].Grant != given || manage.Because[0].GroupName != "Staff" {
			t.Errorf("plan.manage = %+v", manage)
		}
		if p := permissionOf(t, e, "source.read"); p.Answer != app.AnswerYes || len(p.Because) != 2 {
			t.Errorf("source.read = %+v", p)
		}
		if p := permissionOf(t, e, "retention.shorten"); p.Answer != app.AnswerFresh {
			t.Errorf("retention.shorten = %+v", p)
		}
		if p := permissionOf(t, e, "user.manage"); p.Answer != app.AnswerNo || len(p.Because) != 0 {
			t.Errorf("user.manage = %+v", p)
		}
		s.Owner.Get(t, "/users/"+me.ID+"/rights?scope=/project/"+theirs, &e)
		if p := permissionOf(t, e, "run.start"); p.Answer != app.AnswerDenied || len(p.Because) != 2 || p.Because[0].Grant != taken && p.Because[1].Grant != taken {
			t.Errorf("run.start = %+v", p)
		}
		if last := e.Path[len(e.Path)-1]; len(e.Path) != 2 || len(last.Grants) != 1 || last.Grants[0].Grant != taken || len(last.Takes) == 0 || len(last.Adds) != 0 {
			t.Errorf("path = %+v", e.Path)
		}
		anna.Get(t, "/projects/"+mine, nil) // as explained
		anna.Ask(t, "GET", "/projects/"+theirs, nil).Refused(t, http.StatusNotFound, "not-found")

		vera := s.Person(t, "Vera", "viewer", "/")
		vera.Ask(t, "GET", "/users/"+me.ID+"/rights", nil).Refused(t, http.StatusNotFound, "not-found")
		admin := s.Person(t, "Adam", "project-admin", "/project/"+mine)
		admin.Get(t, "/users/"+me.ID+"/rights?scope=/project/"+mine, &e)
		admin.Ask(t, "GET", "/users/"+me.ID+"/rights?scope=/project/"+theirs, nil).Refused(t, http.StatusForbidden, "denied")
		s.Owner.Ask(t, "GET", "/users/"+me.ID+"/rights?scope=nowhere", nil).Refused(t, http.StatusUnprocessableEntity, "invalid")

		s.Owner.Patch(t, "/users/"+me.ID, map[string]any{"disabled": true}, nil)
		s.Owner.Get(t, "/users/"+me.ID+"/rights?scope=/project/"+mine, &e)
		if p := permissionOf(t, e, "source.read"); !e.Disabled || p.Answer != app.AnswerNo {
			t.Errorf("of somebody who is disabled source.read = %+v", p)
		}
		anna.Ask(t, "GET", "/projects/"+mine, nil).Refused(t, http.StatusUnauthorized, "sign-in")
	})
}
