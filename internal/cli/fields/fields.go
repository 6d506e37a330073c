// Package fields reads and writes single fields of JSON objects, by names such as "schedule.at", for the command line.
//
// What a text means for a field is told by the Go type that the object stands for: "7" is a number for one and a text for another.
package fields

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay"
)

// Set gives the field of a name the value that a text means. t is the type that the object stands for.
func Set(object map[string]any, t reflect.Type, name, text string) error {
	first, rest, nested := strings.Cut(name, ".")
	field, ok := find(t, first)
	if !ok {
		return backstay.Errorf(backstay.Invalid, "there is no field %q", first).WithHint("There are " + strings.Join(Names(t), ", ") + ".").OnField(name)
	}
	if !nested {
		value, err := parse(field, text)
		if err != nil {
			return backstay.Errorf(backstay.Invalid, "field %q can't be %q", name, text).OnField(name)
		}
		object[first] = value
		return nil
	}
	inner, ok := object[first].(map[string]any)
	if !ok {
		inner = map[string]any{}
		object[first] = inner
	}
	switch {
	case field.Kind() == reflect.Struct:
		return Set(inner, field, rest, text)
	case field.Kind() == reflect.Map && field.Elem().Kind() == reflect.String:
		inner[rest] = text
		return nil
	}
	return backstay.Errorf(backstay.Invalid, "field %q has no parts", first).OnField(name)
}

// Names lists the fields that people may set.
func Names(t reflect.Type) (names []string) {
	for _, f := range reflect.VisibleFields(t) {
		if name := nameOf(f); name != "" && f.Tag.Get("readOnly") != "true" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func nameOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if f.Anonymous || name == "-" {
		return ""
	}
	return name
}

func find(t reflect.Type, name string) (reflect.Type, bool) {
	for _, f := range reflect.VisibleFields(t) {
		if nameOf(f) != name || name == "" || f.Tag.Get("readOnly") == "true" {
			continue
		}
		if f.Type.Kind() == reflect.Pointer {
			return f.Type.Elem(), true
		}
		return f.Type, true
	}
	return nil, false
}

// parse reads a text as a value of a type: as it is for texts, by commas for lists, as a day for times, else as JSON has it.
func parse(t reflect.Type, text string) (any, error) {
	if t == reflect.TypeFor[time.Time]() {
		if day, err := time.Parse(time.DateOnly, text); err == nil {
			return day, nil
		}
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return nil, err
	}
	switch isText := t.Kind() == reflect.String; {
	case isText:
		return text, nil
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String && !strings.HasPrefix(text, "["):
		list := []string{}
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, item)
			}
		}
		return list, nil
	}
	v := reflect.New(t).Interface()
	for _, form := range [][]byte{[]byte(text), quoted} {
		if err = json.Unmarshal(form, v); err == nil {
			return json.RawMessage(form), nil
		}
	}
	return nil, err
}

// Field is a field of an object, as it is in JSON.
type Field struct {
	Name  string
	Value json.RawMessage
}

// List returns the fields of an object in their order.
func List(object []byte) (all []Field, err error) {
	d := json.NewDecoder(bytes.NewReader(object))
	begin, err := d.Token()
	if err != nil {
		return nil, err
	}
	if begin != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var f Field
		f.Name, _ = name.(string)
		if err := d.Decode(&f.Value); err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

// Text shows a value to a person: texts as they are, lists by commas, all else as JSON has it.
func Text(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	var list []string
	if json.Unmarshal(value, &list) == nil {
		return strings.Join(list, ", ")
	}
	var b bytes.Buffer
	if json.Compact(&b, value) != nil {
		return string(value)
	}
	return b.String()
}

// Get returns the value of a field, such as "figures.files"; nil if there is none.
func Get(object json.RawMessage, name string) json.RawMessage {
	first, rest, nested := strings.Cut(name, ".")
	var all map[string]json.RawMessage
	if json.Unmarshal(object, &all) != nil {
		return nil
	}
	if nested {
		return Get(all[first], rest)
	}
	return all[name]
}
