package cli

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/internal/client"
)

func (p *program) newAudit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Read and verify the audit trail of a server",
		Long: `Read and verify the audit trail: who did what to which thing, with what result. Each event carries the hash of the one before it, so
that none can be changed or removed unseen. What was signed and kept elsewhere shows also whether the trail was cut at its end.`,
		Example: `  backstay audit list --action plan.
  backstay audit verify --heads heads.jsonl`,
		Args: subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.newAuditList(), p.newAuditVerify(), p.newAuditSign(), p.newAuditExport())
	return withCodes(cmd, 0, 2)
}

func (p *program) newAuditList() *cobra.Command {
	filters := map[string]*string{}
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List what was done, the newest first",
		Long:    `List what was done, the newest first. --json has all there is about each event, one a line.`,
		Example: "  backstay audit list --action access.denied --since 2026-01-01T00:00:00Z",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := url.Values{"limit": {strconv.Itoa(max(1, min(limit, 1000)))}}
			for name, value := range filters {
				if *value != "" {
					query.Set(name, *value)
				}
			}
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error { return s.listAudit(ctx, query, limit) })
		},
	}
	f := cmd.Flags()
	for _, flag := range [][3]string{{"actor", "actor", "only those of the person with this `id`"}, {"action", "action", "only this `action`, such as plan.updated, or plan. for all about plans"},
		{"object", "object_id", "only those about the thing with this `id`"}, {"project", "project", "only those in the project with this `id`"},
		{"result", "result", "only those with this `result`: allowed, denied or failed"}, {"since", "since", "only those from this `time` on"}, {"until", "until", "only those before this `time`"}} {
		filters[flag[1]] = f.String(flag[0], "", flag[2])
	}
	f.IntVar(&limit, "limit", 100, "`number` to show at most")
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (s asker) listAudit(ctx context.Context, query url.Values, limit int) error {
	table := show.NewTable(">Event", "Time", "Who", "Action", "What", "Result", "Reason")
	count := 0
	for e, err := range client.Pages[backstay.AuditEvent](ctx, s.Client, client.AuditEvents, query, "before") {
		if err != nil {
			return err
		}
		if s.flags.json {
			if err := s.printJSON(e); err != nil {
				return err
			}
		} else {
			table.Add(strconv.FormatInt(e.Seq, 10), show.Time(e.Time.Local()), s.name(e.ActorName), s.name(e.Action), s.name(e.Object+" "+e.Name), string(e.Result), s.name(e.Reason))
		}
		if count++; count >= limit {
			break
		}
	}
	if s.flags.json {
		return nil
	}
	_, err := table.WriteTo(s.out)
	return err
}

func (p *program) newAuditSign() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "sign",
		Short:   "Sign how far the audit trail has come",
		Long:    `Have the server sign how far the trail has come, and print that. Keep it in another place, for 'backstay audit verify'.`,
		Example: `  backstay audit sign >> heads.jsonl`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				var head json.RawMessage
				if err := s.Do(ctx, client.SignAudit, client.Request{}, &head); err != nil {
					return err
				}
				return s.printJSON(head)
			})
		},
	}
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (p *program) newAuditExport() *cobra.Command {
	var format string
	var after int64
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print the whole audit trail, the oldest event first",
		Long: `Print the whole audit trail, the oldest event first: as JSON lines, or as CSV for spreadsheets. That it was exported is an event
itself.`,
		Example: `  backstay audit export > trail.jsonl
  backstay audit export --format csv > trail.csv`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := url.Values{"format": {format}, "after": {strconv.FormatInt(after, 10)}}
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				return s.Copy(ctx, client.ExportAudit, client.Request{Query: query}, s.out)
			})
		},
	}
	cmd.Flags().StringVar(&format, "format", "jsonl", "`format`: jsonl or csv")
	cmd.Flags().Int64Var(&after, "after", 0, "only events with a higher `number`")
	return withCodes(cmd, 0, 1, 2, 5, 6)
}
