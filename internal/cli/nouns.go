package cli

import (
	"encoding/json"
	"reflect"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/cli/fields"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/internal/client"
)

// noun is a kind of thing on the server that commands handle as they do all of them.
type noun struct {
	client.Noun[json.RawMessage]
	one             string // as in "backstay plan"
	help            string // what one is
	example         string // the flags of a create
	form            reflect.Type
	columns         []column
	verbs           []string          // of the five
	names           map[string]string // fields that hold ids, and the path of the noun whose they are: a name is taken there too
	nameless, whole bool              // they have no names; their list has no pages
}

// column is a field as it is shown in a list.
type column struct {
	title, field string
	text         func(json.RawMessage) string // by default fields.Text
}

var allVerbs = []string{"list", "show", "create", "update", "delete"}

func (n noun) has(verb string) bool { return slices.Contains(n.verbs, verb) }

// nouns is the table of those that the command line knows.
func nouns() []noun {
	name, id := column{"Name", "name", nil}, column{"ID", "id", nil}
	project := map[string]string{"project": "projects"}
	path := func(path string) client.Noun[json.RawMessage] { return client.Noun[json.RawMessage]{Path: path} }
	return []noun{
		{Noun: path("projects"), one: "project", help: "keeps what is backed up, and who may do what with it, apart from the rest", example: "--set name=Office",
			form: reflect.TypeFor[backstay.Project](), columns: []column{name, {"Help", "help", nil}, id}, verbs: allVerbs},
		{Noun: path("sources"), one: "source", help: "is something that is protected, such as folders", example: "--set project=Office --set name=letters --set kind=files --set settings.paths=/srv/letters",
			form: reflect.TypeFor[backstay.Source](), columns: []column{name, {"Kind", "kind", nil}, {"Settings", "settings", nil}, id}, verbs: allVerbs, names: project},
		{Noun: path("modules"), one: "module", help: "is a part of a source that is backed up and granted as one", example: "--set project=Office --set source=letters --set name=2026 --set paths=/srv/letters/2026",
			form: reflect.TypeFor[backstay.Module](), columns: []column{name, {"Paths", "paths", nil}, {"Source", "source", nil}, id}, verbs: allVerbs,
			names: map[string]string{"project": "projects", "source": "sources"}},
		{Noun: path("storages"), one: "storage", help: "is a place that holds repositories", example: "--set project=Office --set name=disk --set location=/mnt/backup",
			form: reflect.TypeFor[backstay.Storage](), columns: []column{name, {"Location", "location", nil}, {">Limit", "limit", size}, id}, verbs: allVerbs, names: project},
		{Noun: path("repositories"), one: "repository", help: "is a store of snapshots within a storage, with a password", example: "--set project=Office --set storage=disk --set name=main --set path=main --set password=@FILE",
			form: reflect.TypeFor[backstay.Repository](), columns: []column{name, {"Path", "path", nil}, {">Snapshots", "snapshots", nil}, {">Size", "bytes", size}, {"Verified", "verified_at", moment}, id},
			verbs: allVerbs, names: map[string]string{"project": "projects", "storage": "storages"}},
		{Noun: path("plans"), one: "plan", help: "says what is backed up to where, when, and how long it is kept",
			example: "--set project=Office --set name=nightly --set sources=letters --set repositories=main --set schedule.every=day --set schedule.at=02:00 --set active=true",
			form:    reflect.TypeFor[backstay.Plan](), columns: []column{name, {"Active", "active", nil}, {"When", "when", nil}, {"Next", "next_at", moment}, id}, verbs: allVerbs,
			names: map[string]string{"project": "projects", "sources": "sources", "modules": "modules", "repositories": "repositories"}},
		{Noun: path("runs"), one: "run", help: "is one execution of a plan, or of something else that takes time",
			form: reflect.TypeFor[backstay.Run](), columns: []column{id, {"Kind", "kind", nil}, {"State", "state", nil}, {"Due", "due_at", moment}, {"Ended", "ended_at", moment},
				{">Files", "figures.files", nil}, {">Size", "figures.bytes", size}, {"Plan", "plan", nil}},
			verbs: []string{"list", "show"}, nameless: true, names: map[string]string{"project": "projects", "plan": "plans", "sources": "sources", "repositories": "repositories"}},
		{Noun: path("users"), one: "user", help: "is a person with an account", example: "--set name='Ada Lovelace' --set email=ada@example.org",
			form: reflect.TypeFor[backstay.User](), columns: []column{name, {"E-mail", "email", nil}, {"Disabled", "disabled", nil}, {"2nd factor", "mfa", nil}, {"Last seen", "last_seen_at", moment}, id}, verbs: allVerbs},
		{Noun: path("groups"), one: "group", help: "is a set of people that rights are granted to as one", example: "--set name=Staff --set members='Ada Lovelace'",
			form: reflect.TypeFor[backstay.Group](), columns: []column{name, {"Help", "help", nil}, id}, verbs: allVerbs, names: map[string]string{"members": "users"}},
		{Noun: path("roles"), one: "role", help: "is a set of permissions that is granted as one", example: "--set name=Starter --set permissions=source.read,run.start",
			form: reflect.TypeFor[backstay.Role](), columns: []column{name, {"Built in", "built_in", nil}, id}, verbs: allVerbs},
		{Noun: path("grants"), one: "grant", help: "gives a role to a person or group within a scope", example: "--set subject_kind=user --set subject=ada@example.org --set role=viewer --set scope=/",
			form: reflect.TypeFor[backstay.Grant](), columns: []column{{"For", "subject_kind", nil}, {"Subject", "subject", nil}, {"Role", "role", nil}, {"Scope", "scope", nil}, {"Effect", "effect", nil}, id},
			verbs: allVerbs, nameless: true, names: map[string]string{"subject": "users"}},
		{Noun: path("tokens"), one: "token", help: "lets a program act for you", example: "--set name=monitoring --set permissions=source.read,report.read --set expires_at=2027-06-30",
			form: reflect.TypeFor[backstay.Token](), columns: []column{name, {"Permissions", "permissions", nil}, {"Expires", "expires_at", moment}, {"Last used", "last_used_at", moment}, id},
			verbs: []string{"list", "create", "delete"}, whole: true},
	}
}

func nounOf(one string) noun {
	all := nouns()
	return all[slices.IndexFunc(all, func(n noun) bool { return n.one == one })]
}

// size shows a number of bytes.
func size(v json.RawMessage) string {
	var n int64
	if json.Unmarshal(v, &n) != nil || n == 0 {
		return ""
	}
	return show.Size(n)
}

// moment shows a time in the zone of whoever reads it.
func moment(v json.RawMessage) string {
	var t time.Time
	if json.Unmarshal(v, &t) != nil || t.IsZero() {
		return ""
	}
	return show.Time(t.Local())
}

// cell is what a list shows of an object.
func (c column) cell(object json.RawMessage) string {
	v := fields.Get(object, c.field)
	switch {
	case v == nil || string(v) == "null":
		return ""
	case c.text != nil:
		return c.text(v)
	}
	return fields.Text(v)
}

// newNoun returns the command of a noun, with the five that all have and those that only it has.
func (p *program) newNoun(one string, more ...*cobra.Command) *cobra.Command {
	n := nounOf(one)
	cmd := &cobra.Command{
		Use:     n.one,
		Short:   "Look after the " + n.Path + " of a server",
		Long:    "Look after the " + n.Path + " of the server that you are signed in at. A " + n.one + " " + n.help + ".",
		Example: "  backstay " + n.one + " list",
		Args:    subcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	p.addNoun(cmd, n)
	cmd.AddCommand(more...)
	return withCodes(cmd, 0, 2)
}

// addNoun adds the commands that all nouns have alike.
func (p *program) addNoun(cmd *cobra.Command, n noun) {
	for verb, make := range map[string]func(noun) *cobra.Command{"list": p.newNounList, "show": p.newNounShow, "create": p.newNounCreate, "update": p.newNounUpdate, "delete": p.newNounDelete} {
		if n.has(verb) {
			cmd.AddCommand(withCodes(make(n), 0, 1, 2, 5, 6))
		}
	}
}
