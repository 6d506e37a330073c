package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repairer"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/internal/cli/show"
)

func (p *program) newRepair() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Mend a damaged repository",
		Long: `Mend what 'backstay check' found, in this order: first the index, then packs, then the snapshots that need what is lost.

What can be restored never becomes less by it. Copy the repository first, if you can.`,
		Example: `  backstay check --read-data
  backstay repair index
  backstay repair packs 3f2a9c41
  backstay repair snapshots --forget`,
		Args: subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.newRepairIndex(), p.newRepairPacks(), p.newRepairSnapshots())
	return withCodes(cmd, 0, 2)
}

func (p *program) newRepairIndex() *cobra.Command {
	var opt repairer.IndexOptions
	cmd := &cobra.Command{
		Use:   "index",
		Short: "Make the index what the packs say",
		Long: `Rebuild the index where it is damaged, lacks packs that are there, or names packs that are not.

Index files that are right are kept. --read-all-packs reads the header of every pack, also where the index looks right.`,
		Example: `  backstay repair index --dry-run
  backstay repair index`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withRepo(cmd, deleting, func(ctx context.Context, r *repo.Repo) error {
				result, err := repairer.Index(ctx, r, opt)
				if err != nil {
					return err
				}
				return p.printIndexRepair(result, opt.DryRun)
			})
		},
	}
	cmd.Flags().BoolVar(&opt.ReadAllPacks, "read-all-packs", false, "read the header of every pack")
	dryRun(cmd, &opt.DryRun)
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

func dryRun(cmd *cobra.Command, to *bool) {
	cmd.Flags().BoolVarP(to, "dry-run", "n", false, "say what would be done and change nothing")
}

func (p *program) printIndexRepair(r repairer.IndexResult, dry bool) error {
	if p.flags.json {
		return p.printJSON(struct {
			MessageType string      `json:"message_type"`
			DryRun      bool        `json:"dry_run,omitempty"`
			Kept        []crypto.ID `json:"kept"`
			Removed     []crypto.ID `json:"removed"`
			Saved       int         `json:"saved"`
			Added       []crypto.ID `json:"packs_added"`
			Changed     []crypto.ID `json:"packs_changed"`
			Dropped     []crypto.ID `json:"packs_dropped"`
			Unread      []crypto.ID `json:"packs_unread"`
		}{"summary", dry, r.Kept, r.Removed, r.Saved, r.Added, r.Changed, r.Dropped, r.Unread})
	}
	for _, line := range []struct {
		title string
		n     int
	}{{"index files kept", len(r.Kept)}, {"index files removed", len(r.Removed)}, {"index files made", r.Saved}, {"packs added", len(r.Added)},
		{"packs corrected", len(r.Changed)}, {"packs dropped, since they are not there", len(r.Dropped)}, {"packs with a damaged header, left out", len(r.Unread)}} {
		if line.n > 0 {
			if err := p.say("%8s %s", show.Count(line.n), line.title); err != nil {
				return err
			}
		}
	}
	return p.repaired(dry)
}

// repaired says how it goes on.
func (p *program) repaired(dry bool) error {
	if dry {
		return p.say("Dry run, nothing was changed.")
	}
	return p.say("Done. See what is left: backstay check")
}

func (p *program) newRepairPacks() *cobra.Command {
	var opt repairer.PackOptions
	cmd := &cobra.Command{
		Use:   "packs ID...",
		Short: "Win back what is whole in damaged packs",
		Long: `Save what is whole of damaged packs into new ones, and remove the damaged ones.

A copy of each removed pack is kept on this machine, and its place is printed. What was lost for good is named by 'backstay check', and
'backstay repair snapshots' makes snapshots without it.`,
		Example: `  backstay repair packs 3f2a9c41 77b0d2e5`,
		Args:    wants(1, -1, "the ids of packs"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withRepo(cmd, deleting, func(ctx context.Context, r *repo.Repo) error {
				var ids []crypto.ID
				for _, name := range args {
					id, err := r.FindFile(ctx, repo.Packs, name)
					if err != nil {
						return err
					}
					ids = append(ids, id)
				}
				opt.Backup = func(id crypto.ID, content []byte) error {
					path, err := p.keep(id, content)
					if err == nil {
						p.notice(fmt.Sprintf("pack %s is kept as %s", id.Short(), path))
					}
					return err
				}
				results, err := repairer.Packs(ctx, r, ids, opt)
				if err != nil {
					return err
				}
				return p.printPackRepair(results, opt.DryRun)
			})
		},
	}
	dryRun(cmd, &opt.DryRun)
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

func (p *program) printPackRepair(results []repairer.PackResult, dry bool) error {
	left := 0
	for _, r := range results {
		if r.Err != nil {
			left++
			p.notice(fmt.Sprintf("pack %s was left as it is: %v", r.ID.Short(), r.Err))
		}
		if p.flags.json {
			message := ""
			if r.Err != nil {
				message = r.Err.Error()
			}
			if err := p.printJSON(struct {
				MessageType string    `json:"message_type"`
				DryRun      bool      `json:"dry_run,omitempty"`
				Pack        crypto.ID `json:"pack"`
				Saved       int       `json:"blobs_saved"`
				Lost        int       `json:"blobs_lost"`
				Error       string    `json:"error,omitempty"`
			}{"pack", dry, r.ID, r.Saved, len(r.Lost), message}); err != nil {
				return err
			}
		} else if err := p.say("pack %s: %s saved, %s lost", r.ID.Short(), show.Plural(r.Saved, "blob"), show.Count(len(r.Lost))); err != nil {
			return err
		}
	}
	if left > 0 {
		return backstay.Errorf(backstay.Failed, "%s could not be repaired", show.Plural(left, "pack")).WithHint("The storage gave errors. Try again when it works.")
	}
	return p.repaired(dry)
}

func (p *program) newRepairSnapshots() *cobra.Command {
	var opt repairer.SnapshotOptions
	cmd := &cobra.Command{
		Use:   "snapshots [ID...]",
		Short: "Make snapshots that do without what is lost",
		Long: `Make a new snapshot of each one that needs lost data. Files that are not whole end in "` + repairer.Suffix + `"; what is lost of them is left out.

The new snapshots have the tag "` + repairer.Tag + `". The old ones stay, unless --forget is given: more may be won back from them one day, if the lost
data turns up. Repair the index and the packs before.`,
		Example: `  backstay repair snapshots --dry-run
  backstay repair snapshots --forget`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withRepo(cmd, deleting, func(ctx context.Context, r *repo.Repo) error {
				for _, name := range args {
					s, err := p.findSnapshot(ctx, r, selection{}, name)
					if err != nil {
						return err
					}
					opt.IDs = append(opt.IDs, s.ID)
				}
				return p.repairSnapshots(ctx, r, opt)
			})
		},
	}
	cmd.Flags().BoolVar(&opt.Forget, "forget", false, "remove the old snapshots")
	dryRun(cmd, &opt.DryRun)
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

func (p *program) repairSnapshots(ctx context.Context, r *repo.Repo, opt repairer.SnapshotOptions) error {
	var failed error
	opt.Changed = func(c repairer.Change) {
		if failed == nil {
			failed = p.say("  %-10s /%s", c.What, p.name(c.Path))
		}
	}
	results, err := repairer.Snapshots(ctx, r, opt)
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	for _, s := range results {
		if p.flags.json {
			err = p.printJSON(struct {
				MessageType string    `json:"message_type"`
				DryRun      bool      `json:"dry_run,omitempty"`
				Old         crypto.ID `json:"old_snapshot_id"`
				New         crypto.ID `json:"new_snapshot_id,omitzero"`
			}{"repaired", opt.DryRun, s.Old, s.New})
		} else {
			err = p.printSnapshotRepair(s, opt.DryRun)
		}
		if err != nil {
			return err
		}
	}
	if len(results) == 0 {
		return p.say("Nothing to do: every snapshot has all it needs.")
	}
	return p.repaired(opt.DryRun)
}

func (p *program) printSnapshotRepair(s repairer.SnapshotResult, dry bool) error {
	switch {
	case s.Tree.IsNull():
		return p.say("snapshot %s: nothing is left of it, and it stays as it is", s.Old.Short())
	case dry:
		return p.say("snapshot %s: would be repaired", s.Old.Short())
	}
	return p.say("snapshot %s is repaired, as %s", s.Old.Short(), s.New.Short())
}

// keep saves a pack that is about to be removed where it survives whatever happens to the storage, and returns its path.
func (p *program) keep(id crypto.ID, content []byte) (path string, err error) {
	dir := p.lockDir()
	if dir == "" {
		return "", errors.New("there is no home folder to keep a copy in: set HOME or XDG_STATE_HOME")
	}
	dir = filepath.Join(filepath.Dir(dir), "packs")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	path = filepath.Join(dir, id.String())
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return path, errors.Join(err, f.Close())
}
