package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
)

func TestAnInstallationIsClaimedOnce(t *testing.T) {
	s := servertest.Start(t, server.Options{})
	nobody := s.Client(t)
	me := map[string]string{"code": "AAAA-BBBB-CCCC-DDDD", "name": "Eve", "email": "eve@example.org", "password": servertest.Password}
	nobody.Ask(t, "POST", "/claim", me).Refused(t, http.StatusUnauthorized, "sign-in")
	nobody.Ask(t, "GET", "/profile", nil).Refused(t, http.StatusUnauthorized, "sign-in")
	s.Claim(t)
	me["code"] = s.ClaimCode()
	nobody.Ask(t, "POST", "/claim", me).Refused(t, http.StatusConflict, "conflict")
	var profile struct{ Name string }
	s.Owner.Get(t, "/profile", &profile)
	if profile.Name != "Ada Owner" {
		t.Errorf("profile = %+v", profile)
	}
}

func TestRightsAreThoseOfTheRoleWithinItsScope(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		var mine, theirs struct{ ID string }
		s.Owner.Post(t, "/projects", map[string]string{"name": "Mine"}, &mine)
		s.Owner.Post(t, "/projects", map[string]string{"name": "Theirs"}, &theirs)
		viewer := s.Person(t, "Vera Viewer", "viewer", "/project/"+mine.ID)

		var list struct{ Items []struct{ Name string } }
		viewer.Get(t, "/projects", &list)
		if len(list.Items) != 1 || list.Items[0].Name != "Mine" {
			t.Errorf("a viewer of one project sees %+v", list.Items)
		}
		viewer.Get(t, "/projects/"+mine.ID, nil)
		viewer.Ask(t, "GET", "/projects/"+theirs.ID, nil).Refused(t, http.StatusNotFound, "not-found")
		viewer.Ask(t, "PATCH", "/projects/"+mine.ID, map[string]string{"name": "New"}).Refused(t, http.StatusForbidden, "denied")
		viewer.Ask(t, "GET", "/users", nil).Refused(t, http.StatusForbidden, "denied")

		var trail struct {
			Items []struct{ Action, Result, Reason, ActorName string }
		}
		s.Owner.Get(t, "/audit-events?action=access.denied", &trail)
		if len(trail.Items) != 3 || trail.Items[0].Result != "denied" || !strings.Contains(trail.Items[0].Reason, "user.listed") {
			t.Errorf("the trail of three refusals is %+v", trail.Items)
		}
		var verdict struct {
			Good    bool
			Problem string
			Events  int
		}
		s.Owner.Post(t, "/audit-events/verify", map[string]any{}, &verdict)
		if !verdict.Good || verdict.Events < 10 {
			t.Errorf("verdict = %+v", verdict)
		}
	})
}

func TestWhoManagesPeopleGivesOnlyWhatTheyHave(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		admin := s.Person(t, "Sam Admin", "system-admin", "/")
		var bob struct{ ID string }
		admin.Post(t, "/users", map[string]string{"name": "Bob", "email": "bob@example.org"}, &bob)
		grant := func(role string) map[string]string {
			return map[string]string{"subject_kind": "user", "subject": bob.ID, "role": role, "scope": "/"}
		}
		admin.Post(t, "/grants", grant("operator"), nil)
		admin.Ask(t, "POST", "/grants", grant("owner")).Refused(t, http.StatusForbidden, "denied")
		var owner struct{ ID string }
		s.Owner.Get(t, "/profile", &owner)
		admin.Ask(t, "POST", "/users/"+owner.ID+"/link", nil).Refused(t, http.StatusForbidden, "denied")
		s.Owner.Ask(t, "DELETE", "/users/"+owner.ID, nil).Refused(t, http.StatusConflict, "conflict")
	})
}

func TestATokenWaitsForTheSecondFactorThatItsOwnerNeeds(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		ann := s.Person(t, "Ann", "auditor", "/")
		var token struct{ Secret string }
		ann.Post(t, "/tokens", map[string]any{"name": "T", "permissions": []string{"report.read", "audit.read", "source.read"}, "expires_at": time.Now().Add(time.Hour)}, &token)
		program := s.Client(t)
		program.Token = token.Secret
		program.Get(t, "/audit-events", nil)

		s.Owner.Patch(t, "/settings", map[string]any{"mfa_roles": []string{"auditor"}}, nil)
		for _, path := range []string{"/audit-events", "/projects", "/settings", "/metrics"} {
			got := program.Ask(t, http.MethodGet, path, nil)
			got.Refused(t, http.StatusUnauthorized, "sign-in")
			if !strings.Contains(string(got.Body), "needs a second factor") || !strings.Contains(string(got.Body), "set one up") {
				t.Errorf("the token is refused at %s by %s", path, got.Body)
			}
		}
		var key struct{ ID, Key string }
		ann.Post(t, "/profile/totp", nil, &key)
		program.Ask(t, http.MethodGet, "/audit-events", nil).Refused(t, http.StatusUnauthorized, "sign-in") // a key that was never used is none
		code, err := totp.GenerateCode(key.Key, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		ann.Post(t, "/profile/totp/"+key.ID, map[string]string{"code": code}, nil)
		program.Get(t, "/audit-events", nil)
		ann.Delete(t, "/profile/factors/"+key.ID)
		program.Ask(t, http.MethodGet, "/audit-events", nil).Refused(t, http.StatusUnauthorized, "sign-in")
		s.Owner.Patch(t, "/settings", map[string]any{"mfa_roles": []string{}}, nil)
		program.Get(t, "/audit-events", nil)
	})
}
