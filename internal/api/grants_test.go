package api_test

import (
	"net/http"
	"testing"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// as asks with the header of somebody of the world.
func (w *world) as(t *testing.T, who *asker, method, path string, body any) (status int, text string) {
	t.Helper()
	got := w.Client(t).Ask(t, method, path, body, who.header...)
	return got.Status, string(got.Body)
}

func TestNobodyWidensTheirOwnRights(t *testing.T) {
	w := newWorld(t, "")
	right := func(role backstay.RoleName, scope backstay.Scope, effect backstay.Effect) backstay.Right {
		return backstay.Right{Role: builtIn(role), Scope: scope, Effect: effect}
	}
	one, two := backstay.ProjectScope(w.one), backstay.ProjectScope(w.two)
	admin := w.person(t, "project administrator of one, viewer of two", nil, right(backstay.RoleProjectAdmin, one, backstay.Allow), right(backstay.RoleViewer, two, backstay.Allow))
	if status, text := w.as(t, admin, http.MethodPatch, "/grants/canary-one-grant", map[string]any{"scope": two, "subject": admin.who.User}); status != http.StatusForbidden {
		t.Errorf("a grant is moved to a project of somebody else = %d %s", status, text)
	}
	if status, text := w.as(t, admin, http.MethodPatch, "/grants/canary-one-grant", map[string]any{"role": "operator"}); status != http.StatusOK {
		t.Errorf("a grant in their own project is changed = %d %s", status, text)
	}

	denied := w.person(t, "project administrator who is denied what a restorer may", nil, right(backstay.RoleProjectAdmin, one, backstay.Allow))
	g := backstay.Grant{Record: stamp("denial"), SubjectKind: backstay.SubjectUser, Subject: denied.who.User, Role: "role", Scope: one, Effect: backstay.Deny}
	w.write(t, func(tx *db.Tx) error {
		role := backstay.Role{Record: stamp("readers"), Name: "Readers", Permissions: []backstay.Permission{backstay.ReadSnapshots}}
		g.Role = backstay.RoleName(role.ID)
		if err := db.Insert(t.Context(), tx, &role); err != nil {
			return err
		}
		return db.Insert(t.Context(), tx, &g)
	})
	for method, body := range map[string]any{http.MethodDelete: nil, http.MethodPatch: map[string]any{"effect": "allow"}} {
		if status, text := w.as(t, denied, method, "/grants/denial", body); status != http.StatusForbidden {
			t.Errorf("%s of one's own denial = %d %s", method, status, text)
		}
	}
	w.Owner.Delete(t, "/grants/denial")
}

func TestTheTrailTellsWhoHasASourceAloneOfNothingElse(t *testing.T) {
	w := newWorld(t, "")
	source := w.things["sources"]
	member := w.person(t, "member of a source", nil, backstay.Right{Role: builtIn(backstay.RoleMember), Scope: source.scope, Effect: backstay.Allow})
	got := w.Client(t).Ask(t, http.MethodGet, "/audit-events", nil, member.header...)
	var trail struct {
		Items []struct {
			ObjectID string `json:"object_id"`
		}
	}
	got.Decode(t, &trail)
	if len(trail.Items) == 0 {
		t.Error("the trail tells nothing of their own source")
	}
	for _, e := range trail.Items {
		if e.ObjectID != source.id {
			t.Errorf("the trail tells of %s", e.ObjectID)
		}
	}
}
