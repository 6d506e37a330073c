package cli

import (
	"reflect"
	"strings"
	"testing"

	"github.com/backstay/backstay/internal/client"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
)

// used lists every operation that the command line may ask for.
func used() (all []client.Operation) {
	all = client.Operations()
	for _, n := range nouns() {
		for verb, op := range map[string]client.Operation{"list": n.ListOperation(), "show": n.GetOperation(), "create": n.CreateOperation(), "update": n.UpdateOperation(), "delete": n.DeleteOperation()} {
			if n.has(verb) {
				all = append(all, op)
			}
		}
	}
	return all
}

func TestTheServerDescribesEveryOperationThatTheCommandLineUses(t *testing.T) {
	s := servertest.Start(t, server.Options{})
	var description struct{ Paths map[string]map[string]any }
	s.Client(t).Get(t, "/openapi.json", &description)
	for _, op := range used() {
		if description.Paths[client.Prefix+op.Path][strings.ToLower(op.Method)] == nil {
			t.Errorf("the server has no %s %s", op.Method, op.Path)
		}
	}
	if n := len(used()); n < 50 {
		t.Errorf("found %d operations", n)
	}
}

func TestEveryColumnAndNameOfANounIsAFieldOfIt(t *testing.T) {
	for _, n := range nouns() {
		for _, c := range n.columns {
			if first, _, _ := strings.Cut(c.field, "."); !hasField(n, first) {
				t.Errorf("a %s has no field %q", n.one, c.field)
			}
		}
		for field, path := range n.names {
			if !hasField(n, field) || nounAt(path).one == "" {
				t.Errorf("a %s has no field %q, or there are no %s", n.one, field, path)
			}
		}
	}
}

func hasField(n noun, name string) bool {
	for _, f := range reflect.VisibleFields(n.form) {
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag == name {
			return true
		}
	}
	return false
}

// elsewhere are the operations that no command asks for, with the reason.
var elsewhere = map[string]string{
	"GET /api/backup/download":                    short,
	"GET /api/backup/logs":                        short,
	"GET /api/backup/schedules":                   short,
	"POST /api/backup/schedules":                  short,
	"DELETE /api/backup/schedules/{id}":           short,
	"GET /api/backup/verify/{backupId}":           short,
	"GET /api/v1/runs/{id}/events":                "the log of a run is asked for until it ends",
	"POST /api/v1/profile/passkeys/begin":         browser,
	"POST /api/v1/profile/passkeys/finish":        browser,
	"POST /api/v1/session/passkey/begin":          browser,
	"POST /api/v1/session/confirm/passkey/begin":  browser,
	"POST /api/v1/session/confirm/passkey/finish": browser,
	"GET /api/v1/session/identity":                another, "POST /api/v1/session/identity/begin": another, "GET /api/v1/session/identity/callback": another,
	"POST /api/v1/profile/identities/begin": another,
	"POST /api/v1/session/passkey/finish":   browser,
}

const (
	short   = "it is a short route to what others do"
	browser = "a passkey is shown by a browser"
	another = "a browser goes to the other server and comes back"
)

func TestEveryOperationOfTheServerHasACommand(t *testing.T) {
	s := servertest.Start(t, server.Options{})
	var description struct{ Paths map[string]map[string]any }
	s.Client(t).Get(t, "/openapi.json", &description)
	known := map[string]bool{}
	for _, op := range used() {
		known[op.Method+" "+client.Prefix+op.Path] = true
	}
	for path, methods := range description.Paths {
		for method := range methods {
			name := strings.ToUpper(method) + " " + path
			if reason := elsewhere[name]; known[name] == (reason != "") {
				t.Errorf("%s: a command asks for it: %t; it needs none, since %q", name, known[name], reason)
			}
		}
	}
}
