package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/restorer"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/archive"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/internal/client"
	"github.com/backstay/backstay/internal/secret"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/storage"
)

func (p *program) newServer() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Back up what a server knows by itself, and restore it",
		Long: `Back up what a server knows by itself: people, rights, projects, plans, secrets as they are sealed, and the audit trail. It does so once a day, to the
repository that is chosen in its settings as backup_repository. With that repository, its password and the key of the server it is restored, also into another kind
of database. All three are in the recovery kit.`,
		Example: `  backstay server backup
  backstay server restore -r /srv/backup --password-file password --key key.txt --data /var/lib/backstay`,
		Args: subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.newServerBackup(), p.newServerBackups(), p.newServerRestore(), p.newServerConfirm())
	return withCodes(cmd, 0, 2)
}

func (p *program) newServerBackup() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Have the server back itself up now",
		Long: `Have the server begin a backup of itself now, beside those by its schedule. It prints the id of the run. With --to the repository is chosen that it
goes to, now and from then on once a day. Whoever knows the password of that repository can read all that the server knows but the secrets.`,
		Example: `  backstay server backup --to main
  backstay server backup`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				if to != "" {
					f, err := s.find(ctx, "repositories", to, "")
					if err != nil {
						return err
					}
					if err := s.Do(ctx, client.UpdateSettings, client.Request{Body: map[string]string{"backup_repository": f.id}}, nil); err != nil {
						return err
					}
				}
				var run json.RawMessage
				if err := s.Do(ctx, client.StartServerBackup, client.Request{}, &run); err != nil {
					return err
				}
				if s.flags.json {
					return s.printJSON(run)
				}
				var made struct{ ID string }
				if err := json.Unmarshal(run, &made); err != nil {
					return err
				}
				return s.printf("%s\n", made.ID)
			})
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "back up to this `REPOSITORY`, from now on")
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (p *program) newServerBackups() *cobra.Command {
	return withCodes(&cobra.Command{
		Use:     "backups",
		Short:   "List the backups that the server made of itself",
		Long:    `List the backups that the server made of itself, the newest first.`,
		Example: `  backstay server backups`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				table := show.NewTable("Snapshot", "Time", "Host", ">Size")
				for b, err := range client.Pages[json.RawMessage](ctx, s.Client, client.ServerBackups, nil, "cursor") {
					if err != nil {
						return err
					}
					if s.flags.json {
						if err := s.printJSON(b); err != nil {
							return err
						}
						continue
					}
					var v struct {
						Snapshot, Host string
						Time           time.Time
						Bytes          int64
					}
					if err := json.Unmarshal(b, &v); err != nil {
						return err
					}
					table.Add(v.Snapshot[:min(8, len(v.Snapshot))], show.Time(v.Time.Local()), s.name(v.Host), show.Size(v.Bytes))
				}
				if s.flags.json {
					return nil
				}
				_, err := table.WriteTo(s.out)
				return err
			})
		},
	}, 0, 1, 2, 5, 6)
}

func (p *program) newServerConfirm() *cobra.Command {
	return withCodes(&cobra.Command{
		Use:   "confirm",
		Short: "Say that the server may remove old snapshots again",
		Long: `Say that the server's time is right, and that its plans, retention and protection are as they should be. After a restore of the server, and when its clock has
jumped, nothing is forgotten or pruned until somebody does.`,
		Example: `  backstay server confirm`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				var state json.RawMessage
				if err := s.Do(ctx, client.ConfirmClock, client.Request{}, &state); err != nil {
					return err
				}
				if s.flags.json {
					return s.printJSON(state)
				}
				return s.say("Old snapshots are forgotten and pruned again as the plans say.")
			})
		},
	}, 0, 1, 2, 5, 6)
}

func (p *program) newServerRestore() *cobra.Command {
	var opt server.Options
	var key string
	var sel selection
	cmd := &cobra.Command{
		Use:   "restore [SNAPSHOT]",
		Short: "Make a new server from the backup of one",
		Long: `Make a new server from the backup that a server made of itself: the newest one, or SNAPSHOT. The folder and the database have to be empty; which kind of database
the old server had is of no matter. A backup of an older version is brought up to date. If it is killed, run it again.

The key that secrets are sealed with is needed too: with --key a file with it, as the recovery kit has it, which is copied into the folder; or the secret.key that is there already,
BACKSTAY_SECRET_KEY or --key-command.

Everybody has to sign in again. Runs that were at work have failed, and what was due since the backup is not started. What was changed since then is as it was before: who was
removed is back, and so are tokens. Nothing is forgotten or pruned until somebody has looked at that, and confirms with 'backstay server confirm'.`,
		Example: `  backstay server restore -r /srv/backup --password-file password --key key.txt
  backstay server restore -r /srv/backup --password-file password --key key.txt --database postgres://backstay@db.example.org/backstay`,
		Args: wants(0, 1, "a snapshot at most"),
		RunE: func(cmd *cobra.Command, args []string) error {
			sel.tags = []string{server.ServerTag}
			return p.restoreServer(cmd, opt, key, sel, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&opt.Data, "data", "", "`FOLDER` of the new server (default ~/.local/share/backstay/server)")
	f.StringVar(&opt.Database, "database", "", "`URL` of an empty PostgreSQL database, instead of a file in the folder (BACKSTAY_DATABASE)")
	f.StringVar(&key, "key", "", "`FILE` with the key of the server, that only you can read")
	registerKeyCommand(f)
	f.StringArrayVarP(&sel.hosts, "host", "H", nil, "only backups of the server on this `host`; may be repeated")
	p.registerNoLock(cmd)
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

func (p *program) restoreServer(cmd *cobra.Command, opt server.Options, key string, sel selection, args []string) error {
	if err := p.serverOptions(cmd, &opt, logging{level: "error"}); err != nil {
		return err
	}
	if key != "" {
		if opt.Key != nil {
			return usageError(cmd, "the key is given twice: by --key, and by the environment or a command")
		}
		ring, err := secret.LoadFile(key)
		if err != nil {
			return err
		}
		opt.Key = ring
	}
	return p.withRepo(cmd, reading, func(ctx context.Context, r *repo.Repo) error {
		s, err := p.serverSnapshot(ctx, r, sel, args)
		if err != nil {
			return err
		}
		if err := r.LoadIndex(ctx); err != nil {
			return err
		}
		in, out := io.Pipe()
		go func() { _ = out.CloseWithError(copyFile(ctx, out, r, s, server.ServerFile)) }() // it never fails
		done, err := server.Restore(ctx, opt, key != "", in)
		if err := errors.Join(err, in.Close()); err != nil {
			return err
		}
		return p.say("The server is as it was at %s: %s, %s, %s.\nStart it with 'backstay serve'. Then look at people, tokens and plans, and confirm with 'backstay server confirm': until then nothing is forgotten or pruned.",
			show.Time(done.Made.Local()), show.Plural(done.Rows["users"], "person"), show.Plural(done.Rows["plans"], "plan"), show.Plural(done.Rows["repositories"], "repository"))
	})
}

// serverSnapshot finds the backup that was named, or the newest one.
func (p *program) serverSnapshot(ctx context.Context, r *repo.Repo, sel selection, args []string) (*snapshot.Snapshot, error) {
	name := "latest"
	if len(args) > 0 {
		name = args[0]
	}
	s, err := snapshot.Find(ctx, r, name, sel.filter())
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, backstay.Errorf(backstay.NotFound, "the repository holds no backup of a server: %w", err).WithHint("List what is there: backstay snapshots --tag " + server.ServerTag)
	case s == nil:
		return nil, err
	case err != nil: // perhaps one that can't be read is later still
		p.notice(err.Error())
	}
	if !s.HasTag(server.ServerTag) {
		return nil, backstay.Errorf(backstay.Invalid, "snapshot %s is no backup of a server", s.ID.Short()).WithHint("List those that are: backstay snapshots --tag " + server.ServerTag)
	}
	return s, nil
}

// copyFile writes a file of a snapshot.
func copyFile(ctx context.Context, w io.Writer, r *repo.Repo, s *snapshot.Snapshot, name string) error {
	for e, err := range restorer.Entries(ctx, r, s.Tree, restorer.Options{Sub: name}) {
		if err == nil {
			_, err = archive.Copy(ctx, w, e)
		}
		if err != nil {
			return fmt.Errorf("read %q of snapshot %s: %w", "/"+name, s.ID.Short(), err)
		}
	}
	return nil
}
