package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/cli/show"
)

func (p *program) newTag() *cobra.Command {
	var sel selection
	var set, add, remove []string
	cmd := &cobra.Command{
		Use:   "tag [SNAPSHOT...]",
		Short: "Change the tags of snapshots",
		Long: `Change the tags of the snapshots that are named, or of all that the flags select. A snapshot is never changed in place: a new one
takes its place, with a new id, which remembers the id of the first.`,
		Example: `  backstay tag --add monthly latest -r /srv/backup
  backstay tag --remove test --host web1 -r /srv/backup
  backstay tag --set '' 02fa565f -r /srv/backup`,
		RunE: func(cmd *cobra.Command, args []string) error {
			edit, err := newTagEdit(cmd, set, add, remove)
			if err != nil {
				return err
			}
			return p.withRepo(cmd, deleting, func(ctx context.Context, r *repo.Repo) error {
				all, unread, err := p.findSnapshots(ctx, r, sel, args)
				if err != nil {
					return err
				}
				return errors.Join(p.tag(ctx, r, all, edit), unread)
			})
		},
	}
	sel.register(cmd.Flags())
	cmd.Flags().StringArrayVar(&set, "set", nil, "the `tags` to have from now on, as tag,tag; '' for none")
	cmd.Flags().StringArrayVar(&add, "add", nil, "`tags` to add")
	cmd.Flags().StringArrayVar(&remove, "remove", nil, "`tags` to remove")
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

// tagEdit is a change of tags.
type tagEdit struct {
	replace     bool // all old tags give way
	add, remove []string
}

func newTagEdit(cmd *cobra.Command, set, add, remove []string) (e tagEdit, err error) {
	e = tagEdit{replace: cmd.Flags().Changed("set"), add: splitTags(add), remove: splitTags(remove)}
	switch {
	case e.replace && len(e.add)+len(e.remove) > 0:
		return e, usageError(cmd, "--set doesn't go with --add and --remove")
	case e.replace:
		e.add = splitTags(set)
	case len(e.add)+len(e.remove) == 0:
		return e, usageError(cmd, "one of --set, --add and --remove is needed")
	}
	return e, nil
}

func splitTags(lists []string) (tags []string) {
	for _, list := range lists {
		for _, tag := range snapshot.ParseTags(list) {
			if tag != "" {
				tags = append(tags, tag)
			}
		}
	}
	return tags
}

// apply returns the new tags.
func (e tagEdit) apply(old []string) []string {
	var tags []string
	if !e.replace {
		tags = slices.Clone(old)
	}
	for _, tag := range e.add {
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return slices.DeleteFunc(tags, func(tag string) bool { return slices.Contains(e.remove, tag) })
}

func (p *program) tag(ctx context.Context, r *repo.Repo, all []*snapshot.Snapshot, edit tagEdit) error {
	changed := 0
	for _, s := range all {
		tags := edit.apply(s.Tags)
		if slices.Equal(tags, s.Tags) {
			continue
		}
		old := s.ID
		s.Tags = tags
		if err := snapshot.Replace(ctx, r, s); err != nil {
			return err
		}
		changed++
		if err := p.tagged(old, s.ID); err != nil {
			return err
		}
	}
	if p.flags.json {
		return p.printJSON(map[string]any{"message_type": "summary", "changed_snapshots": changed, "changed_snapshot_count": changed})
	}
	return p.say("%s changed", show.Plural(changed, "snapshot"))
}

func (p *program) tagged(old, next crypto.ID) error {
	if p.flags.json {
		return p.printJSON(map[string]any{"message_type": "changed", "old_snapshot_id": old, "new_snapshot_id": next})
	}
	return p.say("snapshot %s is now %s", old.Short(), next.Short())
}
