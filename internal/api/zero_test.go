package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/backstay/backstay/internal/server/servertest"
)

// schema is what the description says of a value.
type schema struct {
	Ref        string `json:"$ref"`
	Type       any
	ReadOnly   bool
	WriteOnly  bool
	Default    any
	Properties map[string]schema
}

// description is what the server says of its operations.
type description struct {
	Paths map[string]map[string]struct {
		OperationID string
		RequestBody struct {
			Content map[string]struct{ Schema schema }
		}
	}
	Components struct{ Schemas map[string]schema }
}

func (d description) resolve(s schema) schema {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return d.Components.Schemas[name]
	}
	return s
}

// body is the schema of what an operation takes.
func (d description) body(r route) schema {
	return d.resolve(d.Paths[r.path][strings.ToLower(r.method)].RequestBody.Content["application/json"].Schema)
}

// zeros are the fields of a body that hold plain values, each with its zero.
func (s schema) zeros() map[string]any {
	all := map[string]any{}
	for name, field := range s.Properties {
		if field.ReadOnly {
			continue
		}
		switch field.Type {
		case "string":
			all[name] = ""
		case "integer", "number":
			all[name] = 0.0
		case "boolean":
			all[name] = false
		}
	}
	return all
}

// TestAZeroThatIsGivenIsKeptOrRefused sends for each operation with a body, and each of its fields, what is right but for that field, which is
// zero. If it is taken, the answer doesn't have something else there.
func TestAZeroThatIsGivenIsKeptOrRefused(t *testing.T) {
	w := newWorld(t, "")
	ada := w.Client(t)
	ada.Post(t, "/session", map[string]string{"email": "ada@example.org", "password": servertest.Password}, nil)
	var d description
	w.Owner.Get(t, "/openapi.json", &d)
	kept, refused, defaults := 0, 0, 0
	for _, r := range routes(t, w.Server) {
		for _, field := range slices.Sorted(maps.Keys(d.body(r).zeros())) {
			zero := d.body(r).zeros()[field]
			if d.body(r).Properties[field].Default != nil {
				defaults++
			}
			c := w.withZero(t, r, field, zero)
			got := ada.Ask(t, r.method, c.path, c.body)
			switch {
			case got.Status >= http.StatusInternalServerError:
				t.Errorf("%s with %s %#v = %d %s", r.id, field, zero, got.Status, got.Body)
			case got.Status >= http.StatusBadRequest:
				if refused++; d.body(r).Properties[field].Default != nil && !strings.Contains(string(got.Body), strconv.Quote(field)) {
					t.Errorf("%s with %s %#v is refused for something else: %s", r.id, field, zero, got.Body)
				}
			case r.id == "plan-restore" && field == "project": // "" doesn't name one: it is that of the snapshot
			case !keeps(got.Body, field, zero):
				t.Errorf("%s has %#v in %s, and makes %s of it", r.id, zero, field, got.Body)
			default:
				kept++
			}
		}
	}
	if t.Logf("%d zeros were kept, %d refused; %d fields have a default", kept, refused, defaults); kept < 20 || refused < 20 || defaults < 10 {
		t.Errorf("%d zeros were kept, %d refused; %d fields have a default", kept, refused, defaults)
	}
}

// withZero is a request that would be done, but for a zero in one field.
func (w *world) withZero(t *testing.T, r route, field string, zero any) mutation {
	t.Helper()
	path, sent, _ := w.request(r)
	c := mutation{path: strings.Replace(path, "//", "/nothing/", 1), body: sent} // of some there is none here
	none := slices.Contains([]string{"", "restores", "channels", "notification-rules"}, r.many())
	if !none && !strings.Contains(r.path, "/profile/") {
		c = w.valid(t, r)
	}
	body := map[string]any{}
	text, err := json.Marshal(c.body)
	if err == nil && c.body != nil {
		err = json.Unmarshal(text, &body)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, named := body["name"]; named {
		body["name"] = fmt.Sprint(r.id, " without ", field) // another one each time
	}
	body[field] = zero
	c.body = body
	return c
}

// keeps reports whether an answer has nothing but the zero in a field; what is left out is zero.
func keeps(answer []byte, field string, zero any) bool {
	var object map[string]any
	if json.Unmarshal(answer, &object) != nil {
		return true // it doesn't show what came of it
	}
	got, ok := object[field]
	return !ok || got == zero
}
