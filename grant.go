package backstay

// Effect is what a grant does.
type Effect string

// The effects: grants that allow add up, and one that denies wins over all of them.
const (
	Allow Effect = "allow"
	Deny  Effect = "deny"
)

// SubjectKind is who a grant is for.
type SubjectKind string

// The kinds of subjects.
const (
	SubjectUser  SubjectKind = "user"
	SubjectGroup SubjectKind = "group"
)

// Grant gives a role to somebody within a scope, or takes what the role allows from them.
type Grant struct {
	Record
	SubjectKind SubjectKind `json:"subject_kind" enum:"user,group" doc:"Who it is for"`
	Subject     string      `json:"subject" doc:"The id of the person or group"`
	Role        RoleName    `json:"role" doc:"A built-in role or the id of a custom one"`
	Scope       Scope       `json:"scope" doc:"Where it holds: / is everywhere, /project/ID, /project/ID/source/ID"`
	Effect      Effect      `json:"effect,omitempty" enum:"allow,deny" default:"allow" doc:"deny takes what the role allows, and wins"`
}

// Check says what is wrong with the form of a grant.
func (g Grant) Check() error {
	if g.SubjectKind != SubjectUser && g.SubjectKind != SubjectGroup {
		return Errorf(Invalid, "a grant is for a user or a group, not for a %q", g.SubjectKind).OnField("subject_kind")
	}
	if g.Effect != Allow && g.Effect != Deny {
		return Errorf(Invalid, "the effect of a grant is allow or deny, not %q", g.Effect).OnField("effect")
	}
	return g.Scope.Check()
}

// Right is a grant of an actor with its role looked up.
type Right struct {
	Role   Role
	Scope  Scope
	Effect Effect
}

// Decision is the answer to the question whether somebody may do something.
type Decision struct {
	Allowed   bool
	NeedFresh bool // the rights are there, but the sign-in has to be confirmed first; Allowed is false then
}

// Decide answers whether who may do p to something in a scope that belongs to owner ("" for nobody). It is the only place that decides.
func Decide(who Actor, p Permission, scope Scope, owner string) Decision {
	best := Decision{}
	for _, right := range who.Rights {
		if right.Effect == Deny && right.Scope.Covers(scope) && right.Role.Allowance(p) != Never {
			return Decision{}
		}
		if right.Effect == Allow && right.Scope.Covers(scope) {
			best = best.or(decideOne(who, right, p, owner))
		}
	}
	if best.Allowed && who.Token != nil && !who.Token.Allows(p, scope) {
		return Decision{}
	}
	return best
}

// decideOne is what one grant says. Whether it is in scope was asked before.
func decideOne(who Actor, right Right, p Permission, owner string) Decision {
	allowance := right.Role.Allowance(p)
	own := right.Scope.IsWithinProject() || owner != "" && owner == who.User
	switch {
	case allowance == Always, allowance == Own && own:
		return Decision{Allowed: true}
	case allowance == Fresh, allowance == OwnFresh && own:
		if who.Token != nil {
			return Decision{}
		}
		return Decision{Allowed: who.Fresh, NeedFresh: !who.Fresh}
	default:
		return Decision{}
	}
}

// or is the more generous of two decisions.
func (d Decision) or(other Decision) Decision {
	if d.Allowed || other.Allowed {
		return Decision{Allowed: true}
	}
	return Decision{NeedFresh: d.NeedFresh || other.NeedFresh}
}

// Reach is a region in which somebody has a permission, for questions about many things at once.
type Reach struct {
	Scope Scope
	Owner string // if set, only what belongs to this person
}

// ReachOf returns where who has p, and where it is denied. What is within a denied scope is out of reach. A confirmed sign-in that p asks
// for counts as missing unless it is there.
func ReachOf(who Actor, p Permission) (allowed []Reach, denied []Scope) {
	for _, right := range who.Rights {
		allowance := right.Role.Allowance(p)
		switch {
		case allowance == Never:
		case right.Effect == Deny:
			denied = append(denied, right.Scope)
		case decideOne(who, right, p, "").Allowed:
			allowed = append(allowed, Reach{Scope: right.Scope})
		case who.User != "" && decideOne(who, right, p, who.User).Allowed:
			allowed = append(allowed, Reach{Scope: right.Scope, Owner: who.User})
		}
	}
	if who.Token != nil {
		allowed = who.Token.narrow(p, allowed)
	}
	return allowed, denied
}
