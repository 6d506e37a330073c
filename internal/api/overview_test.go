package api_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/server/servertest"
)

func TestTheOverviewTellsOfWhatTheAskerMaySee(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newSite(t, s)
		var bare struct{ ID string }
		s.Owner.Post(t, "/sources", map[string]any{"project": w.project, "name": "Bare", "kind": "files", "settings": map[string]string{"paths": t.TempDir()}}, &bare)
		s.Owner.Patch(t, "/plans/"+w.plan, map[string]any{"active": true}, nil)
		w.run(t, true) // it fails
		var o app.Overview
		s.Owner.Get(t, "/overview?zone=Europe/Berlin&project="+w.project, &o)
		today := o.Calendar[len(o.Calendar)-1]
		if o.Sources.Total != 2 || o.Sources.Attention != 2 || o.Sources.Uncovered != 1 || len(o.Storages) != 1 || today.Failed != 1 || o.Sources.Listed[0].ID != w.source || o.Sources.Listed[0].Reasons[0].Concern != app.ConcernFailed {
			t.Errorf("the owner's overview = %+v", o)
		}
		only := s.Person(t, "Vera Viewer", "viewer", "/project/"+w.project+"/source/"+bare.ID)
		o = app.Overview{}
		only.Get(t, "/overview", &o)
		today = o.Calendar[len(o.Calendar)-1]
		if o.Sources.Total != 1 || len(o.Sources.Listed) != 1 || o.Sources.Listed[0].ID != bare.ID || len(o.Sources.Bare) != 1 || len(o.Storages)+o.StoragesTotal+today.Runs+o.Running.Total+o.Pending+len(o.Coming) != 0 {
			t.Errorf("with a role in one source: %+v", o)
		}
		only.Ask(t, "GET", "/storages/"+w.storage+"/usage", nil).Refused(t, http.StatusNotFound, "not-found")
		s.Owner.Ask(t, "GET", "/overview?zone=Local", nil).Refused(t, http.StatusUnprocessableEntity, "invalid")
		s.Client(t).Ask(t, "GET", "/overview", nil).Refused(t, http.StatusUnauthorized, "sign-in")
		var u app.StorageUsage
		s.Owner.Get(t, "/storages/"+w.storage+"/usage?days=7", &u)
		if u.ID != w.storage || len(u.Days) == 0 || u.Repositories != 1 {
			t.Errorf("usage = %+v", u)
		}
	})
}

// overlooksWhatIsAllowed compares the sources and storages of the overview with what Decide says of those in each project.
func (w *world) overlooksWhatIsAllowed(t *testing.T, r route, a asker, got servertest.Answer) {
	t.Helper()
	var o app.Overview
	got.Decode(t, &o)
	for _, things := range []map[string]object{w.things, w.others} {
		source, storage := things["sources"], things["storages"]
		has := slices.ContainsFunc(o.Sources.Listed, func(s app.SourceState) bool { return s.ID == source.id })
		if want := backstay.Decide(a.who, r.right.Permission, source.scope, source.owner).Allowed; has != want {
			t.Errorf("the overview for %s has %s: %t, want %t", a.name, source.scope, has, want)
		}
		has = slices.ContainsFunc(o.Storages, func(s app.StorageState) bool { return s.ID == storage.id })
		if want := backstay.Decide(a.who, r.right.Permission, storage.scope, storage.owner).Allowed; has != want {
			t.Errorf("the overview for %s has %s: %t, want %t", a.name, storage.scope, has, want)
		}
	}
}
