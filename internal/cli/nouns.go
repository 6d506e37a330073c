package cli

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
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
	one             string // what one is called, as in "backstay plan"
	word            string // the command, where it isn't called the same
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

// command is how the noun is called on the command line.
func (n noun) command() string { return cmp.Or(n.word, n.one) }

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
			form: reflect.TypeFor[backstay.Storage](), columns: []column{name, {"Location", "location", nil}, {">Limit", "limit", sized}, id}, verbs: allVerbs, names: project},
		{Noun: path("repositories"), one: "repository", help: "is a store of snapshots within a storage, with a password", example: "--set project=Office --set storage=disk --set name=main --set path=main --set password=@FILE",
			form: reflect.TypeFor[backstay.Repository](), columns: []column{name, {"Path", "path", nil}, {">Snapshots", "snapshots", nil}, {">Size", "bytes", sized}, {"Verified", "verified_at", moment}, id},
			verbs: allVerbs, names: map[string]string{"project": "projects", "storage": "storages"}},
		{Noun: path("plans"), one: "plan", help: "says what is backed up to where, when, and how long it is kept",
			example: "--set project=Office --set name=nightly --set sources=letters --set repositories=main --set schedule.every=day --set schedule.at=02:00 --set active=true",
			form:    reflect.TypeFor[backstay.Plan](), columns: []column{name, {"Active", "active", nil}, {"When", "when", nil}, {"Next", "next_at", moment}, id}, verbs: allVerbs,
			names: map[string]string{"project": "projects", "sources": "sources", "modules": "modules", "repositories": "repositories"}},
		{Noun: path("runs"), one: "run", help: "is one execution of a plan, or of something else that takes time",
			form: reflect.TypeFor[backstay.Run](), columns: []column{id, {"Kind", "kind", nil}, {"State", "state", nil}, {"Due", "due_at", moment}, {"Ended", "ended_at", moment},
				{">Files", "figures.files", nil}, {">Size", "figures.bytes", sized}, {"Plan", "plan", nil}},
			verbs: []string{"list", "show"}, nameless: true, names: map[string]string{"project": "projects", "plan": "plans", "sources": "sources", "repositories": "repositories"}},
		{Noun: path("users"), one: "user", help: "is a person with an account", example: "--set name='Ada Lovelace' --set email=ada@example.org",
			form: reflect.TypeFor[backstay.User](), columns: []column{name, {"E-mail", "email", nil}, {"Disabled", "disabled", nil}, {"2nd factor", "mfa", nil}, {"Last seen", "last_seen_at", moment}, id}, verbs: allVerbs},
		{Noun: path("groups"), one: "group", help: "is a set of people that rights are granted to as one", example: "--set name=Staff --set members='Ada Lovelace'",
			form: reflect.TypeFor[backstay.Group](), columns: []column{name, {"Help", "help", nil}, id}, verbs: allVerbs, names: map[string]string{"members": "users"}},
		{Noun: path("roles"), one: "role", help: "is a set of permissions that is granted as one", example: "--set name=Starter --set permissions=source.read,run.start",
			form: reflect.TypeFor[backstay.Role](), columns: []column{name, {"Built in", "built_in", nil}, id}, verbs: allVerbs},
		{Noun: path("grants"), one: "grant", help: "gives a role to a person or group within a scope", example: "--set subject_kind=user --set subject=ada@example.org --set role=viewer --set scope=/",
			form: reflect.TypeFor[backstay.Grant](), columns: []column{{"For", "subject_kind", nil}, {"Subject", "subject", nil}, {"Role", "role", nil}, {"Scope", "scope", nil}, {"Effect", "effect", nil}, id},
			verbs: allVerbs, nameless: true, names: map[string]string{"subject": "users", "role": "roles"}},
		{Noun: path("tokens"), one: "token", help: "lets a program act for you", example: "--set name=monitoring --set permissions=source.read,report.read --set expires_at=2027-06-30",
			form: reflect.TypeFor[backstay.Token](), columns: []column{name, {"Permissions", "permissions", nil}, {"Expires", "expires_at", moment}, {"Last used", "last_used_at", moment}, id},
			verbs: []string{"list", "create", "delete"}, whole: true},
		{Noun: path("sessions"), one: "session", help: "is a person signed in at one browser or terminal",
			form: reflect.TypeFor[backstay.Session](), columns: []column{{"Current", "current", nil}, {"Signed in by", "method", nil}, {"From", "ip", nil}, {"With", "user_agent", nil},
				{"Last used", "last_used_at", moment}, {"Expires", "expires_at", moment}, id}, verbs: []string{"list", "delete"}, nameless: true, whole: true},
		{Noun: path("profile/factors"), one: "factor", help: "is something by which you prove who you are",
			form: reflect.TypeFor[backstay.Factor](), columns: []column{name, {"Kind", "kind", nil}, {"Confirmed", "confirmed", nil}, {"Last used", "last_used_at", moment}, id},
			verbs: []string{"list", "delete"}, nameless: true, whole: true},
		{Noun: path("channels"), one: "channel", help: "is a way by which somebody is told of what happens",
			example: "--set project=Office --set name=mail --set kind=email --set settings.host=smtp.example.com --set settings.from=backup@example.com --set settings.to=ops@example.com",
			form:    reflect.TypeFor[backstay.Channel](), columns: []column{name, {"Kind", "kind", nil}, {"Settings", "settings", nil}, id}, verbs: allVerbs, names: project},
		{Noun: path("notification-rules"), one: "rule", help: "says who is told of what, by which channel, and when", example: "--set project=Office --set channel=mail --set events=run.failed,alert.* --set min_severity=error",
			form: reflect.TypeFor[backstay.NotificationRule](), columns: []column{id, {"Events", "events", nil}, {"At least", "min_severity", nil}, {"Channel", "channel", nil}, {"Plan", "plan", nil}, {"Person", "user", nil}},
			verbs: allVerbs, nameless: true, names: map[string]string{"project": "projects", "channel": "channels", "plan": "plans", "user": "users"}},
		{Noun: path("deliveries"), one: "delivery", help: "is a message on its way by a channel",
			form: reflect.TypeFor[backstay.Delivery](), columns: []column{id, {"State", "state", nil}, {"Due", "due", moment}, {">Attempts", "attempts", nil}, {"Event", "event", nil}, {"Subject", "subject", nil}, {"Error", "error", nil}},
			verbs: []string{"list", "show"}, nameless: true, names: map[string]string{"project": "projects", "channel": "channels"}},
		{Noun: path("audit-sinks"), one: "audit-sink", help: "is a receiver outside of the server that gets the audit trail while it is written",
			example: "--set name=logs --set kind=syslog --set settings.address=logs.example.org:6514",
			form:    reflect.TypeFor[backstay.AuditSink](), columns: []column{name, {"Kind", "kind", nil}, {"State", "status.state", nil}, {">Lacks", "status.lag", nil}, {"Took last", "status.sent_at", moment}, id}, verbs: allVerbs},
		{Noun: path("identity-providers"), one: "identity-provider", help: "is another server by whose word people sign in",
			example: "--set name=Company --set issuer=https://login.example.org --set client_id=backstay --set client_secret=@FILE",
			form:    reflect.TypeFor[backstay.IdentityProvider](), columns: []column{name, {"Issuer", "issuer", nil}, {"Disabled", "disabled", nil}, id}, verbs: allVerbs},
		{Noun: path("alerts"), one: "alert", help: "is something that somebody has to look at",
			form: reflect.TypeFor[backstay.Alert](), columns: []column{id, {"Open", "open", nil}, {"Severity", "severity", nil}, {"Kind", "kind", nil}, {"About", "name", nil}, {"Opened", "opened_at", moment},
				{"Acknowledged", "acknowledged_at", moment}, {"What is wrong", "text", nil}},
			verbs: []string{"list", "show"}, nameless: true, names: map[string]string{"project": "projects", "plan": "plans"}},
		{Noun: path("snapshots"), one: "snapshot", help: "is what one backup has saved in one repository; 'backstay snapshots' lists those of a repository without the server",
			form: reflect.TypeFor[backstay.Snapshot](), columns: []column{id, {"Time", "time", moment}, {"Host", "host", nil}, {"Paths", "paths", nil}, {">Size", "bytes", sized}, {"Health", "health", nil},
				{"Protected", "protected", nil}, {"In the repository", "handle", shortened}},
			verbs: []string{"list", "show", "delete"}, nameless: true, names: map[string]string{"project": "projects", "source": "sources", "plan": "plans", "repository": "repositories"}},
		{Noun: path("restores"), one: "restore", word: "restores", help: "brings a snapshot of the server back, by a plan that people decide upon; 'backstay restore' does it without the server",
			form: reflect.TypeFor[backstay.Restore](), columns: []column{id, {"State", "state", nil}, {"Planned", "planned_at", moment}, {"To", "target", nil}, {"Folder", "folder", nil}, {"Snapshot", "snapshot", nil}},
			verbs: []string{"list", "show"}, nameless: true, names: map[string]string{"project": "projects", "source": "sources", "snapshot": "snapshots"}},
	}
}

func nounOf(one string) noun {
	all := nouns()
	return all[slices.IndexFunc(all, func(n noun) bool { return n.one == one })]
}

// sized shows a number of bytes.
func sized(v json.RawMessage) string {
	var n int64
	if json.Unmarshal(v, &n) != nil || n == 0 {
		return ""
	}
	return show.Size(n)
}

// shortened shows the beginning of an id of a repository.
func shortened(v json.RawMessage) string {
	text := fields.Text(v)
	return text[:min(8, len(text))]
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

// many is what several are called.
func (n noun) many() string {
	return strings.ReplaceAll(n.Path[strings.LastIndexByte(n.Path, '/')+1:], "-", " ")
}

// a is the noun with its article.
func (n noun) a() string {
	if strings.ContainsAny(n.one[:1], "aeio") {
		return "an " + n.one
	}
	return "a " + n.one
}

// newNoun returns the command of a noun, with the five that all have and those that only it has.
func (p *program) newNoun(one string, more ...*cobra.Command) *cobra.Command {
	n := nounOf(one)
	cmd := &cobra.Command{
		Use:     n.command(),
		Short:   "Look after the " + n.many() + " of a server",
		Long:    "Look after the " + n.many() + " of the server that you are signed in at. " + "A" + n.a()[1:] + " " + n.help + ".",
		Example: "  backstay " + n.command() + " list",
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
