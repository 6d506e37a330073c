package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/cli/fields"
	"github.com/backstay/backstay/internal/kinds"
	"github.com/backstay/backstay/settings"
)

// edit is the flags that say what a thing is to be.
type edit struct {
	set     []string
	file    string
	confirm bool
}

func (c *edit) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&c.set, "set", nil, "`field=value`, or field=@file to read the value from a file, as secrets have to be; may be repeated")
	cmd.Flags().StringVar(&c.file, "file", "", "`FILE` with a JSON object of fields; - is standard input")
	registerConfirm(cmd, &c.confirm)
}

const contentHelp = `

Fields are given by --set or --file; parts of one by a dot, as in schedule.at=02:00, lists by commas. Where a field holds the id of something, its name does too. The
fields are: `

func (n noun) contentHelp() string {
	return contentHelp + strings.Join(fields.Names(n.form), ", ") + "."
}

func (p *program) newNounCreate(n noun) *cobra.Command {
	var c edit
	cmd := &cobra.Command{
		Use:     "create",
		Short:   "Create " + n.a(),
		Long:    "Create " + n.a() + "." + n.contentHelp(),
		Example: "  backstay " + n.command() + " create " + n.example,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(c.set) == 0 && c.file == "" {
				return usageError(cmd, "nothing is said about the %s", n.one)
			}
			object, err := p.object(n, c)
			if err != nil {
				return err
			}
			return p.onServer(cmd, c.confirm, func(ctx context.Context, s asker) error {
				if err := s.resolve(ctx, n, object); err != nil {
					return err
				}
				made, err := n.Create(ctx, s.Client, object)
				if err != nil {
					return err
				}
				return s.created(n, made)
			})
		},
	}
	c.register(cmd)
	return cmd
}

// created tells of a new thing. The secret of a token is shown this once.
func (s asker) created(n noun, made json.RawMessage) error {
	if s.flags.json {
		return s.printJSON(made)
	}
	if secret := fields.Get(made, "secret"); n.one == "token" && secret != nil {
		return s.printf("%s\n", fields.Text(secret))
	}
	return s.say("created %s %s", n.one, s.label(made))
}

// label names an object to a person.
func (s asker) label(object json.RawMessage) string {
	if name := fields.Get(object, "name"); name != nil {
		return fmt.Sprintf("%q (%s)", fields.Text(name), fields.Text(fields.Get(object, "id")))
	}
	return fields.Text(fields.Get(object, "id"))
}

func (p *program) newNounUpdate(n noun) *cobra.Command {
	var c edit
	cmd := &cobra.Command{
		Use:   "update " + n.argument(),
		Short: "Change " + n.a(),
		Long: "Change " + n.a() + ". What isn't given stays as it is." + n.contentHelp() + `

If the file is what show --json wrote, it is refused if somebody has changed the ` + n.one + ` since.`,
		Example: "  backstay " + n.command() + " update " + n.argument() + " --set " + n.sample() + "\n  backstay " + n.command() + " update " + n.argument() + " --file changed.json",
		Args:    wants(1, 1, n.argument()),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(c.set) == 0 && c.file == "" {
				return usageError(cmd, "nothing is said about the %s", n.one)
			}
			object, err := p.object(n, c)
			if err != nil {
				return err
			}
			return p.update(cmd, n, args[0], object, c.confirm)
		},
	}
	c.register(cmd)
	return cmd
}

// sample is a field for an example.
func (n noun) sample() string {
	if n.nameless {
		return "effect=deny"
	}
	return "name=other"
}

func (p *program) update(cmd *cobra.Command, n noun, name string, patch map[string]any, confirm bool) error {
	return p.onServer(cmd, confirm, func(ctx context.Context, s asker) error {
		f, err := s.find(ctx, n.Path, name, "")
		if err != nil {
			return err
		}
		if err := s.resolve(ctx, n, patch); err != nil {
			return err
		}
		version := f.version
		if read, ok := patch["version"].(float64); ok {
			version = int64(read)
		}
		made, err := n.Update(ctx, s.Client, f.id, version, patch)
		if err != nil {
			return err
		}
		if s.flags.json {
			return s.printJSON(made)
		}
		return s.say("changed %s %s", n.one, s.label(made))
	})
}

func (p *program) newNounDelete(n noun) *cobra.Command {
	var confirm bool
	cmd := &cobra.Command{
		Use:     "delete " + n.argument(),
		Short:   "Delete " + n.a(),
		Long:    "Delete " + n.a() + " from the server.",
		Example: "  backstay " + n.command() + " delete " + n.argument(),
		Args:    wants(1, 1, n.argument()),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onServer(cmd, confirm, func(ctx context.Context, s asker) error {
				f, err := s.find(ctx, n.Path, args[0], "")
				if err != nil {
					return err
				}
				if err := n.Delete(ctx, s.Client, f.id, f.version); err != nil {
					return err
				}
				return s.say("deleted %s %s", n.one, s.label(f.object))
			})
		},
	}
	registerConfirm(cmd, &confirm)
	return cmd
}

// object is what the flags say of a thing.
func (p *program) object(n noun, c edit) (map[string]any, error) {
	object := map[string]any{}
	if c.file != "" {
		text, err := p.readJSON(c.file)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &object); err != nil {
			return nil, backstay.Errorf(backstay.Invalid, "%q is no JSON object: %w", c.file, err)
		}
	}
	for _, set := range c.set {
		name, value, ok := strings.Cut(set, "=")
		if !ok {
			return nil, backstay.Errorf(backstay.Invalid, "field %q has no value", name).WithHint("Write it as --set FIELD=VALUE.")
		}
		if file, ok := strings.CutPrefix(value, "@"); ok {
			text, err := readText("field "+name, file)
			if err != nil {
				return nil, err
			}
			value = text
		} else if isSecret(name) {
			return nil, backstay.Errorf(backstay.Invalid, "field %q is a secret, and everybody on this machine can see it there", name).
				WithHint("Write it into a file that only you can read: --set " + name + "=@FILE")
		}
		if err := fields.Set(object, n.form, name, value); err != nil {
			return nil, err
		}
	}
	return object, nil
}

// readJSON reads a file that a person named, or standard input.
func (p *program) readJSON(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(p.sys.Stdin, maxTextFile))
	}
	return os.ReadFile(name)
}

// isSecret reports whether a field must not be seen on the command line.
func isSecret(name string) bool {
	setting, ok := strings.CutPrefix(name, "settings.")
	if !ok {
		return name == "password"
	}
	var all []settings.Field
	for _, kind := range kinds.Sources() {
		all = append(all, kind.Fields...)
	}
	for _, kind := range kinds.Channels() {
		all = append(all, kind.Fields...)
	}
	if slices.ContainsFunc(all, func(f settings.Field) bool { return f.Name == setting && f.IsSecret() }) {
		return true
	}
	f, ok := kinds.Field(setting)
	return ok && f.IsSecret()
}

// resolve puts ids in the place of names.
func (s asker) resolve(ctx context.Context, n noun, object map[string]any) error {
	project := ""
	one := func(field, path, name string) (string, error) {
		if field == "subject" && object["subject_kind"] == "group" {
			path = "groups"
		}
		within := project
		if nounAt(path).names["project"] == "" { // it lies in none
			within = ""
		}
		f, err := s.find(ctx, path, name, within)
		return f.id, err
	}
	if name, ok := object["project"].(string); ok && n.names["project"] != "" {
		id, err := one("project", "projects", name)
		if err != nil {
			return err
		}
		object["project"], project = id, id
	}
	for field, path := range n.names {
		var err error
		switch v := object[field].(type) {
		case string:
			if field != "project" {
				object[field], err = one(field, path, v)
			}
		case []string, []any: // from a flag, from a file
			object[field], err = many(v, func(name string) (string, error) { return one(field, path, name) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// many looks each name of a list up.
func many(list any, look func(string) (string, error)) (ids []string, err error) {
	names, _ := list.([]string)
	if all, isAny := list.([]any); isAny {
		for _, item := range all {
			name, isText := item.(string)
			if !isText {
				return nil, backstay.Errorf(backstay.Invalid, "a list of names holds something else")
			}
			names = append(names, name)
		}
	}
	ids = make([]string, len(names))
	for i, name := range names {
		if ids[i], err = look(name); err != nil {
			return nil, err
		}
	}
	return ids, nil
}
