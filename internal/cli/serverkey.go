package cli

import (
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/secret"
	"github.com/backstay/backstay/settings"
)

// registerKeyCommand gives a command that needs the keys of a server the flag for where they come from.
func registerKeyCommand(f *pflag.FlagSet) {
	f.String("key-command", "", "`COMMAND` that prints the key that secrets in the database are encrypted with (BACKSTAY_KEY_COMMAND)")
}

// givenKeys returns the keys of a server that a command or the environment gives; nil if neither does.
func (p *program) givenKeys(cmd *cobra.Command) (*secret.Ring, error) {
	command := p.sys.Getenv("BACKSTAY_KEY_COMMAND")
	if f := cmd.Flags().Lookup("key-command"); f != nil && f.Changed {
		command = f.Value.String()
	}
	text := p.sys.Getenv("BACKSTAY_SECRET_KEY")
	switch {
	case command != "" && text != "":
		return nil, backstay.Errorf(backstay.Invalid, "the key of the server is given twice: by a command, and by BACKSTAY_SECRET_KEY").WithHint("Unset one of them.")
	case command != "":
		return p.keysFromCommand(cmd, command)
	case text == "":
		return nil, nil
	}
	ring, err := secret.ParseRing(text)
	if err != nil {
		return nil, backstay.Errorf(backstay.Invalid, "BACKSTAY_SECRET_KEY: %w", err).WithHint("Its value is what the file secret.key holds.")
	}
	return ring, nil
}

// keysFromCommand runs a key command. It has our environment, to find and reach a vault, but for what is ours alone.
func (p *program) keysFromCommand(cmd *cobra.Command, command string) (*secret.Ring, error) {
	words, err := settings.Words(command)
	if err != nil {
		return nil, backstay.Errorf(backstay.Invalid, "read key command: %w", err).WithHint("It is split into words as a shell does: look at its quotes.")
	}
	c := secret.Command{Args: words, Stderr: p.sys.Stderr}
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "BACKSTAY_") && !strings.HasPrefix(pair, "RESTIC_") {
			c.Env = append(c.Env, pair)
		}
	}
	ring, err := secret.LoadCommand(cmd.Context(), c)
	if err != nil {
		return nil, backstay.Errorf(backstay.Failed, "%w", err).WithHint("Run the command by hand, as the user that runs Backstay: it has to print the key as it stands in a file secret.key, and end with 0.")
	}
	return ring, nil
}
