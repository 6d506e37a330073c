package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/copier"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/internal/cli/show"
)

func (p *program) newCopy() *cobra.Command {
	var from fromFlags
	var sel selection
	cmd := &cobra.Command{
		Use:   "copy [ID...]",
		Short: "Copy snapshots from another repository",
		Long: `Copy snapshots into the repository (-r) from another one (--from-repo): all, those that the flags select, or those named by id.

What is there already is not copied again, so an interrupted copy goes on where it was. The two share data between their own backups only if
they cut files alike: create the second one with 'init --from-repo R --copy-chunker-params'.`,
		Example: `  backstay copy -r /media/disk/backup --from-repo /srv/backup
  backstay copy -r /media/disk/backup --from-repo /srv/backup --from-password-file old.txt --host web1 latest`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if from.location == "" {
				return usageError(cmd, "--from-repo is missing: which repository to copy from?")
			}
			source, err := p.open(cmd.Context(), from.target())
			if err != nil {
				return err
			}
			return p.locked(cmd.Context(), source, reading, func(ctx context.Context, source *repo.Repo) error {
				t, err := p.target()
				if err != nil {
					return err
				}
				to, err := p.open(ctx, t)
				if err != nil {
					return err
				}
				return p.locked(ctx, to, adding, func(ctx context.Context, to *repo.Repo) error {
					return p.copy(ctx, source, to, sel, args)
				})
			})
		},
	}
	sel.register(cmd.Flags())
	from.register(cmd.Flags())
	return withCodes(cmd, 0, 1, 2, 3, 10, 11, 12, 130)
}

func (p *program) copy(ctx context.Context, from, to *repo.Repo, sel selection, names []string) error {
	all, unread, err := p.findSnapshots(ctx, from, sel, names)
	if err != nil {
		return err
	}
	stop := p.showProgress("copy")
	result, err := copier.Copy(ctx, from, to, all, copier.Options{Progress: p.event})
	stop()
	failed := 0
	for _, o := range result.Outcomes {
		if o.Err != nil {
			failed++
		}
		if printErr := p.printCopied(o); printErr != nil {
			return errors.Join(err, printErr)
		}
	}
	if err != nil {
		return err
	}
	if !p.flags.json {
		if err := p.say("Added: %s in %s.", show.Size(result.Stored.Bytes), show.Plural(result.Stored.Packs, "pack")); err != nil {
			return err
		}
	}
	if failed > 0 {
		return backstay.Errorf(backstay.Partial, "%s could not be copied", show.Plural(failed, "snapshot")).
			WithHint("The reason for each is above; the others are copied. Check the other repository: backstay check --read-data")
	}
	return unread
}

func (p *program) printCopied(o copier.Outcome) error {
	if p.flags.json {
		out := struct {
			MessageType string `json:"message_type"`
			Source      string `json:"source_snapshot_id"`
			Copy        string `json:"snapshot_id,omitempty"`
			Skipped     bool   `json:"skipped,omitempty"`
			Error       string `json:"error,omitempty"`
		}{"copied", o.Source.ID.String(), "", o.Skipped, ""}
		if o.Copy != nil {
			out.Copy = o.Copy.ID.String()
		}
		if o.Err != nil {
			out.Error = o.Err.Error()
		}
		return p.printJSON(out)
	}
	switch {
	case o.Err != nil:
		p.notice(fmt.Sprintf("snapshot %s was not copied: %v", o.Source.ID.Short(), o.Err))
		return nil
	case o.Skipped:
		return p.say("%s is there already, as %s", o.Source.ID.Short(), o.Copy.ID.Short())
	}
	return p.say("%s is copied, as %s", o.Source.ID.Short(), o.Copy.ID.Short())
}
