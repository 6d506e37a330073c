package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/internal/client"
	"github.com/backstay/backstay/schedule"
)

func (p *program) newRetention() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "retention",
		Short:   "See what retention does before it does so",
		Long:    "See what the retention of a plan of the server would do. What a plan keeps is set with 'backstay plan update'.",
		Example: "  backstay retention preview --plan nightly",
		Args:    subcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.newRetentionPreview())
	return withCodes(cmd, 0, 2)
}

// previewFlags say what a preview is asked about.
type previewFlags struct {
	keepFlags
	plan, repository, source string
	days                     int
	schedule                 schedule.Schedule
}

func (p *program) newRetentionPreview() *cobra.Command {
	var f previewFlags
	cmd := &cobra.Command{
		Use:   "preview",
		Short: "Show what a policy would remove, and what it comes to with time",
		Long: `Show which of the snapshots that there are a policy keeps, and why, which it would remove, and how much space that frees at most. Nothing is removed. The policy is that of the
plan, or another one by the flags.

With --days a schedule is played forward from today, beginning with nothing: the snapshots are shown that there are at the end.`,
		Example: `  backstay retention preview --plan nightly
  backstay retention preview --plan nightly --keep-daily 7 --keep-monthly 12 --days 365
  backstay retention preview --repository main --source letters --keep-weekly 4`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (f.plan == "") == (f.repository == "" || f.source == "") {
				return usageError(cmd, "say what it is about: a plan, or a repository and a source")
			}
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error { return s.previewRetention(ctx, f) })
		},
	}
	f.keepFlags.register(cmd.Flags())
	cmd.Flags().StringVar(&f.plan, "plan", "", "`name` of a plan")
	cmd.Flags().StringVar(&f.repository, "repository", "", "`name` of a repository, without a plan")
	cmd.Flags().StringVar(&f.source, "source", "", "`name` of a source, without a plan")
	cmd.Flags().IntVar(&f.days, "days", 0, "`number` of days to play forward")
	cmd.Flags().StringVar(&f.schedule.Every, "every", "", "`frequency` to play, such as hour or day, instead of the plan's schedule")
	cmd.Flags().StringVar(&f.schedule.At, "at", "", "`time` of day for --every")
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

// question is what the flags ask, with ids for names.
func (s asker) question(ctx context.Context, f previewFlags) (map[string]any, error) {
	q := map[string]any{"days": f.days}
	for _, named := range []struct{ field, path, name string }{{"plan", "plans", f.plan}, {"repository", "repositories", f.repository}, {"source", "sources", f.source}} {
		if named.name == "" {
			continue
		}
		found, err := s.find(ctx, named.path, named.name, "")
		if err != nil {
			return nil, err
		}
		q[named.field] = found.id
	}
	if policy := f.rules(); !policy.IsEmpty() {
		q["policy"] = policy
	}
	if f.schedule.Every != "" {
		q["schedule"] = f.schedule
	}
	return q, nil
}

func (s asker) previewRetention(ctx context.Context, f previewFlags) error {
	q, err := s.question(ctx, f)
	if err != nil {
		return err
	}
	var answer json.RawMessage
	if err := s.Do(ctx, client.PreviewRetention, client.Request{Body: q}, &answer); err != nil {
		return err
	}
	if s.flags.json {
		return s.printJSON(answer)
	}
	var p retentionPreview
	if err := json.Unmarshal(answer, &p); err != nil {
		return err
	}
	return s.printPreview(p)
}

// retentionPreview is what the server answers.
type retentionPreview struct {
	Groups []struct {
		Host      string
		Paths     []string
		Snapshots []struct {
			ID, Fate string
			Time     time.Time
			Reasons  []string
			Added    int64
		}
	}
	Kept, Removed int
	Freed         int64
	Forecast      *struct {
		Days, Made, Most int
		Kept             []struct {
			Time    time.Time
			AgeDays float64 `json:"age_days"`
			Reasons []string
		}
	}
}

func (s asker) printPreview(p retentionPreview) error {
	table := show.NewTable("Snapshot", "Time", "Host", "Paths", "Fate", ">Added", "Because")
	for _, g := range p.Groups {
		for _, v := range g.Snapshots {
			table.Add(v.ID, show.Time(v.Time.Local()), s.name(g.Host), s.name(strings.Join(g.Paths, ", ")), v.Fate, show.Size(v.Added), s.name(strings.Join(v.Reasons, ", ")))
		}
	}
	if _, err := table.WriteTo(s.out); err != nil {
		return err
	}
	if err := s.say("\n%s kept, %d removed, which frees %s at most", show.Plural(p.Kept, "snapshot"), p.Removed, show.Size(p.Freed)); err != nil || p.Forecast == nil {
		return err
	}
	if err := s.say("\nIn %d days, with %d backups: %s, and %d at most on the way", p.Forecast.Days, p.Forecast.Made, show.Plural(len(p.Forecast.Kept), "snapshot"), p.Forecast.Most); err != nil {
		return err
	}
	forecast := show.NewTable("Time", ">Days old", "Because")
	for _, v := range p.Forecast.Kept {
		forecast.Add(show.Time(v.Time.Local()), fmt.Sprintf("%.1f", v.AgeDays), strings.Join(v.Reasons, ", "))
	}
	_, err := forecast.WriteTo(s.out)
	return err
}
