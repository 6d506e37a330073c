package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/cli/fields"
	"github.com/backstay/backstay/internal/cli/show"
)

// choice is the flags of a list.
type choice struct {
	project, search, sort string
	filters               []string
	limit                 int
}

func (p *program) newNounList(n noun) *cobra.Command {
	var c choice
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List " + n.many(),
		Long:    "List the " + n.many() + " that you may see. Times are those of your time zone; --json has all there is.",
		Example: "  backstay " + n.command() + " list\n  backstay " + n.command() + " list --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error { return s.list(ctx, n, c) })
		},
	}
	if n.whole {
		return cmd
	}
	f := cmd.Flags()
	if _, placed := n.names["project"]; placed {
		f.StringVar(&c.project, "project", "", "only those of this `project`")
	}
	if !n.nameless {
		f.StringVar(&c.search, "search", "", "only those whose name holds this `text`")
	}
	f.StringVar(&c.sort, "sort", "", "`field` to sort by; with - before it the largest first")
	f.StringArrayVar(&c.filters, "filter", nil, "only those where `field=value`; may be repeated")
	f.IntVar(&c.limit, "limit", 100, "`number` to show at most; 0: all")
	return cmd
}

func (s asker) list(ctx context.Context, n noun, c choice) error {
	query, err := s.query(ctx, n, c)
	if err != nil {
		return err
	}
	all := []json.RawMessage{}
	for item, err := range n.List(ctx, s.Client, query) {
		if err != nil {
			return err
		}
		if all = append(all, item); c.limit > 0 && len(all) == c.limit {
			break
		}
	}
	if err := s.printAll(all, n.columns); err != nil || s.flags.json {
		return err
	}
	return s.say("%d %s", len(all), plural(n, len(all)))
}

// printAll prints objects as a table; for programs, as they are.
func (s asker) printAll(all []json.RawMessage, columns []column) error {
	if s.flags.json {
		return s.printJSON(all)
	}
	var titles []string
	for _, column := range columns {
		titles = append(titles, column.title)
	}
	table := show.NewTable(titles...)
	for _, item := range all {
		var cells []string
		for _, column := range columns {
			cells = append(cells, s.name(column.cell(item)))
		}
		table.Add(cells...)
	}
	_, err := table.WriteTo(s.out)
	return err
}

func plural(n noun, count int) string {
	if count == 1 {
		return n.one
	}
	return n.many()
}

// query is what a list is asked for; names in filters stand for the ids of what they name.
func (s asker) query(ctx context.Context, n noun, c choice) (url.Values, error) {
	q := url.Values{}
	if n.whole {
		return q, nil
	}
	q.Set("limit", "1000")
	if c.limit > 0 {
		q.Set("limit", strconv.Itoa(min(c.limit, 1000)))
	}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("search", c.search)
	set("sort", c.sort)
	if c.project != "" {
		c.filters = append(c.filters, "project="+c.project)
	}
	for _, filter := range c.filters {
		field, value, ok := strings.Cut(filter, "=")
		if !ok {
			return nil, backstay.Errorf(backstay.Invalid, "filter %q has no value", filter).WithHint("Write it as --filter FIELD=VALUE.")
		}
		if path, named := n.names[field]; named {
			found, err := s.find(ctx, path, value, "")
			if err != nil {
				return nil, err
			}
			value = found.id
		}
		set(field, value)
	}
	return q, nil
}

// found is a thing that a person named.
type found struct {
	id      string
	version int64
	object  json.RawMessage
}

func newFound(object json.RawMessage) (f found, err error) {
	var record struct {
		ID      string `json:"id"`
		Version int64  `json:"version"`
	}
	err = json.Unmarshal(object, &record)
	return found{record.ID, record.Version, object}, err
}

// find returns the thing of a name, or of an id. The project narrows a name, if it isn't "".
func (s asker) find(ctx context.Context, path, name, project string) (f found, err error) {
	n := nounAt(path)
	var all []json.RawMessage
	if !n.nameless || n.whole || n.one == "snapshot" { // which has the id of its repository for a name
		if all, err = s.named(ctx, n, name, project); err != nil {
			return f, err
		}
	}
	switch {
	case len(all) == 1:
		return newFound(all[0])
	case len(all) > 1:
		return f, backstay.Errorf(backstay.Conflict, "there is more than one %s %q", n.one, name).WithHint(fmt.Sprintf("Give the id of the one you mean: backstay %s list", n.command()))
	}
	var object json.RawMessage
	if n.has("show") {
		object, err = n.Get(ctx, s.Client, name)
	}
	if object == nil || err != nil && explain(err).Kind == backstay.NotFound {
		return f, backstay.Errorf(backstay.NotFound, "there is no %s %q", n.one, name).WithHint(fmt.Sprintf("See what there is: backstay %s list", n.command()))
	}
	if err != nil {
		return f, err
	}
	return newFound(object)
}

// named returns the first two things of a name, or all of an id where that is how they are told apart.
func (s asker) named(ctx context.Context, n noun, name, project string) (all []json.RawMessage, err error) {
	query := url.Values{"name": {name}, "limit": {"2"}}
	switch {
	case n.one == "snapshot":
		query = url.Values{"handle": {name}, "limit": {"2"}}
	case n.whole:
		query = nil
	case n.one == "user" && strings.Contains(name, "@"):
		query = url.Values{"email": {name}, "limit": {"2"}}
	case project != "":
		query.Set("project", project)
	}
	for item, err := range n.List(ctx, s.Client, query) {
		if err != nil {
			return nil, err
		}
		if n.whole && fields.Text(fields.Get(item, "name")) != name && fields.Text(fields.Get(item, "id")) != name {
			continue
		}
		if all = append(all, item); len(all) == 2 {
			break
		}
	}
	return all, nil
}

func nounAt(path string) noun {
	for _, n := range nouns() {
		if n.Path == path {
			return n
		}
	}
	return noun{}
}

func (p *program) newNounShow(n noun) *cobra.Command {
	return &cobra.Command{
		Use:     "show " + n.argument(),
		Short:   "Show " + n.a(),
		Long:    "Show all there is about " + n.a() + ". Secrets are never shown.",
		Example: "  backstay " + n.command() + " show " + n.argument() + "\n  backstay " + n.command() + " show " + n.argument() + " --json",
		Args:    wants(1, 1, n.argument()),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				f, err := s.find(ctx, n.Path, args[0], "")
				if err != nil {
					return err
				}
				return s.show(f.object)
			})
		},
	}
}

// argument is how a thing is named in usage lines.
func (n noun) argument() string {
	if n.nameless {
		return "ID"
	}
	return "NAME"
}

// show prints an object.
func (s asker) show(object json.RawMessage) error {
	if s.flags.json {
		return s.printJSON(object)
	}
	all, err := fields.List(object)
	if err != nil {
		return err
	}
	width := 0
	for _, f := range all {
		width = max(width, len(f.Name))
	}
	for _, f := range all {
		if err := s.printf("%-*s  %s\n", width, f.Name, s.name(fields.Text(f.Value))); err != nil {
			return err
		}
	}
	return nil
}
