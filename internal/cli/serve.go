package cli

import (
	"crypto/rand"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay/internal/server"
)

func (p *program) newServe() *cobra.Command {
	var opt server.Options
	var log logging
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Start the server: plans, schedules, people, and the REST API",
		Long: `Start the server. All that belongs to it is in one folder, with an SQLite database; --database uses PostgreSQL instead.

It answers this machine only, by plain HTTP, unless --listen names another address: then it answers by TLS only, with the
certificate that is given or with one of its own, whose fingerprint is printed. The first start prints a code by which the first
account is made.

Secrets in the database are encrypted with a key that is not in it: what the command of --key-command prints, that of the environment variable BACKSTAY_SECRET_KEY, or
of the file secret.key in the data folder, which is made by the first start. Keep a copy of it elsewhere.

A key command is split into words, with quotes and backslashes as in a shell, and started without a shell. It has half a minute, and the environment but for the
variables of Backstay and restic. It prints the key, or several, each on a line: the first is the current one, and what those below have sealed is sealed anew with it.`,
		Example: `  backstay serve
  backstay serve --listen 0.0.0.0:8484 --tls-certificate server.pem --tls-key server.key
  backstay serve --database postgres://backstay@db.example.org/backstay`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.serve(cmd, opt, log) },
	}
	f := cmd.Flags()
	f.StringVar(&opt.Listen, "listen", "localhost:8484", "`HOST:PORT` to answer at")
	f.StringVar(&opt.Data, "data", "", "`FOLDER` of the server (default ~/.local/share/backstay/server)")
	f.StringVar(&opt.Database, "database", "", "`URL` of a PostgreSQL database, instead of a file in the folder (BACKSTAY_DATABASE)")
	f.StringVar(&opt.CertFile, "tls-certificate", "", "PEM `FILE` with the certificate and its chain")
	f.StringVar(&opt.KeyFile, "tls-key", "", "PEM `FILE` with the certificate's private key")
	registerKeyCommand(f)
	f.BoolVar(&opt.Rotate, "rotate-key", false, "make a new key for the secrets in the database, and seal them anew with it")
	f.IntVar(&opt.Runs, "runs", 2, "how many `RUNS` are at work at the same time")
	log.register(cmd)
	return withCodes(cmd, 0, 1, 2)
}

func (p *program) serve(cmd *cobra.Command, opt server.Options, log logging) error {
	if err := p.serverOptions(cmd, &opt, log); err != nil {
		return err
	}
	s, err := server.Open(cmd.Context(), opt)
	if err != nil {
		return err
	}
	return s.Serve(cmd.Context())
}

// serverOptions completes the options of a process that works on the server's database, from the environment.
func (p *program) serverOptions(cmd *cobra.Command, opt *server.Options, log logging) (err error) {
	if (opt.CertFile == "") != (opt.KeyFile == "") {
		return usageError(cmd, "--tls-certificate and --tls-key belong together")
	}
	if opt.Runs < 1 && cmd.Flags().Lookup("runs") != nil {
		return usageError(cmd, "--runs is at least 1")
	}
	if opt.Log, err = log.open(cmd, p.sys.Stderr); err != nil {
		return err
	}
	if opt.Data == "" {
		opt.Data = p.dataFolder()
	}
	if opt.Database == "" {
		opt.Database = p.sys.Getenv("BACKSTAY_DATABASE")
	}
	ring, err := p.givenKeys(cmd)
	if err != nil {
		return err
	}
	opt.Key = ring
	opt.Version, opt.Clock, opt.Rand = version(), p.sys.Clock, p.sys.Rand
	if opt.Rand == nil {
		opt.Rand = rand.Reader
	}
	opt.Console = func(format string, args ...any) {
		_, _ = fmt.Fprintf(p.sys.Stdout, format+"\n", args...) // a console that is gone needs no words
	}
	return nil
}

// dataFolder is where the server of a person keeps what belongs to it.
func (p *program) dataFolder() string {
	if dir := p.sys.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "backstay", "server")
	}
	return filepath.Join(p.sys.Getenv("HOME"), ".local", "share", "backstay", "server")
}
