package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/url"
	"os"
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

func (p *program) newAuditVerify() *cobra.Command {
	var heads string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that nobody has changed or cut the audit trail",
		Long: `Have the server read the whole trail, and check each event against the one before and against what was signed. Without --heads a trail that was cut
together with its own signed heads looks whole: keep what 'backstay audit sign' prints in another place, and give it here.`,
		Example: `  backstay audit verify
  backstay audit verify --heads heads.jsonl`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			kept := []json.RawMessage{}
			if heads != "" {
				text, err := os.ReadFile(heads)
				if err != nil {
					return err
				}
				if kept, err = readHeads(text); err != nil {
					return backstay.Errorf(backstay.Invalid, "signed heads %q: %w", heads, err)
				}
			}
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error { return s.verifyAudit(ctx, kept) })
		},
	}
	cmd.Flags().StringVar(&heads, "heads", "", "`FILE` with signed heads that were kept elsewhere, as 'backstay audit sign' prints them")
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

// readHeads reads JSON objects that follow one another.
func readHeads(text []byte) (all []json.RawMessage, err error) {
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var head json.RawMessage
		if err := d.Decode(&head); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, head)
	}
}

func (s asker) verifyAudit(ctx context.Context, heads []json.RawMessage) error {
	var verdict struct {
		Good    bool   `json:"good"`
		Events  uint64 `json:"events"`
		Signed  uint64 `json:"signed"`
		Problem string `json:"problem,omitempty"`
	}
	if err := s.Do(ctx, client.VerifyAudit, client.Request{Body: map[string]any{"heads": heads}}, &verdict); err != nil {
		return err
	}
	if s.flags.json {
		if err := s.printJSON(verdict); err != nil {
			return err
		}
	}
	if !verdict.Good {
		return backstay.Errorf(backstay.Damaged, "the audit trail is not what it was: %s", verdict.Problem).WithHint("Keep a copy of the database as it is, and find out who can write to it.")
	}
	return s.say("%s are as they were written; signed up to event %d", show.Plural(verdict.Events, "event"), verdict.Signed)
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
