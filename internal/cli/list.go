package cli

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
)

// fileTypes are the kinds of files by the words of the command line.
func fileTypes() map[string]repo.FileType {
	return map[string]repo.FileType{"snapshots": repo.Snapshots, "index": repo.Index, "packs": repo.Packs, "keys": repo.Keys, "locks": repo.Locks}
}

func (p *program) newList() *cobra.Command {
	words := append(slices.Sorted(maps.Keys(fileTypes())), "blobs")
	cmd := &cobra.Command{
		Use:   "list " + strings.Join(words, "|"),
		Short: "List the files or blobs of a repository",
		Long: `List the ids of the files of one kind, in order; or the blobs that the index knows, each with its type, in no order.
With --json each line has the size too, as it is stored.`,
		Example: `  backstay list packs -r /srv/backup
  backstay list blobs -r /srv/backup --json`,
		Args:      wants(1, 1, "one of "+strings.Join(words, ", ")),
		ValidArgs: words,
		RunE: func(cmd *cobra.Command, args []string) error {
			need, fn := reading, p.listBlobs
			if args[0] != "blobs" {
				t, ok := fileTypes()[args[0]]
				if !ok {
					return usageError(cmd, "%q is none of %s", args[0], strings.Join(words, ", "))
				}
				if t == repo.Locks {
					need = watching
				}
				fn = func(ctx context.Context, r *repo.Repo) error { return p.listFiles(ctx, r, t) }
			}
			return p.withRepo(cmd, need, fn)
		},
	}
	p.registerNoLock(cmd)
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

func (p *program) listFiles(ctx context.Context, r *repo.Repo, t repo.FileType) error {
	files, err := gather(r.List(ctx, t))
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b repo.FileInfo) int { return slices.Compare(a.ID[:], b.ID[:]) })
	for _, f := range files {
		if p.flags.json {
			err = p.printJSON(map[string]any{"message_type": "file", "type": t, "id": f.ID, "size": f.Size})
		} else {
			err = p.printf("%s\n", f.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *program) listBlobs(ctx context.Context, r *repo.Repo) error {
	if err := r.LoadIndex(ctx); err != nil {
		return err
	}
	for _, t := range []pack.Type{pack.Data, pack.Tree} {
		for b := range r.Index().Blobs(t) {
			err := cmp.Or(context.Cause(ctx), p.printBlob(b.Blob))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *program) printBlob(b pack.Blob) error {
	if p.flags.json {
		return p.printJSON(map[string]any{"message_type": "blob", "type": b.Type.String(), "id": b.ID, "size": b.Length})
	}
	return p.printf("%s %s\n", b.Type, b.ID)
}

// gather returns all values of a sequence, or its first error.
func gather[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var all []T
	for v, err := range seq {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}
