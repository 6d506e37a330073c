package app

import (
	"context"
	"slices"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// Answer is what a person is told who asks whether somebody may do something.
type Answer string

// The answers.
const (
	AnswerYes    Answer = "yes"
	AnswerFresh  Answer = "fresh"  // in a session, after the sign-in was confirmed
	AnswerNo     Answer = "no"     // no grant gives it
	AnswerDenied Answer = "denied" // a grant takes it, whatever the others give
)

// Explained is what somebody may do at a place, and why.
type Explained struct {
	User        string                `json:"user"`
	Name        string                `json:"name"`
	Scope       backstay.Scope        `json:"scope"`
	Disabled    bool                  `json:"disabled" doc:"The account is disabled: they may do nothing, whatever is granted to them"`
	NeedsFactor bool                  `json:"needs_factor" doc:"One of their roles demands a second factor, which they don't have: until they set one up they may do nothing of it"`
	Permissions []ExplainedPermission `json:"permissions"`
	Path        []ExplainedPlace      `json:"path" doc:"From everywhere down to the place, what the grants of each step change"`
}

// ExplainedPermission is the answer about one permission.
type ExplainedPermission struct {
	Permission backstay.Permission `json:"permission"`
	Title      string              `json:"title" doc:"What one may do with it"`
	Answer     Answer              `json:"answer" enum:"yes,fresh,no,denied" doc:"fresh is after a confirmed sign-in, and never for a token"`
	Own        Answer              `json:"own" enum:"yes,fresh,no,denied" doc:"The answer about what they own there"`
	Because    []ExplainedReason   `json:"because" doc:"The grants that give it or take it"`
}

// ExplainedReason is how a grant bears upon one permission.
type ExplainedReason struct {
	ExplainedGrant
	OnlyOwn bool `json:"only_own" doc:"It gives it for what they own alone"`
	Fresh   bool `json:"fresh" doc:"It asks for a confirmed sign-in"`
}

// ExplainedGrant is a grant that somebody has, by themselves or by a group.
type ExplainedGrant struct {
	Grant     string            `json:"grant" doc:"Its id"`
	Role      backstay.RoleName `json:"role"`
	RoleName  string            `json:"role_name"`
	Scope     backstay.Scope    `json:"scope"`
	Effect    backstay.Effect   `json:"effect" enum:"allow,deny"`
	Group     string            `json:"group,omitempty" doc:"The id of the group by which they have it; none: it is their own"`
	GroupName string            `json:"group_name,omitempty"`
}

// ExplainedPlace is one step of the way to a place.
type ExplainedPlace struct {
	Scope  backstay.Scope        `json:"scope"`
	Grants []ExplainedGrant      `json:"grants" doc:"Those for just this scope"`
	Adds   []backstay.Permission `json:"adds" doc:"What they may do here, be it with what they own alone, and not one step above"`
	Takes  []backstay.Permission `json:"takes" doc:"What they may do one step above, and not here"`
}

// held is a grant with what it stands for.
type held struct {
	ExplainedGrant
	right backstay.Right
}

// ExplainRights tells what a person may do at a place, and which grants say so. People may ask about themselves; about others, who may see
// people there: they learn of the grants of wider scopes too, as far as these hold at that place.
func (a *App) ExplainRights(ctx context.Context, who backstay.Actor, user string, scope backstay.Scope) (e Explained, err error) {
	err = a.look(ctx, who, "user.rights-explained", func(t *task) error {
		u, err := t.personToExplain(user, scope)
		if err != nil {
			return err
		}
		set, err := t.tx.Settings(ctx)
		if err != nil {
			return err
		}
		all, err := t.heldBy(u)
		if err != nil {
			return err
		}
		e = explainRights(u, all, scope)
		e.NeedsFactor = !u.MFA && demandsMFA(set, rightsOf(all))
		return nil
	})
	return e, err
}

// personToExplain finds somebody about whose rights the actor may ask. A token asks as it does about anybody else.
func (t *task) personToExplain(user string, scope backstay.Scope) (u backstay.User, err error) {
	if user == t.who.User && t.who.Token == nil {
		if err := t.free(); err != nil {
			return u, err
		}
		if u, err = db.Find[backstay.User](t.ctx, t.tx, user); err != nil {
			return u, err
		}
		return u, scope.Check()
	}
	if u, err = t.app.Users.find(t, user); err != nil {
		return u, err
	}
	if err := scope.Check(); err != nil {
		return u, err
	}
	return u, t.allow(backstay.ReadUsers, scope, "")
}

// heldBy returns the grants of a person, as a sign-in finds them.
func (t *task) heldBy(u backstay.User) (all []held, err error) {
	grants, rights, err := t.tx.GrantsOf(t.ctx, u.ID)
	if err != nil {
		return nil, err
	}
	for i, g := range grants {
		h := held{ExplainedGrant{Grant: g.ID, Role: g.Role, RoleName: rights[i].Role.Name, Scope: g.Scope, Effect: g.Effect}, rights[i]}
		if g.SubjectKind == backstay.SubjectGroup {
			group, err := db.Find[backstay.Group](t.ctx, t.tx, g.Subject)
			if err != nil {
				return nil, err
			}
			h.Group, h.GroupName = group.ID, group.Name
		}
		all = append(all, h)
	}
	return all, nil
}

func rightsOf(all []held) (rights []backstay.Right) {
	for _, h := range all {
		rights = append(rights, h.right)
	}
	return rights
}

// explainRights asks Decide about each permission there is.
func explainRights(u backstay.User, all []held, scope backstay.Scope) Explained {
	e := Explained{User: u.ID, Name: u.Name, Scope: scope, Disabled: u.Disabled}
	person := backstay.Actor{Kind: backstay.ActorUser, User: u.ID, Name: u.Name}
	if !u.Disabled { // who is disabled has no session, and so no rights
		person.Rights = rightsOf(all)
	}
	for _, row := range backstay.Permissions() {
		because := because(all, row.Permission, scope)
		e.Permissions = append(e.Permissions, ExplainedPermission{Permission: row.Permission, Title: row.Title, Because: because,
			Answer: answer(person, row.Permission, scope, ""), Own: answer(person, row.Permission, scope, u.ID)})
	}
	var above []backstay.Permission
	for _, step := range steps(scope) {
		here := allowedAt(person, step)
		e.Path = append(e.Path, ExplainedPlace{Scope: step, Grants: grantsOf(all, step), Adds: without(here, above), Takes: without(above, here)})
		above = here
	}
	return e
}

// answer is Decide's decision about a person whose sign-in was not confirmed just now.
func answer(person backstay.Actor, p backstay.Permission, scope backstay.Scope, owner string) Answer {
	d := backstay.Decide(person, p, scope, owner)
	switch {
	case d.Allowed:
		return AnswerYes
	case d.NeedFresh:
		return AnswerFresh
	case (&task{who: person}).denied(p, scope):
		return AnswerDenied
	}
	return AnswerNo
}

// because are the grants that bear upon a permission at a place.
func because(all []held, p backstay.Permission, scope backstay.Scope) []ExplainedReason {
	because := []ExplainedReason{}
	for _, h := range all {
		allowance := h.right.Role.Allowance(p)
		if allowance == backstay.Never || !h.right.Scope.Covers(scope) {
			continue
		}
		r := ExplainedReason{ExplainedGrant: h.ExplainedGrant}
		if h.Effect == backstay.Allow {
			r.OnlyOwn = (allowance == backstay.Own || allowance == backstay.OwnFresh) && !h.right.Scope.IsWithinProject()
			r.Fresh = allowance == backstay.Fresh || allowance == backstay.OwnFresh
		}
		because = append(because, r)
	}
	return because
}

// steps are the scopes from everywhere down to one.
func steps(scope backstay.Scope) []backstay.Scope {
	all := []backstay.Scope{backstay.Everywhere}
	if scope == backstay.Everywhere || scope == backstay.System {
		return slices.Compact(append(all, scope))
	}
	parts := strings.Split(strings.TrimPrefix(string(scope), "/"), "/")
	for i := 2; i <= len(parts); i += 2 {
		all = append(all, backstay.Scope("/"+strings.Join(parts[:i], "/")))
	}
	return all
}

// allowedAt is what a person may do at a place, if need be with a confirmed sign-in and with what they own alone.
func allowedAt(person backstay.Actor, scope backstay.Scope) (all []backstay.Permission) {
	person.Fresh = true
	for _, row := range backstay.Permissions() {
		if backstay.Decide(person, row.Permission, scope, person.User).Allowed {
			all = append(all, row.Permission)
		}
	}
	return all
}

func grantsOf(all []held, scope backstay.Scope) []ExplainedGrant {
	grants := []ExplainedGrant{}
	for _, h := range all {
		if h.Scope == scope {
			grants = append(grants, h.ExplainedGrant)
		}
	}
	return grants
}

// without returns those of some permissions that are not among others.
func without(some, others []backstay.Permission) []backstay.Permission {
	left := []backstay.Permission{}
	for _, p := range some {
		if !slices.Contains(others, p) {
			left = append(left, p)
		}
	}
	return left
}
