package backstay

import "strings"

// Scope is where a grant holds: "/" is everywhere, "/system" the server itself, "/project/P" a project with all in it,
// "/project/P/source/S" a source with all its snapshots, and so on, a kind and an id for each step.
type Scope string

// The scopes that belong to nothing in particular.
const (
	Everywhere Scope = "/"
	System     Scope = "/system"
)

// ProjectScope is the scope of a project.
func ProjectScope(id string) Scope { return Scope("/project/" + id) }

// Of returns the scope of something within s.
func (s Scope) Of(kind, id string) Scope {
	return Scope(strings.TrimSuffix(string(s), "/") + "/" + kind + "/" + id)
}

// Covers reports whether what holds in s holds in other, too.
func (s Scope) Covers(other Scope) bool {
	return s == Everywhere || s == other || strings.HasPrefix(string(other), string(s)+"/")
}

// Project is the id of the project that the scope lies in; "" if it lies in none.
func (s Scope) Project() string {
	rest, ok := strings.CutPrefix(string(s), "/project/")
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(rest, "/")
	return id
}

// IsWithinProject reports whether the scope is narrower than a project.
func (s Scope) IsWithinProject() bool {
	id := s.Project()
	return id != "" && s != ProjectScope(id)
}

// Check says what is wrong with the form of a scope that somebody wrote.
func (s Scope) Check() error {
	if s == Everywhere || s == System {
		return nil
	}
	steps := strings.Split(strings.TrimPrefix(string(s), "/"), "/")
	good := strings.HasPrefix(string(s), "/project/") && len(steps)%2 == 0
	for _, step := range steps {
		good = good && step != "" && step == strings.TrimSpace(step) && !strings.ContainsAny(step, "%\\")
	}
	if !good {
		return Errorf(Invalid, "scope %q has no known form", string(s)).WithHint(`Give "/" for everywhere, "/project/ID", or "/project/ID/source/ID".`).OnField("scope")
	}
	return nil
}
