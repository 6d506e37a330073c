package backstay

import "slices"

// ActorKind is what sort of somebody acts.
type ActorKind string

// The kinds of actors.
const (
	ActorNobody ActorKind = "nobody" // who has not signed in
	ActorUser   ActorKind = "user"   // a person, in a session
	ActorToken  ActorKind = "token"  // a program of a person, with an API token
	ActorSystem ActorKind = "system" // the server by itself: its clock, its workers
)

// Actor is who asks for something, with all that decides whether they may. It is made anew for each request, so that rights that were
// taken are gone with the next one.
type Actor struct {
	Kind    ActorKind
	User    string // id; "" for nobody and the system
	Name    string // for the audit trail, which outlives the person
	Session string // id of the session; "" without one
	Token   *Token // of a program; nil otherwise
	Rights  []Right
	Fresh   bool   // the sign-in was confirmed just now
	MFA     bool   // a second factor was part of the sign-in
	Method  string // how they signed in: "password", "passkey", "oidc", "token"
	Limited bool   // a second factor is demanded that they don't have yet: nothing is possible but setting it up, and for a token nothing at all
	From    Origin
}

// Origin is where a request came from.
type Origin struct {
	IP        string
	UserAgent string
	Request   string // id of the request, as in the logs
}

// Server is the server itself, acting on its own. It may do everything that its own code asks for.
var Server = Actor{Kind: ActorSystem, Name: "backstay", Rights: []Right{{Role: BuiltInRoles()[0], Scope: Everywhere, Effect: Allow}}, Fresh: true}

// Has reports whether the actor was granted a built-in role everywhere.
func (a Actor) Has(role RoleName) bool {
	return slices.ContainsFunc(a.Rights, func(r Right) bool {
		return r.Effect == Allow && r.Scope == Everywhere && r.Role.BuiltIn && r.Role.ID == string(role)
	})
}
