package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/cli/show"
)

func (p *program) newSnapshots() *cobra.Command {
	var sel selection
	var compact bool
	var latest int
	var groupBy string
	cmd := &cobra.Command{
		Use:   "snapshots [ID...]",
		Short: "List the snapshots",
		Long: `List the snapshots of the repository, oldest first: all, those that the flags select, or those named by id. With
--latest 3 list the last three of each host and set of paths, or of each group if --group-by is given.`,
		Example: `  backstay snapshots -r /srv/backup
  backstay snapshots -r /srv/backup --host web1 --latest 1
  backstay snapshots -r /srv/backup --group-by host,paths`,
		RunE: func(cmd *cobra.Command, args []string) error {
			by, err := snapshot.ParseGroupBy(groupBy)
			if err != nil {
				return usageError(cmd, "%w", err)
			}
			if latest < 0 {
				return usageError(cmd, "--latest %d: it is a number of snapshots", latest)
			}
			return p.withRepo(cmd, reading, func(ctx context.Context, r *repo.Repo) error {
				all, unread, err := p.findSnapshots(ctx, r, sel, args)
				if err != nil {
					return err
				}
				if err := p.printSnapshots(last(all, latest, by), by, compact); err != nil {
					return err
				}
				return unread
			})
		},
	}
	sel.register(cmd.Flags())
	p.registerNoLock(cmd)
	cmd.Flags().BoolVarP(&compact, "compact", "c", false, "leave out the paths and sizes")
	cmd.Flags().IntVar(&latest, "latest", 0, "only the last `n` of each group")
	cmd.Flags().StringVarP(&groupBy, "group-by", "g", "", "one table for each group: host, paths, tags or several of these `words`, with commas")
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

// last keeps the last n snapshots of each group, in their order; all of them if n is 0.
func last(all []*snapshot.Snapshot, n int, by snapshot.GroupBy) []*snapshot.Snapshot {
	if n == 0 {
		return all
	}
	if by == (snapshot.GroupBy{}) {
		by = snapshot.GroupBy{Host: true, Paths: true}
	}
	keep := make(map[crypto.ID]bool)
	for _, g := range snapshot.Split(all, by) {
		for _, s := range g.Snapshots[max(0, len(g.Snapshots)-n):] {
			keep[s.ID] = true
		}
	}
	var kept []*snapshot.Snapshot
	for _, s := range all {
		if keep[s.ID] {
			kept = append(kept, s)
		}
	}
	return kept
}

// snapshotJSON has the fields that programs made for restic's output know.
type snapshotJSON struct {
	*snapshot.Snapshot
	ID          crypto.ID `json:"id"`
	ShortID     string    `json:"short_id"`
	MessageType string    `json:"message_type,omitempty"`
	StructType  string    `json:"struct_type,omitempty"`
}

func newSnapshotJSON(s *snapshot.Snapshot) snapshotJSON {
	return snapshotJSON{Snapshot: s, ID: s.ID, ShortID: s.ID.Short()}
}

// groupJSON is a group of snapshots, as restic has it.
type groupJSON struct {
	GroupKey struct {
		Hostname string   `json:"hostname"`
		Paths    []string `json:"paths"`
		Tags     []string `json:"tags"`
	} `json:"group_key"`
	Snapshots []snapshotJSON `json:"snapshots"`
}

func (p *program) printSnapshots(all []*snapshot.Snapshot, by snapshot.GroupBy, compact bool) error {
	if by == (snapshot.GroupBy{}) {
		if p.flags.json {
			return p.printJSON(snapshotsJSON(all))
		}
		return p.printTable(all, compact)
	}
	groups := []groupJSON{}
	for _, g := range snapshot.Split(all, by) {
		if p.flags.json {
			group := groupJSON{Snapshots: snapshotsJSON(g.Snapshots)}
			group.GroupKey.Hostname, group.GroupKey.Paths, group.GroupKey.Tags = g.Host, g.Paths, g.Tags
			groups = append(groups, group)
			continue
		}
		if err := p.printf("%s\n", title(g, by)); err != nil {
			return err
		}
		if err := p.printTable(g.Snapshots, compact); err != nil {
			return err
		}
	}
	if p.flags.json {
		return p.printJSON(groups)
	}
	return nil
}

func snapshotsJSON(all []*snapshot.Snapshot) []snapshotJSON {
	rows := make([]snapshotJSON, 0, len(all))
	for _, s := range all {
		rows = append(rows, newSnapshotJSON(s))
	}
	return rows
}

func title(g snapshot.Group, by snapshot.GroupBy) string {
	var parts []string
	if by.Host {
		parts = append(parts, "host "+show.Name(g.Host))
	}
	if by.Paths {
		parts = append(parts, "paths "+show.Name(strings.Join(g.Paths, ", ")))
	}
	if by.Tags {
		parts = append(parts, "tags "+show.Name(strings.Join(g.Tags, ", ")))
	}
	return "snapshots of " + strings.Join(parts, ", ") + ":"
}

func (p *program) printTable(all []*snapshot.Snapshot, compact bool) error {
	columns := []string{"ID", "Time", "Host", "Tags", "Paths", ">Size"}
	if compact {
		columns = columns[:4]
	}
	table := show.NewTable(columns...)
	for _, s := range all {
		tags, paths := lines(shortTags(s.Tags)), lines(s.Paths)
		if compact {
			tags = strings.ReplaceAll(tags, "\n", ",")
		}
		size := ""
		if s.Summary != nil {
			size = show.Size(s.Summary.TotalBytesProcessed)
		}
		cells := []string{s.ID.Short(), show.Time(s.Time.Local()), show.Name(s.Hostname), tags, paths, size}
		table.Add(cells[:len(columns)]...)
	}
	if _, err := table.WriteTo(p.out); err != nil {
		return err
	}
	return p.printf("%s\n", show.Plural(len(all), "snapshot"))
}

// lines makes a table cell of names, one on each line.
func lines(names []string) string {
	shown := make([]string, len(names))
	for i, name := range names {
		shown[i] = show.Name(name)
	}
	return strings.Join(shown, "\n")
}

// shortTags shortens the ids in tags, which are longer than all the rest of a table.
func shortTags(tags []string) []string {
	shown := slices.Clone(tags)
	for i, tag := range tags {
		name, value, _ := strings.Cut(tag, "=")
		if id, err := crypto.ParseID(value); err == nil {
			shown[i] = name + "=" + id.Short()
		}
	}
	return shown
}
