package cli

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/internal/client"
	"github.com/backstay/backstay/settings"
)

// deed is what can be done with one thing of a noun, beside what can be done with all of them.
type deed struct {
	verb, short, long string
	op                client.Operation
	body              func() any // may be nil
	done              func(ctx context.Context, s asker, f found, answer json.RawMessage) error
}

func (p *program) newDeed(n noun, d deed) *cobra.Command {
	var confirm bool
	cmd := &cobra.Command{
		Use:     d.verb + " " + n.argument(),
		Short:   d.short,
		Long:    d.long,
		Example: "  backstay " + n.command() + " " + d.verb + " " + n.argument(),
		Args:    wants(1, 1, n.argument()),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onServer(cmd, confirm, func(ctx context.Context, s asker) error {
				f, err := s.find(ctx, n.Path, args[0], "")
				if err != nil {
					return err
				}
				request := client.Request{ID: f.id}
				if d.body != nil {
					request.Body = d.body()
				}
				var answer json.RawMessage
				if err := s.Do(ctx, d.op, request, &answer); err != nil {
					return err
				}
				return d.done(ctx, s, f, answer)
			})
		},
	}
	registerConfirm(cmd, &confirm)
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

// says tells that a deed is done; programs get the thing as it is now.
func says(sentence string) func(context.Context, asker, found, json.RawMessage) error {
	return func(_ context.Context, s asker, f found, answer json.RawMessage) error {
		if s.flags.json && len(answer) > 0 {
			return s.printJSON(answer)
		}
		return s.say(sentence, s.label(f.object))
	}
}

// newRunDeed is a deed that begins a run, whose log may be followed to its end.
func (p *program) newRunDeed(n noun, d deed) *cobra.Command {
	var follow bool
	d.long += " With --follow the log of the run is shown until it ends, and the exit code tells how it ended."
	d.done = func(ctx context.Context, s asker, _ found, answer json.RawMessage) error {
		var run backstay.Run
		if err := json.Unmarshal(answer, &run); err != nil {
			return err
		}
		if follow {
			return s.follow(ctx, run.ID)
		}
		return s.started(run)
	}
	cmd := p.newDeed(n, d)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "show the log until the run ends")
	return cmd
}

// kind is a kind of source, storage or channel.
type kind struct {
	Kind, Title, Help string
	Fields            []settings.Field
}

// newKinds lists the kinds of a noun with their settings.
func (p *program) newKinds(n noun, op client.Operation) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kinds [KIND]",
		Short: "List the kinds of " + n.many() + " with their settings",
		Long: "List the kinds of " + n.many() + " that the server knows, or the settings of one of them: --set settings.NAME=VALUE gives them, and\n" +
			"--set settings.NAME=@FILE those that are secret.",
		Example: "  backstay " + n.command() + " kinds\n  backstay " + n.command() + " kinds --json",
		Args:    wants(0, 1, "one kind"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				var page struct{ Items []json.RawMessage }
				if err := s.Do(ctx, op, client.Request{}, &page); err != nil {
					return err
				}
				if s.flags.json {
					return s.printJSON(page.Items)
				}
				return s.kinds(page.Items, args)
			})
		},
	}
	return withCodes(cmd, 0, 1, 2, 5)
}

func (s asker) kinds(items []json.RawMessage, wanted []string) error {
	list := show.NewTable("Kind", "What it is")
	for _, item := range items {
		var k kind
		if err := json.Unmarshal(item, &k); err != nil {
			return err
		}
		list.Add(k.Kind, k.Title)
		if len(wanted) == 1 && k.Kind == wanted[0] {
			return s.kind(k)
		}
	}
	if len(wanted) == 1 {
		return backstay.Errorf(backstay.NotFound, "there is no kind %q", wanted[0]).WithHint("Leave it out to list those there are.")
	}
	_, err := list.WriteTo(s.out)
	return err
}

func (s asker) kind(k kind) error {
	table := show.NewTable("Setting", "Needed", "Secret", "Default", "What it is")
	mark := func(on bool) string {
		if on {
			return "yes"
		}
		return ""
	}
	for _, f := range k.Fields {
		text := f.Title
		if f.Help != "" {
			text += ": " + f.Help
		}
		table.Add(f.Name, mark(f.Required), mark(f.IsSecret()), f.Default, text)
	}
	if err := s.say("%s: %s\n", k.Kind, k.Title); err != nil {
		return err
	}
	_, err := table.WriteTo(s.out)
	return err
}
