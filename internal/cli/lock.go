package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/internal/runner"
)

func (p *program) newLock() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lock",
		Short: "Look after object lock, which keeps files from deletion",
		Long: `Look after object lock, by which a storage keeps each file of a repository from deletion for a time, whoever asks. The locks that keep
two programs out of one another's way are another thing: see 'backstay unlock'.`,
		Example: `  backstay lock extend -r s3:https://s3.example.com/bucket -o object-lock=compliance -o object-lock-days=30`,
		Args:    subcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.newLockExtend())
	return withCodes(cmd, 0, 2)
}

func (p *program) newLockExtend() *cobra.Command {
	var f policyFlags
	var days int
	cmd := &cobra.Command{
		Use:   "extend",
		Short: "Keep what snapshots need from deletion for longer",
		Long: `Make object lock longer for all that the snapshots need. Each file is kept for a period from when it was saved, as the storage is set, but
old data is needed by new snapshots as well. Run this regularly, at least twice in a period: what is kept for less than half of it then is kept for a
whole one from now.

The rules (--keep-...) are those of 'backstay forget', and should be the same: what they don't keep is left to run out, so that forget and prune can
remove it in time. Without rules all snapshots are kept. Data that is only partly needed is copied into new files where prune would do that.`,
		Example: `  backstay lock extend --keep-daily 7 --keep-weekly 5
  backstay lock extend --at-least 20`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opt, err := f.options(cmd)
			if err != nil {
				return err
			}
			if days < 0 {
				return usageError(cmd, "--at-least %d: want 0 or more days", days)
			}
			return p.withRepo(cmd, adding, func(ctx context.Context, r *repo.Repo) error {
				return p.extendLocks(ctx, r, opt, time.Duration(days)*24*time.Hour)
			})
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().IntVar(&days, "at-least", 0, "extend what is kept for fewer `days` than this; 0: half the period")
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

func (p *program) extendLocks(ctx context.Context, r *repo.Repo, opt runner.ForgetOptions, atLeast time.Duration) error {
	keeper, ok := r.Retainer()
	if !ok {
		return backstay.Errorf(backstay.Invalid, "%w", repo.ErrNoObjectLock).
			WithHint("Object lock is a setting of some kinds of storage, such as -o object-lock=compliance; its bucket must have been made with it.")
	}
	if atLeast == 0 {
		atLeast = keeper.Period() / 2
	}
	if atLeast > keeper.Period() {
		return backstay.Errorf(backstay.Invalid, "--at-least is longer than the period of %v days for which files are kept", int(keeper.Period().Hours()/24)).
			WithHint("Set a longer period of the storage, or ask for fewer days.")
	}
	prune := pruner.Options{Progress: p.event}
	if !opt.Policy.IsEmpty() {
		opt.DryRun = true
		groups, _, err := runner.Forget(ctx, r, opt)
		if err != nil {
			return err
		}
		prune.Without = make(map[crypto.ID]bool)
		for _, g := range groups {
			for _, s := range g.Remove {
				prune.Without[s.ID] = true
			}
		}
	}
	stop := p.showProgress("lock")
	defer stop()
	plan, err := pruner.Prepare(ctx, r, prune)
	if err != nil {
		return hinted(err)
	}
	now := r.Options().Clock.Now()
	done, err := plan.Extend(ctx, now.Add(atLeast), now.Add(keeper.Period()))
	if err != nil {
		return err
	}
	stop()
	return p.printExtended(done, len(prune.Without), now.Add(keeper.Period()))
}

func (p *program) printExtended(e pruner.Extended, left int, until time.Time) error {
	if p.flags.json {
		return p.printJSON(struct {
			MessageType string    `json:"message_type"`
			Files       int       `json:"files"`    // that are needed
			Extended    int       `json:"extended"` // of them
			Rewritten   int64     `json:"rewritten_bytes"`
			Left        int       `json:"snapshots_left_to_run_out"`
			Until       time.Time `json:"until"`
		}{"summary", e.Files, e.Extended, e.Added.Bytes, left, until})
	}
	if err := p.say("%s needed, %d of them now kept until %s.", show.Plural(e.Files, "file"), e.Extended, show.Time(until)); err != nil {
		return err
	}
	if e.Added.Bytes > 0 {
		if err := p.say("%s that were partly needed were written anew.", show.Size(e.Added.Bytes)); err != nil {
			return err
		}
	}
	if left > 0 {
		return p.say("%s left to run out.", show.Plural(left, "snapshot"))
	}
	return nil
}
