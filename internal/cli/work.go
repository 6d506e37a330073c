package cli

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/secret"
	"github.com/backstay/backstay/internal/server"
)

func (p *program) newWork() *cobra.Command {
	var opt server.Options
	var log logging
	cmd := &cobra.Command{
		Use:   "work",
		Short: "Do runs of a server, as a further process",
		Long: `Do the runs of a server as a further process, on this machine or another one. It shares the PostgreSQL database with the server and answers no
requests. Each run is done by one process; those of a process that is gone are taken over.

It needs the keys that secrets in the database are encrypted with: what the command of --key-command prints, those of the environment variable BACKSTAY_SECRET_KEY, or a copy
of the server's secret.key in its own data folder. Sources and storages that are folders are those of the machine that the run is done on.`,
		Example: `  backstay work --database postgres://backstay@db.example.org/backstay --runs 4`,
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.work(cmd, opt, log) },
	}
	f := cmd.Flags()
	f.StringVar(&opt.Data, "data", "", "`FOLDER` for local copies and locks (default ~/.local/share/backstay/server)")
	f.StringVar(&opt.Database, "database", "", "`URL` of the server's PostgreSQL database (BACKSTAY_DATABASE)")
	registerKeyCommand(f)
	f.IntVar(&opt.Runs, "runs", 2, "`number` of runs to do at the same time")
	log.register(cmd)
	return withCodes(cmd, 0, 1, 2)
}

func (p *program) work(cmd *cobra.Command, opt server.Options, log logging) error {
	if err := p.serverOptions(cmd, &opt, log); err != nil {
		return err
	}
	if !server.Shared(opt.Database) {
		return usageError(cmd, "a further process needs the PostgreSQL database of the server: --database")
	}
	if err := p.serverKeys(&opt); err != nil {
		return err
	}
	return p.onWorker(cmd.Context(), opt)
}

func (p *program) onWorker(ctx context.Context, opt server.Options) error {
	w, err := server.OpenWorker(ctx, opt)
	if err != nil {
		return err
	}
	opt.Console("Working for %s", server.Shown(opt.Database))
	return w.Work(ctx)
}

// serverKeys loads the keys of a server that are in its folder, unless the environment has them. It makes none.
func (p *program) serverKeys(opt *server.Options) error {
	if opt.Key != nil {
		return nil
	}
	ring, err := secret.LoadFile(filepath.Join(opt.Data, "secret.key"))
	if errors.Is(err, fs.ErrNotExist) {
		return backstay.Errorf(backstay.Invalid, "the keys of the server are missing: %w", err).WithHint("Copy the server's secret.key there, set BACKSTAY_SECRET_KEY, or name a command that prints it with --key-command.")
	}
	opt.Key = ring
	return err
}
