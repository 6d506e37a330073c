package cli

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/internal/client"
)

// hit is one version of a path that a search has found.
type hit struct {
	Path, Type, Source, Repository, Original string
	Size                                     uint64
	Modified                                 time.Time `json:"modified_at"`
	First                                    time.Time `json:"first_at"`
	Last                                     time.Time `json:"last_at"`
}

func (p *program) newSearch() *cobra.Command {
	flags := map[string]*string{}
	var limit int
	cmd := &cobra.Command{
		Use:   "search TEXT",
		Short: "Find files in all snapshots of a server",
		Long: `Find files in all snapshots of the server that you may browse, by a part of the name, or of the path if there is a slash in it. Each hit is one version,
those that changed last come first, with the snapshots in which it is first and last. 'backstay find' does the same in one repository without the server.`,
		Example: "  backstay search invoice\n  backstay search /etc/nginx --source web1 --type file",
		Args:    wants(1, 1, "a text"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				query := url.Values{"text": {args[0]}, "limit": {strconv.Itoa(max(1, min(limit, 1000)))}}
				for name, value := range flags {
					if *value == "" {
						continue
					}
					given := *value
					if path := map[string]string{"project": "projects", "source": "sources"}[name]; path != "" {
						f, err := s.find(ctx, path, given, "")
						if err != nil {
							return err
						}
						given = f.id
					}
					query.Set(name, given)
				}
				return s.search(ctx, query, limit)
			})
		},
	}
	f := cmd.Flags()
	for _, flag := range [][2]string{{"project", "only in this `project`"}, {"source", "only in this `source`"}, {"type", "only of this `type`: file, dir or symlink"},
		{"from", "only in snapshots from this `time` on, such as 2026-01-01T00:00:00Z"}, {"to", "only in snapshots up to this `time`"}} {
		flags[flag[0]] = f.String(flag[0], "", flag[1])
	}
	f.IntVar(&limit, "limit", 100, "`number` to show at most")
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (s asker) search(ctx context.Context, query url.Values, limit int) error {
	table := show.NewTable("Path", ">Size", "Modified", "First in", "Last in", "Snapshot")
	count := 0
	for item, err := range client.Pages[json.RawMessage](ctx, s.Client, client.Search, query, "cursor") {
		if err != nil {
			return err
		}
		var h hit
		if err := json.Unmarshal(item, &h); err != nil {
			return err
		}
		if s.flags.json {
			if err := s.printJSON(item); err != nil {
				return err
			}
		}
		table.Add(s.name(h.Path), show.Size(h.Size), show.Time(h.Modified.Local()), show.Time(h.First.Local()), show.Time(h.Last.Local()), h.Original[:min(8, len(h.Original))])
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

func (p *program) newSourceHistory() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "history NAME PATH",
		Short: "Show every version of one path of a source",
		Long: `Show every version of one path of a source, in all of its snapshots on the server, and in which snapshots each is. 'backstay history' does the same in one
repository without the server.`,
		Example: "  backstay source history letters /srv/letters/a.txt",
		Args:    wants(2, 2, "a source and a path"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				f, err := s.find(ctx, "sources", args[0], "")
				if err != nil {
					return err
				}
				var page struct{ Items []json.RawMessage }
				if err := s.Do(ctx, client.History, client.Request{ID: f.id, Query: url.Values{"path": {args[1]}}}, &page); err != nil {
					return err
				}
				if s.flags.json {
					return s.printJSON(page.Items)
				}
				return s.history(page.Items)
			})
		},
	}
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (s asker) history(items []json.RawMessage) error {
	table := show.NewTable("Type", ">Size", "Modified", ">Snapshots", "First", "Last")
	for _, item := range items {
		var v struct {
			Type      string
			Size      uint64
			Modified  time.Time `json:"modified_at"`
			Snapshots []struct{ Time time.Time }
		}
		if err := json.Unmarshal(item, &v); err != nil {
			return err
		}
		var first, last time.Time
		for _, m := range v.Snapshots {
			if first.IsZero() || m.Time.Before(first) {
				first = m.Time
			}
			if m.Time.After(last) {
				last = m.Time
			}
		}
		table.Add(v.Type, show.Size(v.Size), show.Time(v.Modified.Local()), strconv.Itoa(len(v.Snapshots)), show.Time(first.Local()), show.Time(last.Local()))
	}
	_, err := table.WriteTo(s.out)
	return err
}
