package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/client"
)

// secretly is where a command writes what is secret: on the terminal, or into a new file that only its owner reads.
type secretly struct{ file string }

func (o *secretly) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.file, "output", "", "write to a new `FILE` that only you can read, instead of on the terminal")
}

// write hands fn a place for secrets. A file is made before anything is asked for, since some secrets are told once, and goes if there are none.
func (o secretly) write(p *program, fn func(w io.Writer) error) error {
	if o.file == "" {
		if !isTerminal(p.sys.Stdout) {
			return backstay.Errorf(backstay.Invalid, "it is secret, and standard output is no terminal: others may read what it is written to").WithHint("Give --output FILE: only you can read that.")
		}
		return fn(p.out)
	}
	f, err := os.OpenFile(o.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create output: %w", err)
	}
	if err = errors.Join(fn(f), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(o.file))
	}
	return p.say("written to %s", p.name(o.file))
}

// newReveal shows what the server keeps secret about a thing.
func (p *program) newReveal(n noun, op client.Operation) *cobra.Command {
	var out secretly
	var confirm bool
	what, form := "the secret settings", "Each is on a line of its own, as NAME=VALUE; a value of several lines is written as in JSON."
	if n.one == "repository" {
		what, form = "the password", "The file holds nothing else, so that --password-file takes it."
	}
	cmd := &cobra.Command{
		Use:   "reveal NAME",
		Short: "Show " + what + " of " + n.a(),
		Long: "Show " + what + " of " + n.a() + ". The server asks you to confirm that it is you, and each time is an event of the audit trail. It is shown on a terminal\n" +
			"only; with --output it is written to a new file that only you can read. " + form,
		Example: "  backstay " + n.command() + " reveal NAME\n  backstay " + n.command() + " reveal NAME --output secret.txt",
		Args:    wants(1, 1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return out.write(p, func(w io.Writer) error {
				return p.onServer(cmd, confirm, func(ctx context.Context, s asker) error {
					f, err := s.find(ctx, n.Path, args[0], "")
					if err != nil {
						return err
					}
					return s.reveal(ctx, op, f.id, w)
				})
			})
		},
	}
	out.register(cmd)
	registerConfirm(cmd, &confirm)
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (s asker) reveal(ctx context.Context, op client.Operation, id string, w io.Writer) error {
	var answer struct {
		Password *string
		Secrets  map[string]string
	}
	if err := s.Do(ctx, op, client.Request{ID: id}, &answer); err != nil {
		return err
	}
	if answer.Password != nil {
		_, err := fmt.Fprintln(w, *answer.Password)
		return err
	}
	if len(answer.Secrets) == 0 {
		return backstay.Errorf(backstay.NotFound, "it has no secret settings")
	}
	for _, name := range slices.Sorted(maps.Keys(answer.Secrets)) {
		value := answer.Secrets[name]
		if strings.Contains(value, "\n") {
			text, err := json.Marshal(value)
			if err != nil {
				return err
			}
			value = string(text)
		}
		if _, err := fmt.Fprintf(w, "%s=%s\n", name, value); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) newRecoveryKit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "recovery-kit",
		Short: "Make a recovery kit, and see whether it is up to date",
		Long: `The recovery kit says where each repository of the server is, its password, and how to restore from it without the server. Print it, and keep it
where neither a thief nor a fire finds it.`,
		Example: `  backstay recovery-kit export --output kit.html
  backstay recovery-kit show`,
		Args: subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.newKitShow(), p.newKitExport(), p.newKitRisk())
	return withCodes(cmd, 0, 2)
}

func (p *program) newKitShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Tell whether there is a recovery kit that is up to date",
		Long:    `Tell whether a recovery kit was made, by whom, and which repositories are new or have another place since.`,
		Example: `  backstay recovery-kit show`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error { return s.showAnswer(ctx, client.RecoveryKit) })
		},
	}
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (p *program) newKitExport() *cobra.Command {
	var out secretly
	var format string
	var secrets, confirm bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Make a recovery kit, to print or to keep",
		Long: `Make a recovery kit: a page to print, or text. The server asks you to confirm that it is you. It is written to a new file that only you can read, or, on
a terminal, shown.`,
		Example: `  backstay recovery-kit export --output kit.html
  backstay recovery-kit export --format txt --secrets --output kit.txt`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return out.write(p, func(w io.Writer) error {
				return p.onServer(cmd, confirm, func(ctx context.Context, s asker) error {
					return s.Copy(ctx, client.ExportKit, client.Request{Query: url.Values{"format": {format}, "secrets": {strconv.FormatBool(secrets)}}}, w)
				})
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&format, "format", "html", "`format`: html, to print, or txt")
	f.BoolVar(&secrets, "secrets", false, "with the secret settings of the storages")
	out.register(cmd)
	registerConfirm(cmd, &confirm)
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (p *program) newKitRisk() *cobra.Command {
	var reason string
	var confirm bool
	cmd := &cobra.Command{
		Use:     "accept-risk",
		Short:   "Take the risk of being without a recovery kit",
		Long:    `Take the risk of being without a recovery kit for what it lacks by now. The audit trail notes it with your reason; what is new afterwards has to be in a kit again.`,
		Example: `  backstay recovery-kit accept-risk --reason "a test machine"`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onServer(cmd, confirm, func(ctx context.Context, s asker) error {
				return s.Do(ctx, client.AcceptKitRisk, client.Request{Body: map[string]string{"reason": reason}}, nil)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why there is to be no recovery kit, in a `sentence`")
	registerConfirm(cmd, &confirm)
	return withCodes(cmd, 0, 1, 2, 5, 6)
}
