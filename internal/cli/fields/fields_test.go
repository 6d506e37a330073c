package fields

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/backstay/backstay"
)

func TestATextMeansWhatItsFieldHolds(t *testing.T) {
	plan, source, token := reflect.TypeFor[backstay.Plan](), reflect.TypeFor[backstay.Source](), reflect.TypeFor[backstay.Token]()
	for _, c := range []struct {
		form        reflect.Type
		name, text  string
		want, fails string
	}{
		{form: plan, name: "name", text: "7", want: `{"name":"7"}`},
		{form: plan, name: "retries", text: "7", want: `{"retries":7}`},
		{form: plan, name: "active", text: "true", want: `{"active":true}`},
		{form: plan, name: "sources", text: "a, b", want: `{"sources":["a","b"]}`},
		{form: plan, name: "sources", text: `["a,b"]`, want: `{"sources":["a,b"]}`},
		{form: plan, name: "sources", text: "", want: `{"sources":[]}`},
		{form: plan, name: "schedule.at", text: "02:00", want: `{"schedule":{"at":"02:00"}}`},
		{form: plan, name: "schedule.days", text: "[1,-1]", want: `{"schedule":{"days":[1,-1]}}`},
		{form: plan, name: "schedule.window.from", text: "22:00", want: `{"schedule":{"window":{"from":"22:00"}}}`},
		{form: plan, name: "retention.daily", text: "7", want: `{"retention":{"daily":"7"}}`},
		{form: plan, name: "retention.within", text: "30d", want: `{"retention":{"within":"30d"}}`},
		{form: source, name: "settings.paths", text: "true", want: `{"settings":{"paths":"true"}}`},
		{form: token, name: "expires_at", text: "2027-01-31", want: `{"expires_at":"2027-01-31T00:00:00Z"}`},
		{form: token, name: "expires_at", text: "2027-01-31T10:00:00+01:00", want: `{"expires_at":"2027-01-31T10:00:00+01:00"}`},
		{form: plan, name: "retries", text: "many", fails: "can't be"},
		{form: plan, name: "nothing", text: "x", fails: "there is no field"},
		{form: plan, name: "id", text: "x", fails: "there is no field"}, // it is read-only
		{form: plan, name: "name.first", text: "x", fails: "has no parts"},
		{form: token, name: "expires_at", text: "tomorrow", fails: "can't be"},
	} {
		object := map[string]any{}
		err := Set(object, c.form, c.name, c.text)
		got, jsonErr := json.Marshal(object)
		switch {
		case jsonErr != nil:
			t.Errorf("Set(%s, %q, %q): %v", c.form, c.name, c.text, jsonErr)
		case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)):
			t.Errorf("Set(%s, %q, %q) = %v, want an error with %q", c.form, c.name, c.text, err, c.fails)
		case c.fails == "" && (err != nil || string(got) != c.want):
			t.Errorf("Set(%s, %q, %q) = %s, %v, want %s", c.form, c.name, c.text, got, err, c.want)
		}
	}
}

func TestFieldsAreListedInTheirOrder(t *testing.T) {
	all, err := List([]byte(`{"b":"x","a":["y","z"],"c":{"d":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range all {
		got = append(got, f.Name+"="+Text(f.Value))
	}
	if want := `b=x a=y, z c={"d":1}`; strings.Join(got, " ") != want {
		t.Errorf("List = %q, want %q", got, want)
	}
	if got := string(Get([]byte(`{"c":{"d":1}}`), "c.d")); got != "1" {
		t.Errorf(`Get("c.d") = %q, want 1`, got)
	}
	for _, bad := range []string{"", "[", `{"a":`, `{"a" 1}`} {
		if _, err := List([]byte(bad)); err == nil {
			t.Errorf("List(%q) = nil error", bad)
		}
	}
}
