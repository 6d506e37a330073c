package backstay_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/backstay/backstay"
)

var update = flag.Bool("update", false, "write the golden files")

func builtIn(t testing.TB, name backstay.RoleName) backstay.Role {
	t.Helper()
	for _, r := range backstay.BuiltInRoles() {
		if r.ID == string(name) {
			return r
		}
	}
	t.Fatalf("there is no built-in role %q", name)
	return backstay.Role{}
}

// TestTheTableOfPermissionsIsAsItWasDecided compares with what was reviewed: a change of any cell is seen in the golden file.
func TestTheTableOfPermissionsIsAsItWasDecided(t *testing.T) {
	var text bytes.Buffer
	roles := backstay.BuiltInRoles()
	fmt.Fprintf(&text, "%-22s", "")
	for _, r := range roles {
		fmt.Fprintf(&text, " %s", r.ID)
	}
	for _, row := range backstay.Permissions() {
		fmt.Fprintf(&text, "\n%-22s", row.Permission)
		for _, r := range roles {
			fmt.Fprintf(&text, " %-*s", len(r.ID), row.Of(backstay.RoleName(r.ID)))
		}
	}
	lines := strings.Split(text.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	got := strings.Join(lines, "\n") + "\n"
	const golden = "testdata/permissions.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the permissions are no longer those of %s:\n%s", golden, got)
	}
}

func TestWhoMayReadWhatWasBackedUpIsNoneWhoRunsTheServerOrWatches(t *testing.T) {
	for _, role := range []backstay.RoleName{backstay.RoleSystemAdmin, backstay.RoleOperator, backstay.RoleViewer, backstay.RoleAuditor, backstay.RoleComplianceOfficer} {
		for _, p := range []backstay.Permission{backstay.ReadSnapshots, backstay.RestoreElsewhere} {
			if got := builtIn(t, role).Allowance(p); got != backstay.Never {
				t.Errorf("%s has %s: %s", role, p, got)
			}
		}
	}
}

func TestDecide(t *testing.T) {
	const one, two, src = backstay.Scope("/project/one"), backstay.Scope("/project/two"), backstay.Scope("/project/one/source/s")
	right := func(role backstay.RoleName, scope backstay.Scope, effect backstay.Effect) backstay.Right {
		return backstay.Right{Role: builtIn(t, role), Scope: scope, Effect: effect}
	}
	allow := func(role backstay.RoleName, scope backstay.Scope) backstay.Right {
		return right(role, scope, backstay.Allow)
	}
	token := func(within backstay.Scope, p ...backstay.Permission) *backstay.Token {
		return &backstay.Token{Permissions: p, Within: within}
	}
	yes, no, fresh := backstay.Decision{Allowed: true}, backstay.Decision{}, backstay.Decision{NeedFresh: true}
	for _, c := range []struct {
		name  string
		who   backstay.Actor
		p     backstay.Permission
		scope backstay.Scope
		owner string
		want  backstay.Decision
	}{
		{"without a grant nothing is allowed", backstay.Actor{User: "u"}, backstay.ReadSources, one, "", no},
		{"a role holds in its project", backstay.Actor{Rights: []backstay.Right{allow("viewer", one)}}, backstay.ReadSources, src, "", yes},
		{"a role holds in no other project", backstay.Actor{Rights: []backstay.Right{allow("project-admin", one)}}, backstay.ReadSources, two, "", no},
		{"a role holds in no project whose id begins alike", backstay.Actor{Rights: []backstay.Right{allow("project-admin", one)}}, backstay.ReadSources, one + "2", "", no},
		{"a role of a project doesn't hold for the server", backstay.Actor{Rights: []backstay.Right{allow("project-admin", one)}}, backstay.ReadUsers, backstay.System, "", no},
		{"a role everywhere holds everywhere", backstay.Actor{Rights: []backstay.Right{allow("operator", "/")}}, backstay.StartRuns, two, "", yes},
		{"a viewer starts nothing", backstay.Actor{Rights: []backstay.Right{allow("viewer", one)}}, backstay.StartRuns, one, "", no},
		{"roles add up", backstay.Actor{Rights: []backstay.Right{allow("viewer", one), allow("operator", one)}}, backstay.StartRuns, one, "", yes},
		{"what is denied is denied, whatever else is allowed", backstay.Actor{Rights: []backstay.Right{allow("project-admin", "/"), right("operator", one, backstay.Deny)}}, backstay.StartRuns, one, "", no},
		{"what is denied elsewhere is not denied here", backstay.Actor{Rights: []backstay.Right{allow("project-admin", "/"), right("operator", two, backstay.Deny)}}, backstay.StartRuns, one, "", yes},
		{"what the denied role doesn't have stays", backstay.Actor{Rights: []backstay.Right{allow("project-admin", "/"), right("viewer", one, backstay.Deny)}}, backstay.StartRuns, one, "", yes},
		{"what is denied for a source is denied there", backstay.Actor{Rights: []backstay.Right{allow("operator", one), right("operator", src, backstay.Deny)}}, backstay.StartRuns, src, "", no},
		{"what is dangerous asks for a confirmation", backstay.Actor{Rights: []backstay.Right{allow("owner", "/")}}, backstay.ManageUsers, backstay.System, "", fresh},
		{"what is dangerous is allowed once confirmed", backstay.Actor{Fresh: true, Rights: []backstay.Right{allow("owner", "/")}}, backstay.ManageUsers, backstay.System, "", yes},
		{"a member has what is theirs", backstay.Actor{User: "u", Rights: []backstay.Right{allow("member", one)}}, backstay.ReadSources, src, "u", yes},
		{"a member has nothing of others", backstay.Actor{User: "u", Rights: []backstay.Right{allow("member", one)}}, backstay.ReadSources, src, "v", no},
		{"a member has nothing of nobody", backstay.Actor{Rights: []backstay.Right{allow("member", one)}}, backstay.ReadSources, src, "", no},
		{"a member has the source that the grant names", backstay.Actor{User: "u", Rights: []backstay.Right{allow("member", src)}}, backstay.ReadSources, src, "v", yes},
		{"a member restores over the original once confirmed", backstay.Actor{User: "u", Rights: []backstay.Right{allow("member", src)}}, backstay.RestoreInPlace, src, "", fresh},
		{"a token does what it names", backstay.Actor{Token: token("", backstay.ReadSources), Rights: []backstay.Right{allow("owner", "/")}}, backstay.ReadSources, one, "", yes},
		{"a token does nothing that it doesn't name", backstay.Actor{Token: token("", backstay.ReadSources), Rights: []backstay.Right{allow("owner", "/")}}, backstay.StartRuns, one, "", no},
		{"a token does nothing elsewhere", backstay.Actor{Token: token(two, backstay.ReadSources), Rights: []backstay.Right{allow("owner", "/")}}, backstay.ReadSources, one, "", no},
		{"a token does nothing that its owner may not", backstay.Actor{Token: token("", backstay.StartRuns), Rights: []backstay.Right{allow("viewer", "/")}}, backstay.StartRuns, one, "", no},
		{"a token does nothing dangerous", backstay.Actor{Fresh: true, Token: token("", backstay.ManageUsers), Rights: []backstay.Right{allow("owner", "/")}}, backstay.ManageUsers, backstay.System, "", no},
		{"there is no unknown permission", backstay.Actor{Fresh: true, Rights: []backstay.Right{allow("owner", "/")}}, "everything", one, "", no},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := backstay.Decide(c.who, c.p, c.scope, c.owner); got != c.want {
				t.Errorf("Decide(%s, %s, owner %q) = %+v, want %+v", c.p, c.scope, c.owner, got, c.want)
			}
		})
	}
}

var (
	anyScope = rapid.SampledFrom([]backstay.Scope{"/", "/system", "/project/a", "/project/ab", "/project/b", "/project/a/source/s", "/project/a/source/t", "/project/a/source/s/module/m", "/project/b/repository/r"})
	anyUser  = rapid.SampledFrom([]string{"", "u", "v"})
	anyPerm  = rapid.Custom(func(t *rapid.T) backstay.Permission {
		return rapid.SampledFrom(backstay.Permissions()).Draw(t, "row").Permission
	})
	anyRole = rapid.Custom(func(t *rapid.T) backstay.Role {
		if rapid.Bool().Draw(t, "custom") {
			return backstay.Role{Record: backstay.Record{ID: "custom"}, Permissions: rapid.SliceOfN(anyPerm, 1, 5).Draw(t, "permissions")}
		}
		return rapid.SampledFrom(backstay.BuiltInRoles()).Draw(t, "role")
	})
	anyRight = rapid.Custom(func(t *rapid.T) backstay.Right {
		effect := rapid.SampledFrom([]backstay.Effect{backstay.Allow, backstay.Allow, backstay.Deny}).Draw(t, "effect")
		return backstay.Right{Role: anyRole.Draw(t, "role"), Scope: anyScope.Draw(t, "granted in"), Effect: effect}
	})
	anyActor = rapid.Custom(func(t *rapid.T) backstay.Actor {
		who := backstay.Actor{User: anyUser.Draw(t, "user"), Fresh: rapid.Bool().Draw(t, "fresh"), Rights: rapid.SliceOfN(anyRight, 0, 4).Draw(t, "rights")}
		if rapid.Bool().Draw(t, "token") {
			who.Token = &backstay.Token{Permissions: rapid.SliceOfN(anyPerm, 1, 10).Draw(t, "of token"), Within: rapid.SampledFrom([]backstay.Scope{"", "/", "/project/a", "/project/a/source/s"}).Draw(t, "within")}
		}
		return who
	})
)

func TestWhateverIsGranted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		who, p, scope, owner := anyActor.Draw(t, "who"), anyPerm.Draw(t, "p"), anyScope.Draw(t, "scope"), anyUser.Draw(t, "owner")
		decided := backstay.Decide(who, p, scope, owner)

		more := who
		more.Rights = append(slices.Clone(who.Rights), anyRight.Draw(t, "one more"))
		if last := &more.Rights[len(more.Rights)-1]; last.Effect == backstay.Allow && decided.Allowed && !backstay.Decide(more, p, scope, owner).Allowed {
			t.Fatalf("a grant of %s takes %s", last.Role.ID, p)
		}

		more.Rights[len(more.Rights)-1] = backstay.Right{Role: backstay.Role{Permissions: []backstay.Permission{p}}, Scope: scope, Effect: backstay.Deny}
		if got := backstay.Decide(more, p, scope, owner); got.Allowed || got.NeedFresh {
			t.Fatalf("%s is denied, and Decide = %+v", p, got)
		}

		if who.Token != nil {
			person := who
			person.Token = nil
			if decided.Allowed && !backstay.Decide(person, p, scope, owner).Allowed {
				t.Fatalf("the token may %s, its owner may not", p)
			}
		}

		allowed, denied := backstay.ReachOf(who, p)
		reached := slices.ContainsFunc(allowed, func(r backstay.Reach) bool {
			return r.Scope.Covers(scope) && (r.Owner == "" || r.Owner == owner)
		}) && !slices.ContainsFunc(denied, func(s backstay.Scope) bool { return s.Covers(scope) })
		if reached != decided.Allowed {
			t.Fatalf("ReachOf(%s) = %v but not %v, which is %v of %s owned by %q; Decide = %+v", p, allowed, denied, reached, scope, owner, decided)
		}
	})
}
