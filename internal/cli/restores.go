package cli

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/internal/client"
)

func (p *program) newRestores() *cobra.Command {
	n := nounOf("restore")
	return p.newNoun("restore", p.newRestoresPlan(), p.newRestoresChanges(n), p.newRestoresDecide(n), p.newRestoresApply(n), p.newRestoresReport(n),
		p.newDeed(n, deed{verb: "discard", short: "Give up a restore that was not applied", op: client.DiscardRestore, done: says("restore %s is given up"),
			long: "Give up a restore that was not applied. One that nobody applies is given up by itself after a week."}))
}

// restores are those of the server, to ask for one by its id.
var restores = client.Noun[backstay.Restore]{Path: "restores"}

func (p *program) newRestoresPlan() *cobra.Command {
	want := backstay.Restore{Target: backstay.TargetFolder}
	var inPlace bool
	cmd := &cobra.Command{
		Use:   "plan SNAPSHOT [PATH]...",
		Short: "Plan a restore",
		Long: `Plan a restore of a snapshot of the server, or of some paths in it: over the original with --in-place, or into a folder of the server's machine with
--target. Nothing is changed. It ends when the plan is made, and says what it would do; look at the changes, decide about them, then apply it.`,
		Example: "  backstay restores plan SNAPSHOT /home/anna/letters --in-place --overwrite ask\n  backstay restores plan SNAPSHOT --target /srv/restored",
		Args:    wants(1, -1, "a snapshot and paths in it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (want.Folder == "") == !inPlace {
				return usageError(cmd, "say where to restore to: --target FOLDER or --in-place")
			}
			if want.Paths = args[1:]; inPlace {
				want.Target = backstay.TargetOriginal
			}
			if want.Conflicts == "always" { // the word of 'backstay restore'
				want.Conflicts = "overwrite"
			}
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				f, err := s.find(ctx, "snapshots", args[0], "")
				if err != nil {
					return err
				}
				want.Snapshot = f.id
				return s.planRestore(ctx, want)
			})
		},
	}
	f := cmd.Flags()
	f.StringVarP(&want.Folder, "target", "t", "", "`folder` of the server's machine to restore into; the whole path of each file is made below it")
	f.BoolVar(&inPlace, "in-place", false, "restore to where the files came from")
	f.StringVar(&want.Conflicts, "overwrite", "always", "what becomes of files that differ: `when` is always, if-changed, if-newer, never, or ask to decide in the plan")
	return withCodes(cmd, 0, 1, 2, 5, 6, 130)
}

// planRestore asks for a plan and waits until it is made.
func (s asker) planRestore(ctx context.Context, want backstay.Restore) error {
	body := map[string]any{"snapshot": want.Snapshot, "target": want.Target, "conflicts": want.Conflicts}
	if want.Folder != "" {
		body["folder"] = want.Folder
	}
	if len(want.Paths) > 0 {
		body["paths"] = want.Paths
	}
	var r backstay.Restore
	if err := s.Do(ctx, client.PlanRestore, client.Request{Body: body}, &r); err != nil {
		return err
	}
	if err := s.say("restore %s is being planned", r.ID); err != nil {
		return err
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	for r.State == backstay.RestorePlanning {
		if err := s.sys.Clock.Sleep(ctx, followEvery); err != nil {
			return err
		}
		var err error
		if r, err = restores.Get(ctx, s.Client, r.ID); err != nil {
			return err
		}
	}
	if err := restoreFailure(r); err != nil {
		return err
	}
	if s.flags.json {
		return s.printJSON(r)
	}
	if err := s.totals(r.Totals); err != nil {
		return err
	}
	return s.say("Look at it: backstay restores changes %s\nDo it: backstay restores apply %s", r.ID, r.ID)
}

// restoreFailure is why a restore has failed; nil if it has not.
func restoreFailure(r backstay.Restore) error {
	if r.Failure == nil {
		return nil
	}
	e := backstay.Errorf(backstay.Failed, "restore %s: %s", r.ID, r.Failure.Text).WithHint(r.Failure.Hint)
	e.Code = r.Failure.Code
	return e
}

func (s asker) totals(totals entry.Totals) error {
	table := show.NewTable("What", ">Paths", ">Size")
	for _, action := range slices.Sorted(maps.Keys(totals)) {
		table.Add(string(action), show.Count(totals[action].Count), show.Size(totals[action].Bytes))
	}
	_, err := table.WriteTo(s.out)
	return err
}

// change is what a restore does with one path, as the server tells it.
type change struct {
	Path, Type, Action, Reason string
	Size                       uint64
}

func (p *program) newRestoresChanges(n noun) *cobra.Command {
	var action string
	cmd := &cobra.Command{
		Use:     "changes ID",
		Short:   "List what a restore would do",
		Long:    "List what a restore would do, path by path: create, overwrite, update, skip, unchanged, delete, conflict (to be decided) or failed.",
		Example: "  backstay restores changes ID\n  backstay restores changes ID --action conflict",
		Args:    wants(1, 1, "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{"limit": {"1000"}}
			if action != "" {
				query.Set("action", action)
			}
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				f, err := s.find(ctx, n.Path, args[0], "")
				if err != nil {
					return err
				}
				return s.changes(ctx, client.Request{ID: f.id, Query: query})
			})
		},
	}
	cmd.Flags().StringVar(&action, "action", "", "only what is done in this `way`")
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (s asker) changes(ctx context.Context, r client.Request) error {
	for item, err := range client.PagesOf[json.RawMessage](ctx, s.Client, client.RestoreChanges, r, "cursor") {
		if err != nil {
			return err
		}
		var c change
		if err := json.Unmarshal(item, &c); err != nil {
			return err
		}
		switch {
		case s.flags.json:
			err = s.printJSON(item)
		case c.Reason != "":
			err = s.printf("%-10s %10s  %s (%s)\n", c.Action, show.Size(c.Size), s.name(c.Path), s.name(c.Reason))
		default:
			err = s.printf("%-10s %10s  %s\n", c.Action, show.Size(c.Size), s.name(c.Path))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *program) newRestoresDecide(n noun) *cobra.Command {
	var action string
	var skip, overwrite bool
	cmd := &cobra.Command{
		Use:     "decide ID [PATH]...",
		Short:   "Decide about changes of a restore",
		Long:    "Decide about changes of a restore: about the paths, as the plan shows them, and all in them, or about all that is done in one way. --skip leaves what is there, --overwrite settles conflicts.",
		Example: "  backstay restores decide ID --action conflict --overwrite\n  backstay restores decide ID /home/anna/draft.txt --skip",
		Args:    wants(1, -1, "a restore and paths in its plan"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if skip == overwrite {
				return usageError(cmd, "say what is decided: --skip or --overwrite")
			}
			body := map[string]any{"decision": "skip"}
			if overwrite {
				body["decision"] = "overwrite"
			}
			if len(args) > 1 {
				body["paths"] = args[1:]
			}
			if action != "" {
				body["action"] = action
			}
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error { return s.decide(ctx, n, args[0], body) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&action, "action", "", "all that is done in this `way`: create, overwrite, update, conflict or delete")
	f.BoolVar(&skip, "skip", false, "leave what is there")
	f.BoolVar(&overwrite, "overwrite", false, "settle a conflict: what is in the snapshot wins")
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (s asker) decide(ctx context.Context, n noun, id string, body any) error {
	f, err := s.find(ctx, n.Path, id, "")
	if err != nil {
		return err
	}
	var r backstay.Restore
	if err := s.Do(ctx, client.DecideRestore, client.Request{ID: f.id, Version: f.version, Body: body}, &r); err != nil {
		return err
	}
	if s.flags.json {
		return s.printJSON(r)
	}
	return s.totals(r.Totals)
}

func (p *program) newRestoresApply(n noun) *cobra.Command {
	var follow, confirm bool
	cmd := &cobra.Command{
		Use:   "apply ID",
		Short: "Do what a restore has planned",
		Long: `Do just what a restore has planned, as it is now. Over the original it asks you to confirm that it is you. With --follow the log is shown until it ends,
and the exit code tells how it ended.`,
		Example: "  backstay restores apply ID --follow",
		Args:    wants(1, 1, "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onServer(cmd, confirm, func(ctx context.Context, s asker) error {
				f, err := s.find(ctx, n.Path, args[0], "")
				if err != nil {
					return err
				}
				return s.applyRestore(ctx, f, follow)
			})
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "show the log until it ends")
	registerConfirm(cmd, &confirm)
	return withCodes(cmd, 0, 1, 2, 3, 5, 6, 130)
}

func (s asker) applyRestore(ctx context.Context, f found, follow bool) error {
	var r backstay.Restore
	if err := s.Do(ctx, client.ApplyRestore, client.Request{ID: f.id, Version: f.version}, &r); err != nil {
		return err
	}
	switch {
	case !follow && s.flags.json:
		return s.printJSON(r)
	case !follow:
		return s.say("restore %s is at work\nFollow it: backstay run log %s --follow", r.ID, r.Run)
	}
	ended := s.follow(ctx, r.Run)
	r, err := restores.Get(ctx, s.Client, r.ID)
	if err == nil && !s.flags.json {
		err = s.totals(r.Result)
	}
	return errors.Join(ended, err)
}

func (p *program) newRestoresReport(n noun) *cobra.Command {
	var format, file string
	cmd := &cobra.Command{
		Use:     "report ID",
		Short:   "Download what a restore has done, change by change",
		Long:    "Download what a restore has done, change by change, as JSON lines or as a table for spreadsheets.",
		Example: "  backstay restores report ID\n  backstay restores report ID --format csv --target report.csv",
		Args:    wants(1, 1, "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				f, err := s.find(ctx, n.Path, args[0], "")
				if err != nil {
					return err
				}
				return s.download(ctx, client.RestoreReport, client.Request{ID: f.id, Query: url.Values{"format": {format}}}, file)
			})
		},
	}
	cmd.Flags().StringVar(&format, "format", "ndjson", "`format`: ndjson or csv")
	cmd.Flags().StringVarP(&file, "target", "t", "", "write to a new `file` instead of standard output")
	return withCodes(cmd, 0, 1, 2, 5, 6)
}
