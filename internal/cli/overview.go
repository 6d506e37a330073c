package cli

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/internal/client"
)

// storageState is how full a storage is.
type storageState struct {
	Name         string
	Limit, Bytes int64
	Growth       float64
	FullOn       *time.Time `json:"full_on"`
}

// overview is how everything stands.
type overview struct {
	Sources struct {
		Total, Safe, Unverified, Attention int
		Listed                             []struct {
			Name       string
			Reasons    []struct{ Concern string }
			BackedUpAt *time.Time `json:"backed_up_at"`
			NextAt     *time.Time `json:"next_at"`
		}
	}
	Running  struct{ Total int }
	Pending  int
	Storages []storageState
}

func (p *program) newOverview() *cobra.Command {
	var project, zone string
	cmd := &cobra.Command{
		Use:   "overview",
		Short: "Tell how everything on a server stands",
		Long: `Tell how everything on a server stands that you may see: how many sources are safe, which need attention and why, what runs and waits, and how full the storages are.
A source is safe when its newest backup is in time and was verified as its plans ask for. --json has what comes next and how the runs of the last 12 weeks ended, too.`,
		Example: "  backstay overview\n  backstay overview --project Office --zone Europe/Berlin --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				query := url.Values{"zone": {zone}}
				if project != "" {
					f, err := s.find(ctx, "projects", project, "")
					if err != nil {
						return err
					}
					query.Set("project", f.id)
				}
				var answer json.RawMessage
				if err := s.Do(ctx, client.Overview, client.Request{Query: query}, &answer); err != nil {
					return err
				}
				if s.flags.json {
					return s.printJSON(answer)
				}
				var o overview
				if err := json.Unmarshal(answer, &o); err != nil {
					return err
				}
				return s.overview(o)
			})
		},
	}
	cmd.Flags().StringVar(&project, "project", "", "only this `project`")
	cmd.Flags().StringVar(&zone, "zone", "", "time `zone` of the days that --json has (default UTC)")
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (s asker) overview(o overview) error {
	if err := s.say("%s: %d safe, %d not verified as asked for, %d needing attention. %s at work, %d waiting.", show.Plural(o.Sources.Total, "source"), o.Sources.Safe, o.Sources.Unverified,
		o.Sources.Attention, show.Plural(o.Running.Total, "run"), o.Pending); err != nil {
		return err
	}
	if len(o.Sources.Listed) > 0 {
		table := show.NewTable("Source", "Why", "Backed up", "Next")
		for _, source := range o.Sources.Listed {
			var why []string
			for _, r := range source.Reasons {
				why = append(why, r.Concern)
			}
			table.Add(s.name(source.Name), strings.Join(why, ", "), timeOf(source.BackedUpAt), timeOf(source.NextAt))
		}
		if err := s.table(table); err != nil {
			return err
		}
	}
	if len(o.Storages) == 0 {
		return nil
	}
	table := show.NewTable("Storage", ">Used", ">Limit", ">A day", "Full")
	for _, state := range o.Storages {
		table.Add(append([]string{s.name(state.Name)}, fullness(state)...)...)
	}
	return s.table(table)
}

// table prints a table after an empty line.
func (s asker) table(t *show.Table) error {
	if err := s.say(""); err != nil {
		return err
	}
	_, err := t.WriteTo(s.out)
	return err
}

func timeOf(at *time.Time) string {
	if at == nil {
		return "-"
	}
	return show.Time(at.Local())
}

// fullness is what a storage holds, may hold, grows by in a day, and when it is full.
func fullness(state storageState) []string {
	limit, growth, full := "-", "+"+show.Size(int64(state.Growth)), "-"
	if state.Limit > 0 {
		limit = show.Size(state.Limit)
	}
	if state.Growth < 0 {
		growth = "-" + show.Size(int64(-state.Growth))
	}
	if state.FullOn != nil {
		full = state.FullOn.Local().Format(time.DateOnly)
	}
	return []string{show.Size(state.Bytes), limit, growth, full}
}

func (p *program) newStorageUsage() *cobra.Command {
	var days int
	cmd := &cobra.Command{
		Use:   "usage STORAGE",
		Short: "Show what a storage of the server held day by day, and when it is full",
		Long: `Show what a storage of the server held day by day, in UTC, and when it is full: when it reaches its limit if it goes on growing as it did in the last 30 days.
That is told from the third day on.`,
		Example: "  backstay storage usage nas\n  backstay storage usage nas --days 365 --json",
		Args:    wants(1, 1, "one storage"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				f, err := s.find(ctx, "storages", args[0], "")
				if err != nil {
					return err
				}
				var answer json.RawMessage
				if err := s.Do(ctx, client.StorageUsage, client.Request{ID: f.id, Query: url.Values{"days": {strconv.Itoa(days)}}}, &answer); err != nil {
					return err
				}
				if s.flags.json {
					return s.printJSON(answer)
				}
				return s.storageUsage(answer)
			})
		},
	}
	cmd.Flags().IntVar(&days, "days", 30, "`number` of days to look back, 400 at most")
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (s asker) storageUsage(answer json.RawMessage) error {
	var u struct {
		storageState
		Days []struct {
			Day              string
			Bytes, Snapshots int64
		}
	}
	if err := json.Unmarshal(answer, &u); err != nil {
		return err
	}
	table := show.NewTable("Day", ">Used", ">Snapshots")
	for _, d := range u.Days {
		table.Add(d.Day, show.Size(d.Bytes), show.Count(d.Snapshots))
	}
	if _, err := table.WriteTo(s.out); err != nil {
		return err
	}
	now := fullness(u.storageState)
	return s.say("\nUsed: %s, limit: %s, a day: %s, full: %s", now[0], now[1], now[2], now[3])
}
