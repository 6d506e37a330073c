package web

import (
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// names looks up what things are called, each once. What is gone, or not for the person to see, is called by its kind alone.
type names struct {
	v     *visit
	known map[string]string // by kind and id
}

// names are those of this visit.
func (v *visit) names() *names {
	if v.called == nil {
		v.called = &names{v, map[string]string{}}
	}
	return v.called
}

// once looks a name up unless it was before.
func (n *names) once(kind, id string, look func() string) string {
	name, ok := n.known[kind+"/"+id]
	if !ok {
		name = look()
		n.known[kind+"/"+id] = name
	}
	return name
}

// named is the name of a noun; otherwise what it is called without one. Nobody is asked about what the person may not see: the refusal would
// be in the audit trail.
func named[T any, P record[T]](n *names, noun *app.Noun[T, P], id string, may bool, name func(P) string, otherwise string) string {
	return n.once(noun.Kind, id, func() string {
		if !may || id == "" {
			return otherwise
		}
		x, err := noun.Find(n.v.ctx, n.v.who, id)
		if err != nil {
			return otherwise
		}
		return name(&x)
	})
}

func (n *names) person(id string) string {
	return named(n, n.v.App.Users, id, n.v.somewhere(backstay.ReadUsers), func(u *backstay.User) string { return u.Name }, "a person who is gone")
}

func (n *names) group(id string) string {
	return named(n, n.v.App.Groups, id, n.v.somewhere(backstay.ReadUsers), func(g *backstay.Group) string { return g.Name }, "a group that is gone")
}

func (n *names) role(role backstay.RoleName) string {
	return named(n, n.v.App.Roles, string(role), true, func(r *backstay.Role) string { return r.Name }, "a role that is gone")
}

func (n *names) channel(id string) string {
	return named(n, n.v.App.Channels, id, n.v.somewhere(backstay.ManageChannels), func(c *backstay.Channel) string { return c.Name }, "a channel that is gone")
}

// subject is who a grant is for.
func (n *names) subject(kind backstay.SubjectKind, id string) string {
	if kind == backstay.SubjectGroup {
		return n.group(id)
	}
	return n.person(id)
}

// project is the name of a project; "" stands for the server itself.
func (n *names) project(id string) string {
	if id == "" {
		return "The server"
	}
	may := n.v.may(backstay.ReadSources, backstay.ProjectScope(id), "")
	return named(n, n.v.App.Projects, id, may, func(p *backstay.Project) string { return p.Name }, "a project")
}

// place says in words where something lies, such as "Module Finance of ERP, in Default".
func (n *names) place(scope backstay.Scope) string {
	steps := strings.Split(strings.TrimPrefix(string(scope), "/"), "/")
	switch {
	case scope == backstay.Everywhere:
		return "Everywhere"
	case scope == backstay.System:
		return "The server itself"
	case len(steps) == 2 && steps[0] == "project":
		return "Project " + n.project(steps[1])
	case len(steps) == 4 && steps[0] == "project":
		return upper(steps[2]) + " " + n.thing(steps[2], steps[3], scope) + ", in " + n.project(steps[1])
	case len(steps) == 6 && steps[0] == "project":
		return upper(steps[4]) + " " + n.thing(steps[4], steps[5], scope) + " of " + n.thing(steps[2], steps[3], scope) + ", in " + n.project(steps[1])
	}
	return string(scope)
}

// thing is the name of something that rights are given in.
func (n *names) thing(kind, id string, scope backstay.Scope) string {
	may := n.v.may(backstay.ReadSources, scope, "")
	switch kind {
	case "source":
		return named(n, n.v.App.Sources, id, may, func(s *backstay.Source) string { return s.Name }, id)
	case "module":
		return named(n, n.v.App.Modules, id, may, func(m *backstay.Module) string { return m.Name }, id)
	case "repository":
		return named(n, n.v.App.Repositories, id, may, func(r *backstay.Repository) string { return r.Name }, id)
	case "storage":
		return named(n, n.v.App.Storages, id, may, func(s *backstay.Storage) string { return s.Name }, id)
	case "plan":
		return named(n, n.v.App.Plans, id, may, func(p *backstay.Plan) string { return p.Name }, id)
	}
	return id
}
