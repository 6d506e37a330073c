package cli

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay/internal/client"
)

func (p *program) newRepositoryKeys(n noun) *cobra.Command {
	return p.newDeed(n, deed{verb: "keys", short: "List the passwords that open a repository", op: client.RepositoryKeys,
		long: "List the passwords that open a repository of the server, by the ids of their keys. What they are nobody can tell.",
		done: func(_ context.Context, s asker, _ found, answer json.RawMessage) error {
			var page struct{ Items []json.RawMessage }
			if err := json.Unmarshal(answer, &page); err != nil {
				return err
			}
			return s.printAll(page.Items, []column{{"ID", "id", nil}, {"Created", "created_at", moment}, {"User", "user", nil}, {"Host", "host", nil}, {"The server's", "own", nil}})
		}})
}

func (p *program) newRepositoryAddKey(n noun) *cobra.Command {
	var next newPassword
	var confirm bool
	var user string
	cmd := &cobra.Command{
		Use:     "add-key " + n.argument(),
		Short:   "Add a password that opens a repository too",
		Long:    "Add a password that opens a repository of the server too, also without the server. Who has it can read all that is in there.",
		Example: "  backstay repository add-key main --new-password-file second.txt --user anna",
		Args:    wants(1, 1, n.argument()),
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := next.read(cmd.Context(), p)
			if err != nil {
				return err
			}
			return p.onServer(cmd, confirm, func(ctx context.Context, s asker) error {
				f, err := s.find(ctx, n.Path, args[0], "")
				if err != nil {
					return err
				}
				var key struct{ ID string }
				if err := s.Do(ctx, client.AddKey, client.Request{ID: f.id, Body: map[string]string{"password": password, "user": user}}, &key); err != nil {
					return err
				}
				return s.say("added key %s", key.ID)
			})
		},
	}
	next.register(cmd.Flags())
	cmd.Flags().StringVar(&user, "user", "", "`name` of whose it is, as the list will show it (default: yours)")
	registerConfirm(cmd, &confirm)
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (p *program) newRepositoryRemoveKey(n noun) *cobra.Command {
	var confirm bool
	cmd := &cobra.Command{
		Use:     "remove-key " + n.argument() + " ID",
		Short:   "Remove a password of a repository",
		Long:    "Remove a password of a repository of the server, by the id of its key. The server's own stays.",
		Example: "  backstay repository remove-key main ID",
		Args:    wants(2, 2, "a repository and the id of a key"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onServer(cmd, confirm, func(ctx context.Context, s asker) error {
				f, err := s.find(ctx, n.Path, args[0], "")
				if err != nil {
					return err
				}
				if err := s.Do(ctx, client.RemoveKey, client.Request{ID: f.id, Other: args[1]}, nil); err != nil {
					return err
				}
				return s.say("removed key %s", s.name(args[1]))
			})
		},
	}
	registerConfirm(cmd, &confirm)
	return withCodes(cmd, 0, 1, 2, 5, 6)
}
