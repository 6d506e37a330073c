package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/internal/mount"
)

func (p *program) newMount() *cobra.Command {
	var opt mount.Options
	cmd := &cobra.Command{
		Use:   "mount FOLDER",
		Short: "Show the snapshots as a file system",
		Long: `Show all snapshots in a folder, read-only, until they are unmounted or the program is interrupted with Ctrl-C.

Below the folder are snapshots/TIME, ids/ID, tags/TAG/TIME and hosts/HOST/TIME, each with a link "latest" where there are times. Files can be
looked into and copied out with any program. New snapshots appear by themselves. A shared lock is held meanwhile, so nothing can be
pruned.`,
		Example: `  backstay mount /mnt/backup
  cp -a /mnt/backup/snapshots/latest/home/anna/letter.txt /tmp/`,
		Args: wants(1, 1, "a folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := p.target()
			if err != nil {
				return err
			}
			r, err := p.open(cmd.Context(), t)
			if err != nil {
				return err
			}
			opt.Lock, opt.Progress = repo.LockOptions{Wait: p.flags.lockWait}, p.event
			opt.Ready = func() { p.notice(fmt.Sprintf("The snapshots are in %q now. Ctrl-C ends it.", args[0])) }
			return p.mount(cmd.Context(), r, args[0], opt)
		},
	}
	cmd.Flags().BoolVar(&opt.AllowOther, "allow-other", false, "let other users look in too")
	cmd.Flags().BoolVar(&opt.OwnerRoot, "owner-root", false, "show everything as owned by root")
	return withCodes(cmd, 0, 1, 2, 10, 11, 12)
}

// mount is ended by Ctrl-C as it should be, which is no failure.
func (p *program) mount(ctx context.Context, r *repo.Repo, dir string, opt mount.Options) error {
	err := mount.Mount(ctx, r, dir, opt)
	if errors.Is(err, errInterrupted) {
		return nil
	}
	return err
}
