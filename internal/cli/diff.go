package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/differ"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/restorer"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/progress"
)

func (p *program) newDiff() *cobra.Command {
	var sel selection
	var metadata bool
	cmd := &cobra.Command{
		Use:   "diff SNAPSHOT[:SUBFOLDER] SNAPSHOT[:SUBFOLDER]",
		Short: "Show what differs between two snapshots",
		Long: `Show what differs between two snapshots, or between a folder of each.

A line begins with what happened on the way from the first to the second: + added, - removed, M content differs, T another type; with --metadata
also U where only times, mode, owner or attributes differ. Folders end with a slash.`,
		Example: `  backstay diff 4bba301e latest
  backstay diff 4bba301e:/home/anna latest:/home/anna --metadata`,
		Args: wants(2, 2, "two snapshots"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withRepo(cmd, reading, func(ctx context.Context, r *repo.Repo) error {
				return p.diff(ctx, r, sel, args, metadata)
			})
		},
	}
	sel.register(cmd.Flags())
	p.registerNoLock(cmd)
	cmd.Flags().BoolVar(&metadata, "metadata", false, "show paths too whose metadata alone differs")
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

func (p *program) diff(ctx context.Context, r *repo.Repo, sel selection, names []string, metadata bool) error {
	var roots [2]crypto.ID
	for i, name := range names {
		name, _, _ := strings.Cut(name, ":")
		s, err := p.findSnapshot(ctx, r, sel, name)
		if err != nil {
			return err
		}
		roots[i] = s.Tree
	}
	if err := r.LoadIndex(ctx); err != nil {
		return err
	}
	for i, name := range names {
		_, sub, _ := strings.Cut(name, ":")
		var err error
		if roots[i], err = restorer.Folder(ctx, r, roots[i], sub); err != nil {
			return err
		}
	}
	var stats differ.Stats
	unread := 0
	for c, err := range differ.Diff(ctx, r, roots[0], roots[1], differ.Options{Stats: &stats}) {
		var lost *entry.Error
		switch {
		case errors.As(err, &lost):
			unread++
			p.event(progress.Event{Kind: progress.Failed, Item: lost.Path, Err: lost.Err})
		case err != nil:
			return err
		case metadata || c.Kind != differ.Metadata:
			if err := p.printDiff(c); err != nil {
				return err
			}
		}
	}
	if err := p.printDiffStats(stats); err != nil {
		return err
	}
	return unreadable(unread)
}

// modifier is the sign of a kind of change, as restic has it.
func modifier(k differ.Kind) string {
	return map[differ.Kind]string{differ.Added: "+", differ.Removed: "-", differ.Modified: "M", differ.Metadata: "U", differ.Retyped: "T"}[k]
}

func (p *program) printDiff(c differ.Change) error {
	path := "/" + c.Path
	if n := lastNode(c); n.Type == entry.Dir {
		path += "/"
	}
	if !p.flags.json {
		note := ""
		if c.Silent() {
			note = "  (content differs, size and time do not: one of the two may have been read from a failing disk)"
		}
		return p.printf("%-4s %s%s\n", modifier(c.Kind), p.name(path), note)
	}
	return p.printJSON(struct {
		MessageType string `json:"message_type"`
		Path        string `json:"path"`
		Modifier    string `json:"modifier"`
	}{"change", path, modifier(c.Kind)})
}

// lastNode is the newer of the nodes of a change.
func lastNode(c differ.Change) *tree.Node {
	if c.New != nil {
		return c.New
	}
	return c.Old
}

type diffCountsJSON struct {
	Files     int64 `json:"files"`
	Dirs      int64 `json:"dirs"`
	Others    int64 `json:"others"`
	DataBlobs int64 `json:"data_blobs"`
	TreeBlobs int64 `json:"tree_blobs"`
	Bytes     int64 `json:"bytes"`
}

func newDiffCounts(c differ.Counts) diffCountsJSON {
	return diffCountsJSON{c.Files, c.Dirs, c.Others, c.DataBlobs, c.TreeBlobs, c.Bytes}
}

func (p *program) printDiffStats(s differ.Stats) error {
	if p.flags.json {
		return p.printJSON(struct {
			MessageType  string         `json:"message_type"`
			ChangedFiles int64          `json:"changed_files"`
			Added        diffCountsJSON `json:"added"`
			Removed      diffCountsJSON `json:"removed"`
		}{"statistics", s.Modified, newDiffCounts(s.Added), newDiffCounts(s.Removed)})
	}
	if err := p.say("\nFiles:    %s new, %s removed, %s changed", show.Count(s.Added.Files), show.Count(s.Removed.Files), show.Count(s.Modified)); err != nil {
		return err
	}
	if err := p.say("Folders:  %s new, %s removed", show.Count(s.Added.Dirs), show.Count(s.Removed.Dirs)); err != nil {
		return err
	}
	return p.say("Data:     %s added, %s removed", show.Size(s.Added.Bytes), show.Size(s.Removed.Bytes))
}
