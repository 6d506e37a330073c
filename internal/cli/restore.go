package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/internal/kinds"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/source/files"
)

type restoreFlags struct {
	target    string
	inPlace   bool
	selection files.SelectOptions
	overwrite string
	delete    bool
	dryRun    bool
	report    string
	noSparse  bool
	noOwner   bool
	withAtime bool
	snapshots selection
}

func (f *restoreFlags) register(flags *pflag.FlagSet) {
	flags.StringVarP(&f.target, "target", "t", "", "`folder` to restore into; the whole path of each file is made below it")
	flags.BoolVar(&f.inPlace, "in-place", false, "restore to where the files came from")
	flags.StringArrayVarP(&f.selection.Include, "include", "i", nil, "restore only what matches the `pattern`; may be repeated")
	flags.StringArrayVar(&f.selection.InsensitiveInclude, "iinclude", nil, "restore only what matches the `pattern`, small and capital letters being the same; may be repeated")
	flags.StringArrayVarP(&f.selection.Exclude, "exclude", "e", nil, "don't restore what matches the `pattern`; may be repeated")
	flags.StringArrayVar(&f.selection.InsensitiveExclude, "iexclude", nil, "don't restore what matches the `pattern`, small and capital letters being the same; may be repeated")
	flags.StringVar(&f.overwrite, "overwrite", string(files.Always), "what becomes of files that differ: `when` is always, if-changed (compares size and time only), if-newer, never or ask")
	flags.BoolVar(&f.delete, "delete", false, "delete what is in the restored folders and not in the snapshot")
	flags.BoolVarP(&f.dryRun, "dry-run", "n", false, "show the plan and change nothing")
	flags.StringVar(&f.report, "report", "", "write every change to a `file`, one JSON object a line")
	flags.BoolVar(&f.noSparse, "no-sparse", false, "write runs of zeros instead of leaving holes")
	flags.BoolVar(&f.noOwner, "no-owner", false, "don't set the owner and group of files")
	flags.BoolVar(&f.withAtime, "with-atime", false, "restore access times too")
	f.snapshots.register(flags)
}

func (p *program) newRestore() *cobra.Command {
	var f restoreFlags
	cmd := &cobra.Command{
		Use:   "restore SNAPSHOT[:SUBFOLDER]",
		Short: "Restore files from a snapshot",
		Long: `Restore a snapshot, or a part of it, into a folder or to where it came from.

First everything is planned: what would be created, overwritten, skipped or deleted; --dry-run shows that plan and stops. Then
just the plan is carried out. What is equal already is not written again, so a restore that was interrupted goes on where it was. The snapshot is
named by its id, the beginning of it, or "latest". With a SUBFOLDER only what is in it is restored, without the path before it. A damaged
file costs only itself: it is listed, and the exit code is 3.`,
		Example: `  backstay restore latest --target /tmp/restored
  backstay restore 4bba301e:/home/anna --target /home/anna
  backstay restore latest --in-place --include /etc/nginx --overwrite if-newer --dry-run
  backstay restore latest --host web1 --target /srv/web1 --delete --report changes.ndjson`,
		Args: wants(1, 1, "a snapshot"),
		RunE: func(cmd *cobra.Command, args []string) error { return p.restore(cmd, &f, args[0]) },
	}
	f.register(cmd.Flags())
	p.registerNoLock(cmd)
	return withCodes(cmd, 0, 1, 2, 3, 10, 11, 12, 130)
}

func (p *program) restore(cmd *cobra.Command, f *restoreFlags, name string) error {
	name, sub, _ := strings.Cut(name, ":")
	opt := runner.RestoreOptions{Lock: repo.LockOptions{Wait: p.flags.lockWait}, NoLock: p.flags.noLock, DryRun: f.dryRun}
	to, err := p.restoreTarget(f, &opt, sub)
	if err != nil {
		return err
	}
	t, err := p.target()
	if err != nil {
		return err
	}
	if err := refuseRepository(t, f.target); err != nil {
		return err
	}
	r, err := p.open(cmd.Context(), t)
	if err != nil {
		return err
	}
	s, err := p.findSnapshot(cmd.Context(), r, f.snapshots, name)
	if err != nil {
		return err
	}
	report, err := newRestoreReport(p, f, s)
	if err != nil {
		return err
	}
	report.to = to
	opt.Report, opt.Planned = report.change, report.planned
	stop := p.showProgress("restore")
	err = runner.Restore(cmd.Context(), r, s, to, opt)
	stop()
	return errors.Join(err, report.end(err == nil))
}

// restoreTarget returns where to restore to, and sets what to restore.
func (p *program) restoreTarget(f *restoreFlags, opt *runner.RestoreOptions, sub string) (*files.Target, error) {
	if (f.target == "") == !f.inPlace {
		return nil, backstay.Errorf(backstay.Invalid, "say where to restore to: --target FOLDER or --in-place")
	}
	if !slices.Contains([]files.Overwrite{files.Always, files.IfChanged, files.IfNewer, files.Never, files.Ask}, files.Overwrite(f.overwrite)) {
		return nil, backstay.Errorf(backstay.Invalid, "--overwrite %q: it is always, if-changed, if-newer, never or ask", f.overwrite)
	}
	if f.inPlace && sub != "" {
		return nil, backstay.Errorf(backstay.Invalid, "--in-place restores whole paths, which a SUBFOLDER has not").WithHint("Select the folder with --include.")
	}
	if f.inPlace {
		f.target = "/"
	}
	selection, err := files.NewSelection(f.selection)
	if err != nil {
		return nil, backstay.Errorf(backstay.Invalid, "%w", err)
	}
	planned, err := files.NewSelection(f.selection) // one for each goroutine that asks
	if err != nil {
		return nil, err
	}
	opt.Entries.Sub = sub
	if !selection.All() {
		opt.Entries.Select = selection.Select
	}
	target := files.TargetOptions{Overwrite: files.Overwrite(f.overwrite), NoSparse: f.noSparse, NoOwner: f.noOwner, AccessTime: f.withAtime}
	if f.delete {
		target.Delete = func(path string) bool {
			take, _ := planned.Select(path, false)
			return take
		}
	}
	if target.Overwrite == files.Ask {
		if opt.Decide, err = p.asker(); err != nil {
			return nil, err
		}
	}
	return files.NewTarget(f.target, target), nil
}

// refuseRepository returns an error if somebody is about to restore into a repository.
func refuseRepository(t target, dir string) error {
	location, ok := kinds.LocalPath(t.location)
	if !ok {
		return nil
	}
	rel, within, err := inside(dir, location)
	if err != nil {
		return err
	}
	if within && rel != "." || within && dir != "/" {
		return backstay.Errorf(backstay.Invalid, "the target %q lies in the repository %q: restored files would mix with its own", dir, t.location).
			WithHint("Choose another folder.")
	}
	return nil
}

// asker returns a function that asks the person at the terminal about each conflict.
func (p *program) asker() (func(entry.Change) (entry.Change, error), error) {
	if !isTerminal(p.sys.Stdin) {
		return nil, backstay.Errorf(backstay.Invalid, "--overwrite ask: there is no terminal to ask at").WithHint("Choose always, if-changed, if-newer or never.")
	}
	in := bufio.NewReader(p.sys.Stdin)
	forAll := entry.Action("")
	return func(c entry.Change) (entry.Change, error) {
		if c.Action != entry.Conflict {
			return c, nil
		}
		action := forAll
		for action == "" {
			if _, err := fmt.Fprintf(p.sys.Stderr, "%s: %s (%s there, %s in the snapshot). Overwrite? [y]es, [n]o, [a]ll, n[o]ne: ",
				show.Name(c.Path), c.Reason, show.Size(c.Old), show.Size(c.Size)); err != nil {
				return c, err
			}
			line, err := in.ReadString('\n')
			if err != nil {
				return c, fmt.Errorf("ask about %q: %w", c.Path, err)
			}
			switch strings.TrimSpace(strings.ToLower(line)) {
			case "y", "yes":
				action = entry.Overwrite
			case "n", "no":
				action = entry.Skip
			case "a", "all":
				action, forAll = entry.Overwrite, entry.Overwrite
			case "o", "none":
				action, forAll = entry.Skip, entry.Skip
			}
		}
		if c.Action = action; action == entry.Skip {
			c.Reason = "it was decided so"
		} else if c.Type == "" {
			c.Action = entry.Delete
		}
		return c, nil
	}, nil
}

// restoreReport tells what a restore does, or would do.
type restoreReport struct {
	p      *program
	f      *restoreFlags
	s      *snapshot.Snapshot
	file   *os.File // of --report, else nil
	out    *bufio.Writer
	mu     sync.Mutex
	totals entry.Totals
	losses restoreLosses
	to     *files.Target
	err    error // of writing
}

func newRestoreReport(p *program, f *restoreFlags, s *snapshot.Snapshot) (*restoreReport, error) {
	r := &restoreReport{p: p, f: f, s: s, totals: make(entry.Totals)}
	if f.report == "" {
		return r, nil
	}
	file, err := os.OpenFile(f.report, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	r.file, r.out = file, bufio.NewWriter(file)
	return r, nil
}

// planned tells how much there is to do.
func (r *restoreReport) planned(t entry.Totals) {
	if r.f.dryRun {
		return
	}
	total := progress.Event{Kind: progress.Total}
	for _, n := range t {
		total.Files += n.Count
		total.Bytes += int64(n.Bytes)
	}
	r.p.event(total)
}

func (r *restoreReport) change(c entry.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.totals.Add(c)
	r.losses.add(c)
	if !r.f.dryRun {
		r.progress(c)
	}
	if r.file != nil {
		r.keep(json.NewEncoder(r.out).Encode(c))
	}
	if r.f.dryRun || r.p.flags.verbose > 0 || c.Action == entry.Failed {
		r.keep(r.print(c))
	}
}

func (r *restoreReport) progress(c entry.Change) {
	e := progress.Event{Kind: progress.Finished, Item: c.Path, State: string(c.Action), Bytes: int64(c.Size)}
	if c.Action == entry.Failed {
		e = progress.Event{Kind: progress.Failed, Item: c.Path, Err: errors.New(c.Reason)}
	}
	r.p.event(e)
}

// print shows one line of the plan.
func (r *restoreReport) print(c entry.Change) error {
	switch {
	case r.p.flags.json:
		return r.p.printJSON(struct {
			MessageType string       `json:"message_type"`
			Change      entry.Change `json:"change"`
		}{"change", c})
	case r.p.flags.quiet || !r.f.dryRun || c.Action == entry.Unchanged && r.p.flags.verbose == 0:
		return nil // while it runs the display tells
	}
	reason := c.Reason
	if c.Without != 0 && r.p.flags.verbose > 0 {
		reason = strings.TrimPrefix(reason+"; without "+c.Without.String(), "; ")
	}
	if reason != "" {
		reason = "  (" + reason + ")"
	}
	return r.p.printf("%-9s  %10s  %s%s\n", c.Action, show.Size(c.Size), r.p.name(c.Path), reason)
}

func (r *restoreReport) keep(err error) { r.err = errors.Join(r.err, err) }

// end prints the totals and returns the error that is left.
func (r *restoreReport) end(finished bool) error {
	if r.file != nil {
		r.keep(r.out.Flush())
		r.keep(r.file.Close())
	}
	if !finished {
		return r.err
	}
	r.keep(r.summary())
	if failed := r.totals[entry.Failed].Count; failed > 0 && r.err == nil {
		return backstay.Errorf(backstay.Partial, "not everything could be restored: %s lost", show.Plural(failed, "path")).
			WithHint("Each is named above, with the reason; all others are restored. See what is damaged: backstay check --read-data")
	}
	return r.err
}

func (r *restoreReport) summary() error {
	if r.p.flags.json {
		return r.p.printJSON(struct {
			MessageType string       `json:"message_type"`
			SnapshotID  string       `json:"snapshot_id"`
			Target      string       `json:"target"`
			DryRun      bool         `json:"dry_run,omitempty"`
			Changes     entry.Totals `json:"changes"`
			Lost        int64        `json:"lost"`

			Without map[string]restoreLoss `json:"without,omitempty"`
		}{"summary", r.s.ID.String(), r.f.target, r.f.dryRun, r.totals, r.totals[entry.Failed].Count, r.losses.named()})
	}
	verb := "Restored"
	if r.f.dryRun {
		verb = "Dry run, nothing was changed. Would restore"
	}
	if err := r.p.say("%s snapshot %s of %s to %s:", verb, r.s.ID.Short(), show.Time(r.s.Time), r.p.name(r.f.target)); err != nil {
		return err
	}
	for _, a := range []entry.Action{entry.Create, entry.Overwrite, entry.Update, entry.Unchanged, entry.Skip, entry.Conflict, entry.Delete, entry.Failed} {
		if n := r.totals[a]; n.Count > 0 {
			if err := r.p.say("  %-9s  %10s  %10s", a, show.Count(n.Count), show.Size(n.Bytes)); err != nil {
				return err
			}
		}
	}
	return errors.Join(r.losses.print(r.p), r.unsure())
}

// unsure says what a plan could not tell of the target.
func (r *restoreReport) unsure() error {
	if !r.f.dryRun {
		return nil
	}
	system, things, err := r.to.Unsure()
	if err != nil || len(things) == 0 {
		return err
	}
	return r.p.say("  Only the restore will tell whether the target (%s) holds %s", system, strings.Join(things, ", "))
}
