package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/door"
	"github.com/backstay/backstay/settings"
)

// fieldKind is how a field is entered, and what it is in JSON.
type fieldKind string

// The kinds of fields.
const (
	textField   fieldKind = "text"
	emailField  fieldKind = "email"
	urlField    fieldKind = "url"
	numberField fieldKind = "number" // of JSON, too
	timeField   fieldKind = "time"   // "02:30"
	dateField   fieldKind = "date"   // "2026-11-28"
	areaField   fieldKind = "area"   // text of several lines
	linesField  fieldKind = "lines"  // several lines; a list in JSON
	selectField fieldKind = "select" // one of many choices
	radioField  fieldKind = "radio"  // one of up to five choices
	checksField fieldKind = "checks" // some of the choices; a list in JSON
	switchField fieldKind = "switch" // true or false in JSON
	secretField fieldKind = "secret" // never shown again; left out of JSON where it is empty
	pagesField  fieldKind = "pages"  // a secret of several lines
	hiddenField fieldKind = "hidden"

	sizeField    fieldKind = "size"    // bytes, entered with a unit; a number in JSON
	carriedField fieldKind = "carried" // hidden, and no part of the JSON
)

// field is one thing that a form asks for.
type field struct {
	Name     string // as in JSON, such as "schedule.at"
	Title    string
	Help     string
	Kind     fieldKind
	Choices  []choice
	Value    string
	Values   []string // of checks
	Default  string   // what holds where nothing is entered
	Optional bool
	Kept     bool   // a secret is there already: left empty it stays
	Auto     string // what browsers may fill in, as HTML's autocomplete has it
	Unit     string // beside a number
	Wide     bool   // it takes the whole width
	Error    string
}

// settingsField is a field as an adapter describes it.
type settingsField = settings.Field

// choice is one of what can be chosen.
type choice struct {
	Value, Title, Help string
	Heading            string // before it, where a family of choices begins
	Chosen             bool
}

// ID is that of the input.
func (f *field) ID() string { return "f-" + strings.NewReplacer(".", "-", " ", "-").Replace(f.Name) }

// Described is what describes the input: its help, then its error.
func (f *field) Described() string {
	var ids []string
	if f.Help != "" {
		ids = append(ids, f.ID()+"-h")
	}
	if f.Error != "" {
		ids = append(ids, f.ID()+"-e")
	}
	return strings.Join(ids, " ")
}

// Options are the choices, of which those that hold are chosen.
func (f *field) Options() []choice {
	all := slices.Clone(f.Choices)
	for i := range all {
		all[i].Chosen = all[i].Value == f.Value
		if f.Kind == checksField {
			all[i].Chosen = slices.Contains(f.Values, all[i].Value)
		}
	}
	return all
}

// On reports whether a switch is on.
func (f *field) On() bool { return f.Value == "true" }

// group is some of a form's fields under a heading.
type group struct {
	Title, Help string
	Fields      []*field
	Closed      bool // it is closed as a rule, since most people leave it as it is
}

// Open reports whether something is wrong in a group that is closed as a rule.
func (g group) Open() bool {
	return slices.ContainsFunc(g.Fields, func(f *field) bool { return f.Error != "" })
}

// form is what a page asks for.
type form struct {
	Action  string // where it is sent
	Submit  string // the words of its button
	Back    string // where somebody goes who wants nothing of it
	Danger  bool
	Version int64 // of the thing that is changed: what somebody else has changed since is not overwritten; 0 of a new one
	Groups  []group
	Problem string // what is wrong with it as a whole
	Hint    string // what to do about it
	Confirm *confirmation
	tidy    func(tree map[string]any) // makes what was entered what the use case takes, where that is not the same
}

// newForm makes a form of one group.
func newForm(action, submit, back string, fields ...*field) *form {
	return &form{Action: action, Submit: submit, Back: back, Groups: []group{{Fields: fields}}}
}

// Fields are those of all groups.
func (f *form) Fields() (all []*field) {
	for _, g := range f.Groups {
		all = append(all, g.Fields...)
	}
	return all
}

// Wrong are the fields that something is wrong with.
func (f *form) Wrong() (all []*field) {
	for _, field := range f.Fields() {
		if field.Error != "" {
			all = append(all, field)
		}
	}
	return all
}

// find returns the field of a name; nil if there is none.
func (f *form) find(name string) *field {
	for _, field := range f.Fields() {
		if field.Name == name {
			return field
		}
	}
	return nil
}

// value is what was entered in a field.
func (f *form) value(name string) string {
	if field := f.find(name); field != nil {
		return field.Value
	}
	return ""
}

// read takes over what was sent.
func (f *form) read(r *http.Request) {
	for _, field := range f.Fields() {
		values := r.PostForm[field.Name]
		switch {
		case field.Kind == checksField:
			field.Values = values
		case field.Kind == switchField:
			field.Value = strconv.FormatBool(len(values) > 0)
		case len(values) > 0 && (field.Kind == secretField || field.Kind == pagesField):
			field.Value = values[0]
		case len(values) > 0:
			field.Value = strings.TrimSpace(strings.ReplaceAll(values[0], "\r\n", "\n"))
		}
	}
}

// json is what was entered, as the use cases take it. An entry that can't be so is an error of its field.
func (f *form) json() ([]byte, error) {
	tree := map[string]any{}
	bad := false
	for _, field := range f.Fields() {
		var value any = field.Value
		switch field.Kind {
		case numberField:
			n, err := strconv.ParseInt(field.Value, 10, 64)
			if err != nil && field.Value != "" {
				field.Error, bad = "Enter a whole number.", true
			}
			value = n
		case sizeField:
			n, ok := parseSize(field.Value)
			if !ok {
				field.Error, bad = "Enter a size, such as 500 GB or 2 TB.", true
			}
			value = n
		case carriedField:
			continue
		case switchField:
			value = field.On()
		case checksField:
			value = append([]string{}, field.Values...)
		case linesField:
			value = settings.Values{"": field.Value}.Lines("")
			if value.([]string) == nil {
				value = []string{}
			}
		case secretField, pagesField:
			if field.Value == "" {
				continue
			}
		}
		place(tree, strings.Split(field.Name, "."), value)
	}
	if bad {
		return nil, backstay.Errorf(backstay.Invalid, "an entry is no number")
	}
	if f.tidy != nil {
		f.tidy(tree)
	}
	return json.Marshal(tree)
}

// place puts a value where a path of names leads.
func place(tree map[string]any, path []string, value any) {
	for _, name := range path[:len(path)-1] {
		next, ok := tree[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			tree[name] = next
		}
		tree = next
	}
	tree[path[len(path)-1]] = value
}

// into is json, read into a noun.
func (f *form) into(v any) error {
	text, err := f.json()
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

// refuse notes on the form why it was refused, so that its page shows it again, and returns the page's status. An error that the form can do
// nothing about is returned: it has a page of its own.
func (f *form) refuse(v *visit, err error) (int, error) {
	e, status := door.Failure(err)
	switch e.Kind {
	case backstay.Unconfirmed:
		f.Confirm = v.confirmation()
		f.Problem = "Confirm that it is you."
	case backstay.Failed, backstay.SignIn, backstay.NotFound:
		return status, err
	default:
		f.note(e)
	}
	for _, field := range f.Fields() {
		if field.Kind == secretField || field.Kind == pagesField {
			field.Value = "" // a page shows none
		}
	}
	return status, nil
}

// note puts an error where it belongs.
func (f *form) note(e *backstay.Error) {
	var wrong *settings.Error
	name, why := e.Field, e.Msg
	if errors.As(e.Err, &wrong) && f.find("settings."+wrong.Field.Name) != nil {
		name, why = "settings."+wrong.Field.Name, wrong.Why // beside the field nobody has to be told its name
	}
	if field := f.find(name); field != nil && name != "" {
		field.Error, f.Hint = sentence(why), e.Hint
		return
	}
	if len(f.Wrong()) == 0 {
		f.Problem, f.Hint = sentence(e.Msg), e.Hint
	}
}

// settingsFields are the fields that an adapter describes. What only people may set who reach the server's machine is left out unless local.
// The values are those that hold; secrets are the names of those that are set.
func settingsFields(described []settings.Field, values map[string]string, secrets []string, local bool) (all []*field) {
	for _, d := range described {
		if d.Local && !local {
			continue
		}
		f := &field{Name: "settings." + d.Name, Title: d.Title, Help: d.Help, Kind: adapterKind(d), Optional: !d.Required, Value: d.Default, Default: d.Default, Kept: slices.Contains(secrets, d.Name)}
		if value, ok := values[d.Name]; ok {
			f.Value = value
		}
		for _, c := range d.Choices {
			f.Choices = append(f.Choices, choice{Value: c, Title: c})
		}
		if d.Kind == settings.Switch {
			f.Choices = slices.Clone(onOff)
		}
		if f.Kind == selectField && f.Optional && d.Default == "" {
			f.Choices = slices.Insert(f.Choices, 0, choice{Title: "Not set"})
		}
		all = append(all, f)
	}
	return all
}

func adapterKind(d settingsField) fieldKind {
	switch d.Kind {
	case settings.Secret:
		return secretField
	case settings.Pages:
		return pagesField
	case settings.Lines:
		return areaField
	case settings.Number:
		return textField // a setting is a text whatever it is about
	case settings.Switch:
		return selectField
	case settings.Choice:
		return selectField
	}
	return textField
}

// onOff are the choices of an adapter's switch, which is a text.
var onOff = []choice{{Value: "true", Title: "Yes"}, {Value: "false", Title: "No"}}
