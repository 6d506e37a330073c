package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/backstay/backstay"
)

// fieldChange is one field of a thing before and after something was done to it.
type fieldChange struct {
	Field         string
	Before, After string
	Was, Is       bool // it was there before, and is there after
}

// unremarkable are fields that every thing has, and that the event tells otherwise.
var unremarkable = []string{"id", "created_at", "updated_at", "version"}

// changesOf compares a thing before and after, field by field: what changed, and what stayed the same. Secrets are in neither.
func changesOf(before, after json.RawMessage) (changed, same []fieldChange, err error) {
	was, err := flattened(before)
	if err != nil {
		return nil, nil, err
	}
	is, err := flattened(after)
	if err != nil {
		return nil, nil, err
	}
	all := maps.Clone(was)
	maps.Copy(all, is)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if slices.Contains(unremarkable, name) {
			continue
		}
		c := fieldChange{Field: strings.ReplaceAll(name, "_", " ")}
		c.Before, c.Was = was[name]
		c.After, c.Is = is[name]
		if c.Was == c.Is && c.Before == c.After {
			same = append(same, c)
		} else {
			changed = append(changed, c)
		}
	}
	return changed, same, nil
}

// flattened are the fields of a JSON object as texts, by their paths.
func flattened(text json.RawMessage) (map[string]string, error) {
	fields := map[string]string{}
	if len(text) == 0 {
		return fields, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // numbers stay as they were written
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, fmt.Errorf("what an event changed: %w", err)
	}
	flatten(fields, "", tree)
	return fields, nil
}

func flatten(fields map[string]string, path string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for name, part := range value {
			flatten(fields, strings.TrimPrefix(path+"."+name, "."), part)
		}
	case []any:
		if slices.ContainsFunc(value, func(x any) bool { return !plainText(x) }) {
			for i, part := range value {
				flatten(fields, path+" "+strconv.Itoa(i+1), part)
			}
			return
		}
		texts := make([]string, len(value))
		for i, part := range value {
			texts[i] = textOf(part)
		}
		fields[path] = strings.Join(texts, ", ")
	default:
		fields[path] = textOf(value)
	}
}

func plainText(x any) bool {
	switch x.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

func textOf(x any) string {
	switch x := x.(type) {
	case nil:
		return ""
	case bool:
		if x {
			return "yes"
		}
		return "no"
	}
	return fmt.Sprint(x)
}

// indented is JSON for people.
func indented(v any) (string, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	return string(text), err
}

// inWords adds to ids in fields that people have to understand what they stand for.
func (n *names) inWords(changes []fieldChange) {
	for i, c := range changes {
		word := func(value string) string {
			switch {
			case value == "":
			case c.Field == "scope" || c.Field == "within":
				return n.place(backstay.Scope(value)) + " (" + value + ")"
			case c.Field == "role":
				return n.role(backstay.RoleName(value))
			case c.Field == "subject" || c.Field == "user" || c.Field == "owner":
				return n.subjectOf(changes, value)
			}
			return value
		}
		changes[i].Before, changes[i].After = word(c.Before), word(c.After)
	}
}

// subjectOf is who an id in a change stands for: a group where the change says so.
func (n *names) subjectOf(changes []fieldChange, id string) string {
	for _, c := range changes {
		if c.Field == "subject kind" && (c.Before == string(backstay.SubjectGroup) || c.After == string(backstay.SubjectGroup)) {
			return n.group(id) + " (" + id + ")"
		}
	}
	return n.person(id) + " (" + id + ")"
}
