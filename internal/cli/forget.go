package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/retention"
)

// policyFlags say which snapshots a policy keeps.
type policyFlags struct {
	keepFlags
	sel     selection
	groupBy string
}

func (f *policyFlags) register(flags *pflag.FlagSet) {
	f.sel.register(flags)
	f.keepFlags.register(flags)
	flags.StringVarP(&f.groupBy, "group-by", "g", "host,paths", "apply the rules to each group of the same `host,paths,tags`, or of several of these words")
}

// keepFlags are the rules of a policy.
type keepFlags struct {
	policy retention.Policy
	tags   []string
}

func (f *keepFlags) register(flags *pflag.FlagSet) {
	for _, c := range []struct {
		name, short, what string
		to                *retention.Count
	}{
		{"keep-last", "l", "the last `n` snapshots", &f.policy.Last},
		{"keep-hourly", "H", "the last one of each of the last `n` hours", &f.policy.Hourly},
		{"keep-daily", "d", "the last one of each of the last `n` days", &f.policy.Daily},
		{"keep-weekly", "w", "the last one of each of the last `n` weeks", &f.policy.Weekly},
		{"keep-monthly", "m", "the last one of each of the last `n` months", &f.policy.Monthly},
		{"keep-yearly", "y", "the last one of each of the last `n` years", &f.policy.Yearly},
	} {
		if flags.ShorthandLookup(c.short) != nil { // -H is the host
			c.short = ""
		}
		flags.TextVarP(c.to, c.name, c.short, retention.Count(0), "keep "+c.what+`; "unlimited" for all of them`)
	}
	for _, d := range []struct {
		name, what string
		to         *retention.Duration
	}{
		{"keep-within", "every snapshot", &f.policy.Within},
		{"keep-within-hourly", "the last one of each hour", &f.policy.WithinHourly},
		{"keep-within-daily", "the last one of each day", &f.policy.WithinDaily},
		{"keep-within-weekly", "the last one of each week", &f.policy.WithinWeekly},
		{"keep-within-monthly", "the last one of each month", &f.policy.WithinMonthly},
		{"keep-within-yearly", "the last one of each year", &f.policy.WithinYearly},
	} {
		flags.TextVar(d.to, d.name, retention.Duration{}, "keep "+d.what+" within this `time` before the newest, such as 1y5m7d2h")
	}
	flags.StringArrayVar(&f.tags, "keep-tag", nil, "keep snapshots with all of these `tags`, as tag,tag; may be repeated")
}

// rules returns the policy that the flags make.
func (f *keepFlags) rules() retention.Policy {
	policy := f.policy
	for _, tags := range f.tags {
		policy.Tags = append(policy.Tags, snapshot.ParseTags(tags))
	}
	return policy
}

// options returns what the flags say. Where they name no rule the policy is empty.
func (f *policyFlags) options(cmd *cobra.Command) (runner.ForgetOptions, error) {
	by, err := snapshot.ParseGroupBy(f.groupBy)
	if err != nil {
		return runner.ForgetOptions{}, usageError(cmd, "%w", err)
	}
	return runner.ForgetOptions{Filter: f.sel.filter(), GroupBy: by, Policy: f.rules()}, nil
}

type forgetFlags struct {
	policyFlags
	dryRun  bool
	prune   bool
	pruning pruneFlags
}

func (f *forgetFlags) register(flags *pflag.FlagSet) {
	f.policyFlags.register(flags)
	flags.BoolVarP(&f.dryRun, "dry-run", "n", false, "show what would be removed, which rule keeps the others and, with --prune, what that would free, and change nothing")
	flags.BoolVar(&f.prune, "prune", false, "free the space as well, see 'backstay prune --help'")
	f.pruning.register(flags)
}

func (p *program) newForget() *cobra.Command {
	var f forgetFlags
	cmd := &cobra.Command{
		Use:   "forget [ID...]",
		Short: "Remove snapshots, by rules or by id",
		Long: `Remove the snapshots that no rule keeps, or those named by id.

The rules are applied to each group of snapshots of the same host and paths (--group-by). A snapshot stays if any rule keeps it;
snapshots tagged "protected" always stay. No policy removes every snapshot of a group. The data is freed by prune, which --prune
does at once.`,
		Example: `  backstay forget --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run
  backstay forget --keep-within 30d --host web1 --prune
  backstay forget 4bba301e`,
		RunE: func(cmd *cobra.Command, args []string) error { return p.forget(cmd, &f, args) },
	}
	f.register(cmd.Flags())
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

func (p *program) forget(cmd *cobra.Command, f *forgetFlags, args []string) error {
	opt, err := f.options(cmd)
	if err != nil {
		return err
	}
	opt.DryRun = f.dryRun
	if opt.Policy.IsEmpty() == (len(args) == 0) {
		return backstay.Errorf(backstay.Invalid, "forget: say what to remove by rules (--keep-...) or by ids, one of the two").WithHint("See 'backstay forget --help'.")
	}
	prune, err := f.pruning.options()
	if err != nil {
		return usageError(cmd, "%w", err)
	}
	return p.withRepo(cmd, deleting, func(ctx context.Context, r *repo.Repo) error {
		for _, name := range args {
			s, err := p.findSnapshot(ctx, r, f.sel, name)
			if err != nil {
				return err
			}
			opt.IDs = append(opt.IDs, s.ID)
		}
		groups, left, err := runner.Forget(ctx, r, opt)
		if err != nil {
			return err
		}
		if err := p.printForgotten(groups, f.dryRun); err != nil || !f.prune {
			return err
		}
		prune.MinSnapshots, prune.AllowEmpty = left, left == 0
		if f.dryRun {
			prune.Without = removed(groups)
		}
		return p.prune(ctx, r, prune, f.dryRun)
	})
}

// removed returns the snapshots that go.
func removed(groups []runner.Forgotten) map[crypto.ID]bool {
	gone := make(map[crypto.ID]bool)
	for _, g := range groups {
		for _, s := range g.Remove {
			if g.Held[s.ID].IsZero() {
				gone[s.ID] = true
			}
		}
	}
	return gone
}

// forgottenJSON is a group in restic's words.
type forgottenJSON struct {
	Host    string         `json:"host"`
	Paths   []string       `json:"paths"`
	Tags    []string       `json:"tags"`
	Keep    []snapshotJSON `json:"keep"`
	Remove  []snapshotJSON `json:"remove"`
	Reasons []reasonJSON   `json:"reasons"`
	Held    []heldJSON     `json:"held,omitempty"`
}

type reasonJSON struct {
	Snapshot snapshotJSON `json:"snapshot"`
	Matches  []string     `json:"matches"`
}

// heldJSON is a snapshot of those to be removed that object lock keeps for now.
type heldJSON struct {
	ID    crypto.ID `json:"id"`
	Until time.Time `json:"until"`
}

func (p *program) printForgotten(groups []runner.Forgotten, dry bool) error {
	if p.flags.json {
		out := []forgottenJSON{}
		for _, g := range groups {
			j := forgottenJSON{Host: g.Host, Paths: g.Paths, Tags: g.Tags, Keep: snapshotsJSON(g.Keep), Remove: snapshotsJSON(g.Remove)}
			for _, s := range g.Keep {
				j.Reasons = append(j.Reasons, reasonJSON{newSnapshotJSON(s), g.Reasons[s.ID]})
			}
			for _, s := range g.Remove {
				if until := g.Held[s.ID]; !until.IsZero() {
					j.Held = append(j.Held, heldJSON{s.ID, until})
				}
			}
			out = append(out, j)
		}
		return p.printJSON(out)
	}
	for _, g := range groups {
		if err := p.printGroup(g, dry); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) printGroup(g runner.Forgotten, dry bool) error {
	if g.Host != "" || len(g.Paths) > 0 {
		if err := p.say("Snapshots of %s: %s", g.Host, p.name(strings.Join(g.Paths, ", "))); err != nil {
			return err
		}
	}
	t := show.NewTable("", "ID", "Time", "Kept by")
	for _, s := range g.Keep {
		t.Add("keep", s.ID.Short(), show.Time(s.Time), strings.Join(g.Reasons[s.ID], ", "))
	}
	for _, s := range g.Remove {
		if until := g.Held[s.ID]; !until.IsZero() {
			t.Add("held", s.ID.Short(), show.Time(s.Time), "object lock, until "+show.Time(until))
			continue
		}
		t.Add("remove", s.ID.Short(), show.Time(s.Time), "")
	}
	if !p.flags.quiet {
		if _, err := t.WriteTo(p.out); err != nil {
			return err
		}
	}
	if dry {
		return p.say("Dry run: %s would be removed.\n", show.Plural(len(g.Remove)-len(g.Held), "snapshot"))
	}
	return p.say("%s removed.\n", show.Plural(len(g.Remove)-len(g.Held), "snapshot"))
}
