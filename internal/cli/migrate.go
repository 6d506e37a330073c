package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay/engine/repo"
)

func (p *program) newMigrate() *cobra.Command {
	return withCodes(&cobra.Command{
		Use:   "migrate",
		Short: "Bring a repository to the newest version of the format",
		Long: `Make a repository of version 1 one of version 2, which has compression.

Only the config file is replaced. If that is cut short the next command of Backstay, whichever it is, ends it. What was backed up stays
uncompressed until prune rewrites it. Programs that only know version 1 (restic before 0.14) can't read the repository afterwards.`,
		Example: `  backstay check && backstay migrate`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withRepo(cmd, deleting, p.migrate)
		},
	}, 0, 1, 2, 10, 11, 12, 130)
}

func (p *program) migrate(ctx context.Context, r *repo.Repo) error {
	if v := r.Config().Version; v != 1 {
		if err := r.EndUpgrade(ctx); err != nil {
			return err
		}
		return p.say("Nothing to do: the repository is of version %d, the newest.", v)
	}
	if err := r.UpgradeVersion(ctx); err != nil {
		return err
	}
	return p.say("The repository is of version 2 now.")
}
