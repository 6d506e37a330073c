package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/internal/cli/size"
	"github.com/backstay/backstay/internal/kinds"
)

// pruneFlags are the flags of prune, and of forget --prune.
type pruneFlags struct {
	maxUnused   string
	maxRepack   size.Flag
	repackSmall bool
}

func (f *pruneFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.maxUnused, "max-unused", "5%", "unused data that may stay in the repository: a share, a `size` such as 500M, or unlimited")
	flags.Var(&f.maxRepack, "max-repack-size", "rewrite at most so many bytes, such as 10G")
	flags.BoolVar(&f.repackSmall, "repack-small", false, "join small pack files as well")
}

func (f *pruneFlags) options() (pruner.Options, error) {
	limit, err := pruner.ParseLimit(f.maxUnused)
	return pruner.Options{MaxUnused: limit, MaxRepack: int64(f.maxRepack), RepackSmall: f.repackSmall}, err
}

func (p *program) newPrune() *cobra.Command {
	var f pruneFlags
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Free the space of removed snapshots",
		Long: `Delete the data that no snapshot needs.

Data is kept in pack files, and one that is partly needed is rewritten only if it is worth it: --max-unused says how much unused data
may stay. Everything that a snapshot needs is looked for first; if anything is missing, or a listing is shorter than it should be,
nothing is deleted. The run may be interrupted at any time; the next one goes on.`,
		Example: `  backstay prune
  backstay prune --dry-run
  backstay prune --max-unused 0 --max-repack-size 50G`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opt, err := f.options()
			if err != nil {
				return usageError(cmd, "%w", err)
			}
			return p.withRepo(cmd, deleting, func(ctx context.Context, r *repo.Repo) error { return p.prune(ctx, r, opt, dryRun) })
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "say what would be freed and change nothing")
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

// prune frees space under the lock that ctx holds.
func (p *program) prune(ctx context.Context, r *repo.Repo, opt pruner.Options, dry bool) error {
	opt.Progress = p.event
	stop := p.showProgress("prune")
	defer stop()
	plan, err := pruner.Prepare(ctx, r, opt)
	if err != nil {
		return hinted(err)
	}
	var result pruner.Result
	if !dry {
		if result, err = plan.Apply(ctx); err != nil {
			return hinted(err)
		}
		if err := p.sweep(ctx); err != nil {
			return err
		}
	}
	stop()
	if err := p.printPrune(plan.Figures, dry); err != nil {
		return err
	}
	if result.Left.Files > 0 {
		return backstay.Errorf(backstay.Failed, "%s could not be deleted", show.Plural(result.Left.Files, "pack")).
			WithHint("They do no harm. The next prune tries again.")
	}
	return nil
}

// sweep removes what killed processes have left where the repository is.
func (p *program) sweep(ctx context.Context) error {
	t, err := p.target()
	if err != nil {
		return err
	}
	opt, err := p.storageOptions(p.flags.options)
	if err != nil {
		return err
	}
	return kinds.Sweep(ctx, t.location, opt)
}

// hinted gives an error the hint that the engine has for it.
func hinted(err error) error {
	var refused *pruner.RefusedError
	if errors.As(err, &refused) {
		return &backstay.Error{Kind: backstay.Failed, Msg: err.Error(), Hint: refused.Hint, Err: err}
	}
	return err
}

// pruneJSON is what prune did or would do; sizes in bytes.
type pruneJSON struct {
	MessageType string     `json:"message_type"` // "summary"
	DryRun      bool       `json:"dry_run,omitempty"`
	Snapshots   int        `json:"snapshots"`
	Total       amountJSON `json:"total"`
	Unindexed   amountJSON `json:"unindexed"`
	Delete      amountJSON `json:"delete"`
	Repack      amountJSON `json:"repack"`
	Keep        amountJSON `json:"keep"`
	Used        int64      `json:"used_bytes"`
	Unused      int64      `json:"unused_bytes"` // that stay
	Freed       int64      `json:"freed_bytes"`
	Remaining   int64      `json:"remaining_bytes"`
}

type amountJSON struct {
	Packs int   `json:"packs"`
	Bytes int64 `json:"bytes"`
}

func (p *program) printPrune(f pruner.Figures, dry bool) error {
	if p.flags.json {
		amount := func(a pruner.Amount) amountJSON { return amountJSON{a.Files, a.Bytes} }
		return p.printJSON(pruneJSON{MessageType: "summary", DryRun: dry, Snapshots: f.Snapshots, Total: amount(f.Total), Unindexed: amount(f.Unindexed),
			Delete: amount(f.Delete), Repack: amount(f.Repack), Keep: amount(f.Keep), Used: f.Used, Unused: f.Unused, Freed: f.Freed(), Remaining: f.Remaining()})
	}
	for _, line := range []struct {
		title  string
		amount pruner.Amount
	}{{"There were:", f.Total}, {"In no index:", f.Unindexed}, {"Unused:", f.Delete}, {"Partly used:", f.Repack}, {"Kept as is:", f.Keep}} {
		if err := p.say("%-13s %14s  %10s", line.title, show.Plural(line.amount.Files, "pack"), show.Size(line.amount.Bytes)); err != nil {
			return err
		}
	}
	verb := "Freed"
	if dry {
		verb = "Dry run, nothing was changed. Would free"
	}
	return p.say("%s %s; %s stay, %s of them unused.", verb, show.Size(f.Freed()), show.Size(f.Remaining()), show.Size(f.Unused))
}
