package api_test

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/api"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/servers"
)

// route is an operation as the server itself describes it.
type route struct {
	id, method, path string
	right            api.Right
	thing            string // what it is about, if the path doesn't tell
}

// about are the things of operations whose path doesn't tell them.
var about = map[string]string{
	"reveal-storage-secrets": secretStorages, "reveal-source-secrets": secretSources, "delete-snapshot": protectedSnapshots, "plan-restore": "snapshots", "preview-retention": "plans",
	"backup-logs": "runs", "backup-schedules": "plans", "backup-delete-schedule": "plans", "backup-download": "snapshots", "backup-verify": "snapshots",
}

// many is the first step of the path below the prefix, or what else tells the thing that it is about.
func (r route) many() string {
	if r.thing != "" {
		return r.thing
	}
	if many := about[r.id]; many != "" {
		return many
	}
	return strings.Split(strings.TrimPrefix(r.path, api.Prefix+"/"), "/")[0]
}

// about reports whether the operation is about one thing that the request names.
func (r route) about() bool {
	return strings.Contains(r.path, "{id}") || strings.Contains(r.path, "{backupId}") || r.id == "plan-restore" || r.id == "preview-retention" || r.id == "backup-download"
}

// routes reads all operations from the server's description.
func routes(t *testing.T, s *servertest.Server) (all []route) {
	t.Helper()
	var description struct {
		Paths map[string]map[string]struct{ OperationID string }
	}
	s.Owner.Get(t, "/openapi.json", &description)
	for path, methods := range description.Paths {
		for method, op := range methods {
			all = append(all, route{op.OperationID, strings.ToUpper(method), path, api.Rights[op.OperationID], ""})
		}
	}
	last := func(r route) int { // runs on a repository keep others waiting, and a scan finds out what isn't there
		if r.many() == "repositories" {
			return 1
		}
		return 0
	}
	slices.SortFunc(all, func(a, b route) int {
		return cmp.Or(last(a)-last(b), strings.Compare(b.path+b.method, a.path+a.method))
	})
	return all
}

func TestEachOperationSaysWhatItNeeds(t *testing.T) {
	s := servertest.Start(t, server.Options{}).Claim(t)
	left := maps.Clone(api.Rights)
	for _, r := range routes(t, s) {
		if r.right.Access == "" {
			t.Errorf("%s %s: the operation %q is missing in the table of rights", r.method, r.path, r.id)
		}
		if _, ok := backstay.FindPermission(r.right.Permission); r.right.Permission != "" && !ok {
			t.Errorf("operation %q: there is no permission %q", r.id, r.right.Permission)
		}
		delete(left, r.id)
	}
	for id := range left {
		t.Errorf("the table of rights has an operation %q that is not there", id)
	}
}

// query is what stands in the address beside the path.
func (w *world) query(r route, id string) string {
	in := func(name string) string { return url.QueryEscape(filepath.Join(w.folder, name)) }
	switch r.id {
	case "get-snapshot-content", "get-history":
		return "?path=" + in("canary-one.txt")
	case "download-snapshot":
		return "?format=tar&path=" + in("")
	case "list-snapshot-entries":
		return "?path=" + in("")
	case "search":
		return "?text=canary"
	case "backup-download":
		return "?snapshot=" + id
	case "backup-verify":
		return "?again=true"
	case "explain-rights":
		return "?scope=/system"
	}
	return ""
}

// place is where the operation happens, for whom it would be theirs.
func (w *world) place(r route, who backstay.Actor) object {
	if r.about() || r.right.Access != api.OnObject {
		return w.things[r.many()]
	}
	switch r.id {
	case "create-project":
		return object{scope: "/project/new"}
	case "create-grant":
		return object{scope: backstay.ProjectScope(w.one)}
	}
	return object{scope: backstay.ProjectScope(w.one).Of("any", "new"), owner: who.User}
}

// may says from the table alone whether somebody may.
func (w *world) may(r route, who backstay.Actor, p backstay.Permission) bool {
	at := w.place(r, who)
	person := who.Session != "" && who.Kind == backstay.ActorUser
	switch access := r.right.Access; {
	case who.Kind == backstay.ActorNobody:
		return false
	case r.id == "create-link" && !(holds(who, backstay.RoleViewer, backstay.ProjectScope(w.one)) && holds(who, backstay.RoleViewer, backstay.ProjectScope(w.two))):
		return false // with it they would be the victim, who may that
	case access == api.Self:
		return true
	case access == api.SetUp:
		return person && (who.Fresh || !r.right.Fresh)
	case who.Limited:
		return false
	case access == api.Own:
		return person
	case access == api.SignedIn, access == api.OnList:
		return true
	case access == api.Somewhere:
		reach, _ := backstay.ReachOf(who, p)
		return len(reach) > 0 && (r.id != "create-token" || person)
	case access == api.AllOver:
		_, denied := backstay.ReachOf(who, p)
		return len(denied) == 0 && backstay.Decide(who, p, backstay.Everywhere, "").Allowed
	case access == api.OwnOr:
		return person && backstay.Decide(who, p, backstay.System, "").Allowed
	case access == api.OnServer:
		return backstay.Decide(who, p, backstay.System, "").Allowed && (r.id != "create-role" || backstay.Decide(who, backstay.ReadReports, backstay.Everywhere, "").Allowed)
	}
	if w.byModule(r, who, p) {
		return true
	}
	if repository := w.things["repositories"]; onRepository(r) && !(backstay.Decide(who, backstay.ReadSources, repository.scope, repository.owner).Allowed &&
		(r.id != "backup-verify" || backstay.Decide(who, p, repository.scope, repository.owner).Allowed)) {
		return false
	}
	if r.id == "create-grant" && !holds(who, backstay.RoleViewer, at.scope) || r.about() && r.right.See != "" && !w.sees(r, who) {
		return false
	}
	return backstay.Decide(who, p, at.scope, at.owner).Allowed
}

// onRepository says whether an operation is about a repository, too, which its path doesn't name.
func onRepository(r route) bool { return r.id == "backup-verify" || r.id == "backup-create-schedule" }

// holds says whether somebody has all that a role has: nobody gives what they don't have.
func holds(who backstay.Actor, role backstay.RoleName, scope backstay.Scope) bool {
	for _, p := range builtIn(role).Permissions {
		if d := backstay.Decide(who, p, scope, ""); !d.Allowed && !d.NeedFresh {
			return false
		}
	}
	return true
}

// sees says whether the thing that the operation is about is there for somebody.
func (w *world) sees(r route, who backstay.Actor) bool {
	see := r.right.See
	switch {
	case see == "" && r.right.Access == api.OnServer:
		return true
	case see == "":
		return w.may(r, who, r.right.Permission) && r.right.Access != api.OwnOr
	case r.right.Access == api.OnServer:
		reach, _ := backstay.ReachOf(who, see)
		return len(reach) > 0
	}
	at := w.place(r, who)
	return backstay.Decide(who, see, at.scope, at.owner).Allowed || w.byModule(r, who, r.right.Permission)
}

// wantStatus is 0 where it is allowed, else the status of the refusal.
func (w *world) wantStatus(r route, who backstay.Actor) int {
	switch {
	case w.may(r, who, r.right.Permission):
		return 0
	case r.id == "delete-session" && who.Token != nil:
		return http.StatusForbidden
	case who.Kind == backstay.ActorNobody, who.Limited && r.right.Access != api.SetUp:
		return http.StatusUnauthorized
	case r.right.Access == api.OwnOr && backstay.Decide(who, r.right.Permission, backstay.System, "").NeedFresh:
		return http.StatusForbidden
	case r.about() && r.right.Access != api.SetUp && !w.sees(r, who):
		return http.StatusNotFound
	case onRepository(r) && !backstay.Decide(who, backstay.ReadSources, w.things["repositories"].scope, w.things["repositories"].owner).Allowed:
		return http.StatusNotFound
	}
	return http.StatusForbidden
}

// stranger reports whether somebody has nothing at all to do with the first project.
func (w *world) stranger(who backstay.Actor) bool {
	if who.Kind == backstay.ActorNobody || who.Limited || who.Token != nil && who.Token.Within == backstay.ProjectScope(w.two) {
		return true
	}
	return !slices.ContainsFunc(who.Rights, func(r backstay.Right) bool {
		return r.Effect == backstay.Allow && (r.Scope == backstay.Everywhere || r.Scope.Project() == w.one)
	})
}

var requestID = regexp.MustCompile(`"request":"[0-9a-f]*"`)

// TestEachOperationAnswersWhoMay asks for every operation about the things of one project, as people and programs of every sort.
func TestEachOperationAnswersWhoMay(t *testing.T) {
	for name, database := range map[string]func() string{"SQLite": func() string { return "" }, "PostgreSQL": func() string { return servers.Postgres(t) }} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, database())
			client := w.Client(t)
			asked, allowed := 0, 0
			all := routes(t, w.Server)
			apply := all[slices.IndexFunc(all, func(r route) bool { return r.id == "apply-restore" })]
			apply.thing, apply.right.Permission = restoresInPlace, backstay.RestoreInPlace
			for _, r := range append([]route{apply}, all...) {
				if r.right.Access == api.Anybody {
					continue
				}
				refusals, before := 0, allowed
				for _, a := range w.actors {
					path, body, header := w.request(r)
					got := client.Ask(t, r.method, path, body, slices.Concat(header, a.header)...)
					asked++
					w.clock.by.Add(int64(150 * time.Millisecond))
					want := w.wantStatus(r, a.who)
					refused := slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound}, got.Status)
					switch {
					case got.Status >= 500:
						t.Errorf("%s as %s = %d %s", r.id, a.name, got.Status, got.Body)
					case want != 0 && got.Status != want:
						t.Errorf("%s as %s = %d %s, want %d", r.id, a.name, got.Status, got.Body, want)
					case want == 0 && refused && !fails(r, got):
						t.Errorf("%s as %s = %d %s, want it to be allowed", r.id, a.name, got.Status, got.Body)
					case want == http.StatusNotFound && !(onRepository(r) && w.sees(r, a.who)):
						w.sameAsMissing(t, client, r, a, got)
					}
					if want == 0 {
						allowed++
					} else {
						refusals++
					}
					w.tellsNothing(t, r, a, got)
					if got.Status == http.StatusOK {
						w.findsWhatIsAllowed(t, r, a, got)
					}
					w.putBack(t, r, a)
				}
				if refusals == 0 || allowed == before {
					t.Errorf("%s is refused to %d and allowed to %d", r.id, refusals, allowed-before)
				}
			}
			t.Logf("%d questions, %d of them allowed", asked, allowed)
		})
	}
}

// fails reports whether the answer is how the operation goes wrong for whoever may.
func fails(r route, got servertest.Answer) bool {
	switch r.id {
	case "confirm":
		return got.Status == http.StatusUnauthorized && strings.Contains(string(got.Body), "password")
	case "confirm-totp", "delete-factor", "begin-identity":
		return got.Status == http.StatusNotFound
	case "plan-restore":
		return got.Status == http.StatusNotFound && strings.Contains(string(got.Body), "nothing of what is wanted")
	case "finish-passkey", "finish-passkey-confirm":
		return got.Status == http.StatusUnauthorized && strings.Contains(string(got.Body), "not asked for")
	}
	return false
}

// sameAsMissing compares the refusal with the answer for what is not there.
func (w *world) sameAsMissing(t *testing.T, client *servertest.Client, r route, a asker, got servertest.Answer) {
	t.Helper()
	path, body, header := w.nothing().request(r)
	missing := client.Ask(t, r.method, path, body, slices.Concat(header, a.header)...)
	if requestID.ReplaceAllString(string(got.Body), "") != requestID.ReplaceAllString(string(missing.Body), "") {
		t.Errorf("%s as %s tells what is there: %s, and for what is not: %s", r.id, a.name, got.Body, missing.Body)
	}
}

// tellsNothing fails the test if somebody learns of the first project who has nothing to do with it.
func (w *world) tellsNothing(t *testing.T, r route, a asker, got servertest.Answer) {
	t.Helper()
	if !w.stranger(a.who) {
		return
	}
	for many, o := range w.things {
		if o.scope.Project() == w.one && strings.Contains(string(got.Body), o.id) || strings.Contains(string(got.Body), "canary-one") {
			t.Errorf("%s as %s tells of the %s of another project: %s", r.id, a.name, many, got.Body)
			return
		}
	}
}

// findsWhatIsAllowed looks at what an operation found that is about everything.
func (w *world) findsWhatIsAllowed(t *testing.T, r route, a asker, got servertest.Answer) {
	t.Helper()
	switch {
	case r.id == "get-overview":
		w.overlooksWhatIsAllowed(t, r, a, got)
	case r.right.Access == api.OnList:
		w.listsWhatIsAllowed(t, r, a, got)
	case r.id == "search":
		for name, things := range map[string]map[string]object{"canary-one": w.things, "canary-two": w.others} {
			source, module := things["sources"], things["modules"]
			want := backstay.Decide(a.who, r.right.Permission, source.scope, source.owner).Allowed || backstay.Decide(a.who, r.right.Permission, module.scope, module.owner).Allowed
			if has := strings.Contains(string(got.Body), name+".txt"); has != want {
				t.Errorf("search as %s finds %s: %v, want %v", a.name, name, has, want)
			}
		}
	case r.id == "get-metrics-summary":
		var sum, want struct{ Backups int64 }
		got.Decode(t, &sum)
		for _, things := range []map[string]object{w.things, w.others} {
			if backstay.Decide(a.who, r.right.Permission, things["runs"].scope, things["runs"].owner).Allowed {
				want.Backups += 2
			}
		}
		if sum != want {
			t.Errorf("the summary for %s counts %d backups, want %d", a.name, sum.Backups, want.Backups)
		}
	}
}

// listsWhatIsAllowed compares a list with what Decide says of the thing in each project.
func (w *world) listsWhatIsAllowed(t *testing.T, r route, a asker, got servertest.Answer) {
	t.Helper()
	var list struct {
		Items []struct{ ID string }
		Next  string
	}
	got.Decode(t, &list)
	for _, o := range []object{w.things[r.many()], w.others[r.many()]} {
		want := backstay.Decide(a.who, r.right.Permission, o.scope, o.owner).Allowed
		has := slices.ContainsFunc(list.Items, func(i struct{ ID string }) bool { return i.ID == o.id })
		if has != want && list.Next == "" {
			t.Errorf("%s as %s has %s: %v, want %v", r.id, a.name, o.scope, has, want)
		}
	}
}

// putBack makes good what an allowed operation has done.
func (w *world) putBack(t *testing.T, r route, a asker) {
	t.Helper()
	switch {
	case r.id == "delete-session", r.id == "delete-token", r.id == "create-link":
		w.restoreVictim(t)
	case r.id == "sign-out" && a.stale != nil:
		w.put(t, a.stale)
	}
}

// TestNoOperationIsAskedForByAPageOfAnotherSite sends everything that changes something as a browser does for a page of elsewhere.
func TestNoOperationIsAskedForByAPageOfAnotherSite(t *testing.T) {
	w := newWorld(t, "")
	asked := 0
	for _, r := range routes(t, w.Server) {
		if r.method == http.MethodGet {
			continue
		}
		path, body, header := w.request(r)
		for _, as := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example.org"}, {"Origin", "null"}} {
			got := w.Owner.Ask(t, r.method, path, body, slices.Concat(header, as)...)
			asked++
			got.Refused(t, http.StatusForbidden, "denied")
			var p struct{ Detail string }
			if json.Unmarshal(got.Body, &p) != nil || !strings.Contains(p.Detail, "another site") {
				t.Errorf("%s with %v = %s", r.id, as, got.Body)
			}
		}
	}
	if asked < 100 {
		t.Errorf("only %d requests were sent", asked)
	}
	var me struct{ Name string }
	w.Owner.Get(t, "/profile", &me) // nothing of it ended the session
}
