package cli

import (
	"context"
	"encoding/json"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/cli/fields"
	"github.com/backstay/backstay/internal/client"
)

// single is a thing of which there is one, such as the settings of the server.
type single struct {
	name       string // as in "changed NAME"
	form       reflect.Type
	get, patch client.Operation
}

// showAnswer prints what an operation answers.
func (s asker) showAnswer(ctx context.Context, op client.Operation) error {
	var object json.RawMessage
	if err := s.Do(ctx, op, client.Request{}, &object); err != nil {
		return err
	}
	return s.show(object)
}

// newShow is the command that shows it; newUpdate the one that changes it. what names it in the help.
func (p *program) newShow(o single, command, what string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Show " + what,
		Long:    "Show " + what + ".",
		Example: "  backstay " + command + " show\n  backstay " + command + " show --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error { return s.showAnswer(ctx, o.get) })
		},
	}
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (p *program) newUpdate(o single, command, what, sample string) *cobra.Command {
	var c edit
	cmd := &cobra.Command{
		Use:   "update",
		Short: "Change " + what,
		Long: "Change " + what + ". What isn't given stays as it is.\n\nFields are given by --set or --file. They are: " + strings.Join(fields.Names(o.form), ", ") + `.

If the file is what show --json wrote, it is refused if somebody has made a change since.`,
		Example: "  backstay " + command + " update --set " + sample,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(c.set) == 0 && c.file == "" {
				return usageError(cmd, "nothing is said about %s", what)
			}
			patch, err := p.object(noun{form: o.form}, c)
			if err != nil {
				return err
			}
			return p.onServer(cmd, c.confirm, func(ctx context.Context, s asker) error { return s.patch(ctx, o, patch) })
		},
	}
	c.register(cmd)
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (s asker) patch(ctx context.Context, o single, patch map[string]any) error {
	version, _ := patch["version"].(float64)
	var changed json.RawMessage
	if err := s.Do(ctx, o.patch, client.Request{Version: int64(version), Body: patch}, &changed); err != nil {
		return err
	}
	if s.flags.json {
		return s.printJSON(changed)
	}
	return s.say("changed %s", o.name)
}

func (p *program) newSettings() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "settings",
		Short:   "Show and change the settings of a server",
		Long:    "Show and change the settings of the server that you are signed in at: its name and address, how long sessions last, who needs a second factor, and more.",
		Example: "  backstay settings show\n  backstay settings update --set mfa_roles=owner,system-admin",
		Args:    subcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	o := single{"the settings of the server", reflect.TypeFor[backstay.Settings](), client.Settings, client.UpdateSettings}
	cmd.AddCommand(p.newShow(o, "settings", o.name), p.newUpdate(o, "settings", o.name, "mfa_roles=owner,system-admin"))
	return withCodes(cmd, 0, 2)
}

func (p *program) newClock() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "clock",
		Short: "See whether the time of a server is trusted",
		Long: `See whether the time of a server is trusted. After its clock has jumped nothing is forgotten or pruned, until the time has moved on by itself for an hour or
somebody says that it is right: 'backstay server confirm'.`,
		Example: "  backstay clock\n  backstay clock --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error { return s.showAnswer(ctx, client.Clock) })
		},
	}
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (p *program) newHealth() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "health [URL]",
		Short: "Ask whether a server can do its work",
		Long: `Ask whether a server can do its work: whether it answers, and whether its database does. Nobody needs to be signed in for that. Without an address it is
the server where you are signed in, or the one of this machine. The exit code tells the answer.`,
		Example: `  backstay health
  backstay health https://backup.example.org:8484 --json`,
		Args: wants(0, 1, "one address"),
		RunE: func(cmd *cobra.Command, args []string) error { return p.health(cmd.Context(), args) },
	}
	return withCodes(cmd, 0, 1, 2)
}

func (p *program) health(ctx context.Context, args []string) error {
	opt, old, err := p.loginTarget(args, signIn{})
	if err != nil {
		return err
	}
	if opt.Fingerprint, opt.CA = old.Fingerprint, []byte(old.CA); old.Server == "" {
		trusted, err := p.trustOfEnvironment()
		if err != nil {
			return err
		}
		opt.Fingerprint, opt.CA = trusted.Fingerprint, trusted.CA
	}
	c, err := client.New(opt)
	if err != nil {
		return err
	}
	h, err := c.Health(ctx)
	if err != nil {
		return err
	}
	if p.flags.json {
		if err := p.printJSON(h); err != nil {
			return err
		}
	}
	if !h.OK() {
		return h.Failing(c.URL())
	}
	return p.say("%s can do its work", c.URL())
}

func (p *program) newReport() *cobra.Command {
	var project string
	var days int
	cmd := &cobra.Command{
		Use:     "report",
		Short:   "Sum up how the backups of a server went",
		Long:    "Sum up how the backups of a server went: how many there were, how many were good, how long they took and how much they read and added. --json has the trend by day.",
		Example: "  backstay report --days 7\n  backstay report --project Office --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				query := url.Values{"days": {strconv.Itoa(days)}}
				if project != "" {
					f, err := s.find(ctx, "projects", project, "")
					if err != nil {
						return err
					}
					query.Set("project", f.id)
				}
				var summary json.RawMessage
				if err := s.Do(ctx, client.Summary, client.Request{Query: query}, &summary); err != nil {
					return err
				}
				return s.show(summary)
			})
		},
	}
	cmd.Flags().StringVar(&project, "project", "", "only this `project`")
	cmd.Flags().IntVar(&days, "days", 30, "`number` of days to look back")
	return withCodes(cmd, 0, 1, 2, 5, 6)
}
