package cli

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/client"
)

func (p *program) newSnapshotTag(n noun) *cobra.Command {
	var add, remove []string
	cmd := &cobra.Command{
		Use:   "tag ID",
		Short: "Add tags to a snapshot, and remove some",
		Long: `Add tags to a snapshot of the server, and remove some. In the repository another snapshot takes its place, which has another id there; what the server tells by tags, such as the
run and the plan, stays as it is.`,
		Example: "  backstay snapshot tag ID --add before-upgrade\n  backstay snapshot tag ID --remove before-upgrade",
		Args:    wants(1, 1, "a snapshot"),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string][]string{"add": splitTags(add), "remove": splitTags(remove)}
			if len(body["add"])+len(body["remove"]) == 0 {
				return usageError(cmd, "one of --add and --remove is needed")
			}
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				f, err := s.find(ctx, n.Path, args[0], "")
				if err != nil {
					return err
				}
				var answer json.RawMessage
				if err := s.Do(ctx, client.TagSnapshot, client.Request{ID: f.id, Body: body}, &answer); err != nil {
					return err
				}
				if s.flags.json {
					return s.printJSON(answer)
				}
				var tagged backstay.Snapshot
				if err := json.Unmarshal(answer, &tagged); err != nil {
					return err
				}
				return s.say("snapshot %s is %s in the repository, and its tags are %s", f.id, tagged.Handle[:8], s.name(strings.Join(tagged.Tags, ", ")))
			})
		},
	}
	cmd.Flags().StringArrayVar(&add, "add", nil, "`tags` to add, as tag,tag; may be repeated")
	cmd.Flags().StringArrayVar(&remove, "remove", nil, "`tags` to remove")
	return withCodes(cmd, 0, 1, 2, 5, 6)
}
