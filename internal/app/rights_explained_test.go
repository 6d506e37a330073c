package app

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/backstay/backstay"
)

// somePlaces are scopes of each sort, some within others.
var somePlaces = []backstay.Scope{"/", "/system", "/project/a", "/project/a/source/s", "/project/a/source/s/module/m", "/project/a/repository/r", "/project/b", "/project/ab"}

func drawRole(t *rapid.T) backstay.Role {
	roles := backstay.BuiltInRoles()
	if rapid.Bool().Draw(t, "built in") {
		return rapid.SampledFrom(roles).Draw(t, "role")
	}
	own := backstay.Role{Record: backstay.Record{ID: "custom"}, Name: "Custom"}
	for _, row := range backstay.Permissions() {
		if rapid.Bool().Draw(t, string(row.Permission)) {
			own.Permissions = append(own.Permissions, row.Permission)
		}
	}
	return own
}

func drawHeld(t *rapid.T) held {
	role := drawRole(t)
	g := ExplainedGrant{Grant: rapid.StringN(8, 8, 8).Draw(t, "id"), Role: backstay.RoleName(role.ID), RoleName: role.Name, Scope: rapid.SampledFrom(somePlaces).Draw(t, "scope"),
		Effect: rapid.SampledFrom([]backstay.Effect{backstay.Allow, backstay.Allow, backstay.Allow, backstay.Deny}).Draw(t, "effect")}
	return held{g, backstay.Right{Role: role, Scope: g.Scope, Effect: g.Effect}}
}

// says is what an answer means for somebody in a session.
func says(a Answer, fresh bool) bool { return a == AnswerYes || a == AnswerFresh && fresh }

func TestWhatIsExplainedIsWhatIsDecided(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Custom(drawHeld), 0, 6).Draw(t, "grants")
		asDecided(t, all, rapid.SampledFrom(somePlaces).Draw(t, "at"))
	})
}

func TestEachRoleAloneIsExplainedAsItIsDecided(t *testing.T) {
	for _, role := range backstay.BuiltInRoles() {
		for _, scope := range somePlaces {
			for _, effect := range []backstay.Effect{backstay.Allow, backstay.Deny} {
				g := held{ExplainedGrant{Grant: "g", RoleName: role.Name, Scope: scope, Effect: effect}, backstay.Right{Role: role, Scope: scope, Effect: effect}}
				for _, at := range somePlaces {
					asDecided(t, []held{g}, at)
				}
			}
		}
	}
}

// asDecided fails the test unless all that is explained is what Decide says.
func asDecided(t rapid.TB, all []held, scope backstay.Scope) {
	e := explainRights(backstay.User{Record: backstay.Record{ID: "anna"}}, all, scope)
	if len(e.Permissions) != len(backstay.Permissions()) {
		t.Fatalf("%d permissions are explained", len(e.Permissions))
	}
	for _, p := range e.Permissions {
		for _, fresh := range []bool{false, true} {
			who := backstay.Actor{Kind: backstay.ActorUser, User: "anna", Rights: rightsOf(all), Fresh: fresh}
			if d := backstay.Decide(who, p.Permission, scope, "otto"); d.Allowed != says(p.Answer, fresh) || d.NeedFresh != (p.Answer == AnswerFresh && !fresh) {
				t.Fatalf("%s of others, confirmed %t: explained as %s, decided %+v", p.Permission, fresh, p.Answer, d)
			}
			if d := backstay.Decide(who, p.Permission, scope, "anna"); d.Allowed != says(p.Own, fresh) || d.NeedFresh != (p.Own == AnswerFresh && !fresh) {
				t.Fatalf("%s of their own, confirmed %t: explained as %s, decided %+v", p.Permission, fresh, p.Own, d)
			}
		}
		becauseOfThese(t, e, p, all)
	}
}

// becauseOfThese fails the test unless the grants that are named, and no others, make the answer.
func becauseOfThese(t rapid.TB, e Explained, p ExplainedPermission, all []held) {
	var named, gives []backstay.Right
	denied := false
	for _, r := range p.Because {
		right := all[slices.IndexFunc(all, func(h held) bool { return h.Grant == r.Grant })].right
		named = append(named, right)
		if r.Effect == backstay.Deny {
			denied = true
			continue
		}
		gives = append(gives, right)
		alone := backstay.Actor{User: "anna", Rights: []backstay.Right{right}}
		of := backstay.Decide(alone, p.Permission, e.Scope, "otto")
		own := backstay.Decide(alone, p.Permission, e.Scope, "anna")
		if r.OnlyOwn == (of.Allowed || of.NeedFresh) || r.Fresh != own.NeedFresh || !own.Allowed && !own.NeedFresh {
			t.Fatalf("%s: %+v alone gives %+v, and %+v of their own", p.Permission, r, of, own)
		}
	}
	who := backstay.Actor{User: "anna", Rights: named}
	if got := answer(who, p.Permission, e.Scope, "anna"); got != p.Own {
		t.Fatalf("%s is %s, and by the grants that are named %s", p.Permission, p.Own, got)
	}
	if denied != (p.Answer == AnswerDenied) || (len(gives) > 0 && !denied) != (p.Own == AnswerYes || p.Own == AnswerFresh) {
		t.Fatalf("%s is %s because of %+v", p.Permission, p.Answer, p.Because)
	}
}

func TestThePathAddsAndTakesUntilItIsWhatIsAllowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Custom(drawHeld), 0, 6).Draw(t, "grants")
		scope := rapid.SampledFrom(somePlaces).Draw(t, "at")
		e := explainRights(backstay.User{Record: backstay.Record{ID: "anna"}}, all, scope)
		var sum []backstay.Permission
		shown := 0
		for _, step := range e.Path {
			sum = append(without(sum, step.Takes), step.Adds...)
			shown += len(step.Grants)
		}
		for _, p := range e.Permissions {
			if slices.Contains(sum, p.Permission) != says(p.Own, true) {
				t.Fatalf("%s is %s, and the path says %t", p.Permission, p.Own, slices.Contains(sum, p.Permission))
			}
		}
		for _, h := range all {
			if h.Scope.Covers(scope) {
				shown--
			}
		}
		if shown != 0 || e.Path[0].Scope != "/" || e.Path[len(e.Path)-1].Scope != scope {
			t.Fatalf("the path %+v shows %d grants too many", e.Path, shown)
		}
	})
}

func TestWhoIsDisabledMayNothing(t *testing.T) {
	owner := held{ExplainedGrant{Grant: "g", Scope: "/", Effect: backstay.Allow}, backstay.Right{Role: backstay.BuiltInRoles()[0], Scope: "/", Effect: backstay.Allow}}
	for _, disabled := range []bool{false, true} {
		e := explainRights(backstay.User{Record: backstay.Record{ID: "anna"}, Disabled: disabled}, []held{owner}, "/project/a")
		for _, p := range e.Permissions {
			if (p.Own == AnswerNo) != disabled {
				t.Errorf("an owner, disabled %t: %s is %s", disabled, p.Permission, p.Own)
			}
		}
	}
}
