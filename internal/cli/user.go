package cli

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay/internal/client"
)

func (p *program) newUser() *cobra.Command {
	return p.newNoun("user", p.newUserLink(), p.newUserRights())
}

func (p *program) newUserLink() *cobra.Command {
	var confirm, show bool
	cmd := &cobra.Command{
		Use:   "link NAME",
		Short: "Make a link by which a person chooses a password",
		Long: `Make a ticket by which a person chooses a password, once: the new one of an account that has none yet, or another one. Where the server has an e-mail channel for
links it is mailed to the person, and not shown. Else, or with --show, it is shown: whoever has it gets the account, so hand it over in a safe way. With --json it is shown
with the time it expires at.`,
		Example: `  backstay user link ada@example.org`,
		Args:    wants(1, 1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onServer(cmd, confirm, func(ctx context.Context, s asker) error {
				f, err := s.find(ctx, "users", args[0], "")
				if err != nil {
					return err
				}
				var answer json.RawMessage
				if err := s.Do(ctx, client.CreateLink, client.Request{ID: f.id, Query: url.Values{"show": {strconv.FormatBool(show)}}}, &answer); err != nil {
					return err
				}
				if s.flags.json {
					return s.printJSON(answer)
				}
				var link struct {
					Ticket string
					Mailed bool
				}
				if err := json.Unmarshal(answer, &link); err != nil {
					return err
				}
				if link.Mailed {
					s.notice("the link is on its way to the person's address")
					return nil
				}
				return s.printf("%s\n", link.Ticket)
			})
		},
	}
	cmd.Flags().BoolVar(&show, "show", false, "show the ticket, and mail nothing")
	registerConfirm(cmd, &confirm)
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (p *program) newRole() *cobra.Command { return p.newNoun("role", p.newPermissions()) }

func (p *program) newPermissions() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "permissions",
		Short:   "List the permissions that a role may have",
		Long:    "List the permissions that a role may have, and what one may do with each. What is dangerous asks for a confirmed sign-in, and no token has it.",
		Example: "  backstay role permissions",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				var page struct{ Items []json.RawMessage }
				if err := s.Do(ctx, client.ListPermissions, client.Request{}, &page); err != nil {
					return err
				}
				return s.printAll(page.Items, []column{{"Permission", "permission", nil}, {"Dangerous", "dangerous", nil}, {"What one may do", "title", nil}})
			})
		},
	}
	return withCodes(cmd, 0, 1, 2, 5)
}
