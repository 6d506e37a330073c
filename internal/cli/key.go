package cli

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/internal/cli/show"
)

func (p *program) newKey() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Look after the passwords of a repository",
		Long: `A repository has one master key, and a key file for each password that opens it. Removing a key file, or changing a
password, locks out who knows only that password. It does not lock out who has already read the master key: against
that only a new repository helps, and copying the snapshots to it.`,
		Example: `  backstay key list -r /srv/backup
  backstay key add -r /srv/backup`,
		Args: subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.newKeyList(), p.newKeyAdd(), p.newKeyRemove(), p.newKeyPasswd())
	return withCodes(cmd, 0, 2)
}

func (p *program) newKeyList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the keys",
		Long:    `List the keys of the repository. The one that the given password opened has a star.`,
		Example: `  backstay key list -r /srv/backup`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withRepo(cmd, reading, p.listKeys)
		},
	}
	p.registerNoLock(cmd)
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

// keyJSON has the fields that programs made for restic's output know.
type keyJSON struct {
	Current  bool   `json:"current"`
	ID       string `json:"id"`
	UserName string `json:"userName"`
	HostName string `json:"hostName"`
	Created  string `json:"created"` // local time
	Error    string `json:"error,omitempty"`
}

func (p *program) listKeys(ctx context.Context, r *repo.Repo) error {
	keys, err := gather(r.ListKeys(ctx))
	if err != nil {
		return err
	}
	slices.SortFunc(keys, func(a, b repo.KeyInfo) int {
		return cmp.Or(a.Created.Compare(b.Created), slices.Compare(a.ID[:], b.ID[:]))
	})
	rows := make([]keyJSON, 0, len(keys))
	table := show.NewTable(" ID", "User", "Host", "Created")
	for _, k := range keys {
		created := k.Created.Local()
		row := keyJSON{k.Current, k.ID.Short(), k.Username, k.Hostname, created.Format(time.DateTime), ""}
		mark, when := " ", show.Time(created)
		if k.Current {
			mark = "*"
		}
		if k.Err != nil {
			row.Error, row.Created, when = k.Err.Error(), "", show.Name(k.Err.Error())
		}
		rows = append(rows, row)
		table.Add(mark+k.ID.Short(), show.Name(k.Username), show.Name(k.Hostname), when)
	}
	if p.flags.json {
		return p.printJSON(rows)
	}
	_, err = table.WriteTo(p.out)
	return err
}

// newPassword is where the password of a new key comes from.
type newPassword struct{ passwordSource }

func (n *newPassword) register(flags *pflag.FlagSet) {
	flags.StringVar(&n.file, "new-password-file", "", "`file` with the new password")
	flags.StringVar(&n.command, "new-password-command", "", "`command` that prints the new password")
}

func (n *newPassword) read(ctx context.Context, p *program) (password string, err error) {
	switch {
	case n.command != "":
		password, err = p.passwordFromCommand(ctx, n.command)
	case n.file != "":
		password, err = readText("password", n.file)
	default:
		password, err = p.askPassword(ctx, "New password", true)
	}
	if err == nil && password == "" {
		err = backstay.Errorf(backstay.Invalid, "the new password is empty").WithHint("Give one with --new-password-file.")
	}
	return password, err
}

func (p *program) newKeyAdd() *cobra.Command {
	var opt repo.KeyOptions
	var next newPassword
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Add a password",
		Long:  `Add a key for one more password that opens the repository.`,
		Example: `  backstay key add -r /srv/backup
  backstay key add -r /srv/backup --new-password-file second.txt --user anna`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withRepo(cmd, adding, func(ctx context.Context, r *repo.Repo) error {
				password, err := next.read(ctx, p)
				if err != nil {
					return err
				}
				id, err := r.AddKey(ctx, password, opt)
				if err != nil {
					return err
				}
				return p.keyChanged("added", id)
			})
		},
	}
	next.register(cmd.Flags())
	cmd.Flags().StringVar(&opt.Username, "user", "", "`name` of the user, as the list will show it (default: yours)")
	cmd.Flags().StringVar(&opt.Hostname, "host", "", "`name` of the host, as the list will show it (default: this one)")
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

func (p *program) newKeyRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "remove ID",
		Short:   "Remove a password",
		Long:    `Remove the key with the given id, or the first digits of it. The key in use can't be removed: open the repository with another password for that.`,
		Example: `  backstay key remove -r /srv/backup 4f90f102`,
		Args:    wants(1, 1, "the id of a key"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withRepo(cmd, deleting, func(ctx context.Context, r *repo.Repo) error {
				id, err := r.FindFile(ctx, repo.Keys, args[0])
				if err != nil {
					return err
				}
				if id == r.CurrentKey() {
					return backstay.Errorf(backstay.Conflict, "remove key %s: it is the key in use", id.Short()).
						WithHint("Open the repository with another password, or change this one: backstay key passwd")
				}
				if err := r.RemoveKey(ctx, id); err != nil {
					return err
				}
				return p.keyChanged("removed", id)
			})
		},
	}
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

func (p *program) newKeyPasswd() *cobra.Command {
	var next newPassword
	cmd := &cobra.Command{
		Use:     "passwd",
		Short:   "Change the password",
		Long:    `Change the password that the repository was opened with. The key for the new one is saved and read back before the old one is removed.`,
		Example: `  backstay key passwd -r /srv/backup`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withRepo(cmd, deleting, func(ctx context.Context, r *repo.Repo) error {
				password, err := next.read(ctx, p)
				if err != nil {
					return err
				}
				id, err := r.ChangePassword(ctx, password)
				if err != nil {
					return err
				}
				return p.keyChanged("changed", id)
			})
		},
	}
	next.register(cmd.Flags())
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

func (p *program) keyChanged(what string, id crypto.ID) error {
	if p.flags.json {
		return p.printJSON(map[string]string{"message_type": "key_" + what, "id": id.String()})
	}
	return p.say("%s key %s", what, id.Short())
}
