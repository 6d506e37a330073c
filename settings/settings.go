// Package settings is how an adapter tells what it has to know: fields with a title and help, of which forms, flags, the schema of
// the API and the reference are made, and the values that somebody gave them. It does no I/O.
package settings

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Kind is what the text of a value must look like, and how it is entered.
type Kind string

// The kinds of fields.
const (
	Text   Kind = "text"   // one line; the kind of a Field that names none
	Secret Kind = "secret" // like Text, and never shown again
	Lines  Kind = "lines"  // several lines, each a value
	Pages  Kind = "pages"  // a secret of several lines, such as a private key
	Number Kind = "number" // a whole number, not below 0
	Switch Kind = "switch" // true or false
	Choice Kind = "choice" // one of Choices
)

// Field is one thing that an adapter has to know.
type Field struct {
	Name     string   // as in flags and JSON: lower case, words joined by hyphens
	Title    string   // as in forms
	Help     string   // a sentence: what it is for, where to find it
	Kind     Kind     // "" stands for Text
	Choices  []string // of a Choice
	Default  string   // what holds where nothing was given
	Required bool
	Env      []string // environment variables that the command line takes it from, the first that is set
	Home     []string // files in a user's home that the command line takes it from, as a path, the first that is there
	Local    bool     // it names a file or a program of this machine: nothing for people who only reach it over the network
}

// IsSecret reports whether the value is never to be shown.
func (f Field) IsSecret() bool { return f.Kind == Secret || f.Kind == Pages }

// Values are what was given, by the names of the fields. They may hold secrets, so they don't print.
type Values map[string]string

// Format writes nothing of the values, whatever the verb is.
func (v Values) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "settings(hidden)") }

// Bool is the value of a Switch that Check let pass.
func (v Values) Bool(name string) bool { return v[name] == "true" }

// Lines are the lines of a value that are not empty.
func (v Values) Lines(name string) (lines []string) {
	for line := range strings.Lines(v[name]) {
		if line = strings.Trim(line, "\r\n"); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// Int is the value of a Number that Check let pass; 0 where none was given.
func (v Values) Int(name string) int64 {
	n, _ := strconv.ParseInt(v[name], 10, 64) // Check saw to it
	return n
}

// Error is about the value of one field. It doesn't say the value, which may be a secret.
type Error struct {
	Field Field
	Why   string
}

func (e *Error) Error() string {
	return fmt.Sprintf("setting %q (%s): %s", e.Field.Name, e.Field.Title, e.Why)
}

// Check returns the values with the defaults filled in. The error is an *Error about the first field whose value can't be right, or
// names what no field is called.
func Check(fields []Field, v Values) (Values, error) {
	checked := make(Values, len(fields))
	for _, f := range fields {
		value, given := v[f.Name]
		if !given || value == "" {
			value = f.Default
		}
		if why := f.problem(value); why != "" {
			return nil, &Error{f, why}
		}
		if value != "" {
			checked[f.Name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if !slices.ContainsFunc(fields, func(f Field) bool { return f.Name == name }) {
			return nil, fmt.Errorf("there is no setting %q: it is one of %s", name, strings.Join(names(fields), ", "))
		}
	}
	return checked, nil
}

// problem says what is wrong with a value; "" if nothing is.
func (f Field) problem(value string) string {
	if value == "" {
		if f.Required {
			return "it is missing"
		}
		return ""
	}
	switch f.Kind {
	case Number:
		if n, err := strconv.ParseInt(value, 10, 64); err != nil || n < 0 {
			return "want a whole number, not below 0"
		}
	case Switch:
		if value != "true" && value != "false" {
			return "want true or false"
		}
	case Choice:
		if !slices.Contains(f.Choices, value) {
			return "want one of " + strings.Join(f.Choices, ", ")
		}
	case Pages, Lines:
	default:
		if strings.ContainsAny(value, "\r\n\x00") {
			return "want a single line"
		}
	}
	return ""
}

func names(fields []Field) (all []string) {
	for _, f := range fields {
		all = append(all, f.Name)
	}
	return all
}
