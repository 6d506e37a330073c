package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/backstay/backstay/engine/repo"
)

func (p *program) newInit() *cobra.Command {
	var version string
	var from fromFlags
	var copyParams bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Create a repository",
		Long: `Create a repository at a location where none is. Its password is asked for twice, unless it comes from a flag or the
environment. Whoever loses the password loses the data: there is no other way in.

Repositories that are to share data by copying, or that one backup writes to at the same time, are best cut alike: create
the second one with --from-repo FIRST --copy-chunker-params.`,
		Example: `  backstay init -r /srv/backup
  backstay init -r /mnt/disk/backup --from-repo /srv/backup --copy-chunker-params`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			number, err := parseVersion(version)
			if err != nil {
				return usageError(cmd, "%w", err)
			}
			if (from.location != "") != copyParams {
				return usageError(cmd, "--from-repo and --copy-chunker-params go together")
			}
			init := repo.InitOptions{Version: number, KDF: p.sys.KDF}
			if copyParams {
				other, err := p.open(cmd.Context(), from.target())
				if err != nil {
					return err
				}
				init.Polynomial = other.Config().Polynomial
			}
			return p.create(cmd.Context(), init)
		},
	}
	cmd.Flags().StringVar(&version, "repository-version", "2", "`version` of the format: 1, or 2 with compression")
	cmd.Flags().BoolVar(&copyParams, "copy-chunker-params", false, "cut files as the repository given by --from-repo does")
	from.register(cmd.Flags())
	return withCodes(cmd, 0, 1, 2, 10, 12, 130)
}

func parseVersion(s string) (uint, error) {
	switch s {
	case "latest", "stable":
		return 2, nil
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n < 1 || n > 2 {
		return 0, fmt.Errorf("repository version %q: it is 1 or 2", s)
	}
	return uint(n), nil
}

func (p *program) create(ctx context.Context, init repo.InitOptions) error {
	t, err := p.target()
	if err != nil {
		return err
	}
	b, err := p.openStorage(t)
	if err != nil {
		return err
	}
	opt, err := p.repoOptions()
	if err != nil {
		return err
	}
	password, _, err := p.password(ctx, t, true)
	if err != nil {
		return err
	}
	r, err := repo.Init(ctx, b, password, opt, init)
	if err != nil {
		return fmt.Errorf("repository %q: %w", t, err)
	}
	id := r.Config().ID
	if p.flags.json {
		return p.printJSON(struct {
			MessageType string `json:"message_type"`
			ID          string `json:"id"`
			Repository  string `json:"repository"`
		}{"initialized", id.String(), t.String()})
	}
	return p.say("created repository %s at %q\n\nKeep its password safe: without it nobody can read the data, ever.", id.Short(), t)
}

// fromFlags name a second repository, which is read from.
type fromFlags struct {
	location string
	password passwordSource
}

func (f *fromFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.location, "from-repo", "", "`location` of the other repository")
	flags.StringVar(&f.password.file, "from-password-file", "", "`file` with the password of the other repository")
	flags.StringVar(&f.password.command, "from-password-command", "", "`command` that prints the password of the other repository")
}

func (f *fromFlags) target() target {
	return target{location: f.location, password: f.password, env: "FROM_"}
}
