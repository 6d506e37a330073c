package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
)

func (p *program) newCat() *cobra.Command {
	var sel selection
	words := []string{"config", "snapshot", "index", "key", "lock", "pack", "blob", "tree"}
	cmd := &cobra.Command{
		Use:   "cat " + strings.Join(words, "|") + " [ID]",
		Short: "Print what a file or blob of a repository holds",
		Long: `Print one thing of the repository, checked and opened: files as JSON with indentation, blobs as they are, packs as they are
stored. The id may be the first digits of it; that of a blob is given in full. A snapshot may be 'latest'. A tree is named by
the snapshot whose root it is, or as SNAPSHOT:PATH for a folder in it.`,
		Example: `  backstay cat config -r /srv/backup
  backstay cat snapshot latest -r /srv/backup
  backstay cat tree latest:home/anna -r /srv/backup`,
		Args:      wants(1, 2, "a kind and, for all but config, an id"),
		ValidArgs: words,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(words, args[0]) {
				return usageError(cmd, "%q is none of %s", args[0], strings.Join(words, ", "))
			}
			if (args[0] == "config") != (len(args) == 1) {
				return usageError(cmd, "all but config take an id")
			}
			return p.withRepo(cmd, reading, func(ctx context.Context, r *repo.Repo) error {
				content, err := p.cat(ctx, r, sel, args[0], args[len(args)-1])
				if err != nil {
					return err
				}
				_, err = p.out.Write(content)
				return err
			})
		},
	}
	sel.register(cmd.Flags())
	p.registerNoLock(cmd)
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

func (p *program) cat(ctx context.Context, r *repo.Repo, sel selection, kind, name string) ([]byte, error) {
	switch kind {
	case "config":
		plain, err := json.Marshal(r.Config())
		return indented(plain, err)
	case "snapshot":
		return p.catSnapshot(ctx, r, sel, name)
	case "index":
		return catFile(ctx, r, repo.Index, name, r.LoadFile)
	case "lock":
		return catFile(ctx, r, repo.Locks, name, r.LoadFile)
	case "key":
		return catFile(ctx, r, repo.Keys, name, r.LoadRaw)
	case "pack":
		id, err := r.FindFile(ctx, repo.Packs, name)
		if err != nil {
			return nil, err
		}
		return r.LoadRaw(ctx, repo.Packs, id)
	case "blob":
		return catBlob(ctx, r, name)
	}
	return p.catTree(ctx, r, sel, name)
}

func catFile(ctx context.Context, r *repo.Repo, t repo.FileType, name string, load func(context.Context, repo.FileType, crypto.ID) ([]byte, error)) ([]byte, error) {
	id, err := r.FindFile(ctx, t, name)
	if err != nil {
		return nil, err
	}
	plain, err := load(ctx, t, id)
	return indented(plain, err)
}

func (p *program) catSnapshot(ctx context.Context, r *repo.Repo, sel selection, name string) ([]byte, error) {
	if name == snapshot.Latest {
		s, err := p.findSnapshot(ctx, r, sel, name)
		if err != nil {
			return nil, err
		}
		name = s.ID.String()
	}
	return catFile(ctx, r, repo.Snapshots, name, r.LoadFile) // also one that holds something else
}

func catBlob(ctx context.Context, r *repo.Repo, name string) ([]byte, error) {
	id, err := crypto.ParseID(name)
	if err != nil {
		return nil, backstay.Errorf(backstay.Invalid, "blob %w", err).WithHint("List the ids of blobs: backstay list blobs")
	}
	if err := r.LoadIndex(ctx); err != nil {
		return nil, err
	}
	plain, err := r.LoadBlob(ctx, pack.Handle{ID: id, Type: pack.Data}, nil)
	if errors.Is(err, repo.ErrUnknownBlob) {
		plain, err = r.LoadBlob(ctx, pack.Handle{ID: id, Type: pack.Tree}, nil)
	}
	return plain, err
}

func (p *program) catTree(ctx context.Context, r *repo.Repo, sel selection, name string) ([]byte, error) {
	id, dir, _ := strings.Cut(name, ":")
	s, err := p.findSnapshot(ctx, r, sel, id)
	if err != nil {
		return nil, err
	}
	if err := r.LoadIndex(ctx); err != nil {
		return nil, err
	}
	n, err := findNode(ctx, r, s, dir)
	if err != nil {
		return nil, err
	}
	if n.Subtree.IsNull() {
		return nil, notFolder(dir)
	}
	return r.LoadBlob(ctx, pack.Handle{ID: n.Subtree, Type: pack.Tree}, nil)
}

func indented(plain []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, plain, "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
