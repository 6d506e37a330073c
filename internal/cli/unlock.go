package cli

import (
	"github.com/spf13/cobra"

	"github.com/backstay/backstay/internal/cli/show"
)

func (p *program) newUnlock() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "unlock",
		Short: "Remove locks that dead programs left behind",
		Long: `Remove the locks of programs that are surely gone: those older than 30 minutes, since a living program makes its lock
anew every 5, and those of processes of this host that run no more.

With --remove-all remove the others too. Do that only if no program uses the repository: one that does may lose what it is
writing.`,
		Example: `  backstay unlock -r /srv/backup`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := p.target()
			if err != nil {
				return err
			}
			r, err := p.open(cmd.Context(), t)
			if err != nil {
				return err
			}
			removed, err := r.Unlock(cmd.Context(), all)
			ids := make([]string, 0, len(removed))
			for _, lock := range removed { // also those removed before an error
				ids = append(ids, lock.ID.String())
				if err := p.say("removed %s", show.Name(lock.String())); err != nil {
					return err
				}
			}
			if err != nil {
				return err
			}
			if p.flags.json {
				return p.printJSON(map[string]any{"message_type": "summary", "removed": ids})
			}
			return p.say("%s removed", show.Plural(len(removed), "lock"))
		},
	}
	cmd.Flags().BoolVar(&all, "remove-all", false, "remove the locks of living programs too")
	return withCodes(cmd, 0, 1, 2, 10, 12, 130)
}
