package app_test

import (
	"strings"
	"testing"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

func TestAFileIsPreviewedAsItIsDownloaded(t *testing.T) {
	eachRig(t, func(r *rig) {
		a := r.process()
		plan := r.plan(a, backstay.Plan{Name: "nightly", Sources: []string{r.source(a, "one")}, Repositories: []string{r.repository(a, r.storage(a, "s", 0), "main")}})
		r.start(a, plan.ID)
		r.drain(a)
		s := r.snapshotsOf(a, plan.ID)[0]
		p, err := a.PreviewFile(r.ctx, backstay.Server, s.ID, "/file")
		if must(r, p, err); p.Kind != app.PreviewText || !strings.HasPrefix(string(p.Bytes), "one at ") || int(p.Size) != len(p.Bytes) {
			t.Errorf("the preview is %+v", p)
		}
		downloads := func() []backstay.AuditEvent {
			all, err := a.AuditEvents(r.ctx, backstay.Server, app.AuditQuery{Action: "snapshot.downloaded", Limit: 10})
			return must(r, all, err)
		}
		if all := downloads(); len(all) != 1 || !strings.Contains(string(all[0].After), "/file") {
			t.Errorf("the trail has %+v", all)
		}
		viewer := backstay.Actor{Kind: backstay.ActorUser, User: "vera", Rights: []backstay.Right{{Role: viewerRole(), Scope: "/", Effect: backstay.Allow}}, Fresh: true}
		if _, err := a.PreviewFile(r.ctx, viewer, s.ID, "/file"); kindOf(err) != backstay.Denied {
			t.Errorf("a viewer gets %v", err)
		}
		for path, want := range map[string]backstay.Kind{"/nowhere": backstay.NotFound, "/": backstay.Invalid} {
			if _, err := a.PreviewFile(r.ctx, backstay.Server, s.ID, path); kindOf(err) != want {
				t.Errorf("a preview of %s: %v", path, err)
			}
		}
		if len(downloads()) != 1 {
			t.Error("what was not shown is told as a download")
		}
	})
}

func viewerRole() (role backstay.Role) {
	for _, r := range backstay.BuiltInRoles() {
		if r.ID == string(backstay.RoleViewer) {
			role = r
		}
	}
	return role
}
