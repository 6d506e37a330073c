package api_test

import (
	"net/http"
	"testing"

	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/resticbin"
)

func TestAFurtherPasswordOpensTheRepositoryUntilItIsRemoved(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		b := back(t, s, nil)
		b.backUp(t)
		path := "/repositories/" + b.repository + "/keys"
		opens := func(password string) bool {
			repo := resticbin.Repo{Bin: resticbin.Newest(t), Dir: b.location, Password: password}
			_, err := repo.Run(t.Context(), "snapshots")
			return err == nil
		}
		const second = "a second password of Anna's"
		if opens(second) {
			t.Fatal("restic opens the repository with any password")
		}
		var key app.RepositoryKey
		s.Owner.Post(t, path, map[string]any{"password": second, "user": "anna"}, &key)
		if !opens(second) {
			t.Error("restic doesn't open the repository with the password that was added")
		}
		var list struct{ Items []app.RepositoryKey }
		s.Owner.Get(t, path, &list)
		if len(list.Items) != 2 || !list.Items[0].Own || list.Items[1].Own || list.Items[1].ID != key.ID || list.Items[1].User != "anna" || list.Items[1].Host == "" {
			t.Fatalf("the keys are %+v", list.Items)
		}
		s.Owner.Ask(t, "DELETE", path+"/"+list.Items[0].ID, nil).Refused(t, http.StatusConflict, "conflict")
		s.Owner.Delete(t, path+"/"+key.ID)
		if opens(second) || !opens(b.password(t)) {
			t.Error("the password that was removed opens it still, or the server's own doesn't")
		}
		s.Owner.Ask(t, "POST", path, map[string]any{"password": "short"}).Refused(t, http.StatusUnprocessableEntity, "invalid")
		s.Owner.Ask(t, "DELETE", path+"/"+key.ID, nil).Refused(t, http.StatusConflict, "conflict")
		manager := s.Person(t, "Mia Manager", "backup-manager", "/project/"+b.project)
		manager.Get(t, path, &list)
		manager.Ask(t, "POST", path, map[string]any{"password": second}).Refused(t, http.StatusForbidden, "denied")
		b.backUp(t)
	})
}
