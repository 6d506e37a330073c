package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// topics are pages of help that belong to no command.
func topics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "What the exit code of a command means", Long: exitCodesHelp()},
		{Use: "locations", Short: "How to name a repository", Long: locationsHelp()},
		{Use: "storages", Short: "Kinds of storage and their settings", Long: storagesHelp()},
		{Use: "passwords", Short: "Where the password of a repository comes from", Long: `The password of a repository is looked for in this order:

  1. --password-command or --password-file, given after the -r of the repository. Given before the first -r
     they are for all repositories that have none of their own.
  2. $BACKSTAY_PASSWORD_COMMAND, $BACKSTAY_PASSWORD_FILE, $BACKSTAY_PASSWORD
  3. $RESTIC_PASSWORD_COMMAND, $RESTIC_PASSWORD_FILE, $RESTIC_PASSWORD
  4. It is asked for on the terminal. Where standard input is no terminal its first line is taken.

White space at the beginning and the end of a file, or of what a command prints, is no part of the password. A command
is split into words, with quotes and backslashes as in a shell, and started without a shell: no variables, no pipes.

For the repository of --from-repo the flags are --from-password-file and --from-password-command, and the variables
$BACKSTAY_FROM_PASSWORD and so on.`},
		{Use: "snapshot-names", Short: "How to name a snapshot", Long: `A snapshot is named by its id, by the first digits of the id if no other begins with them, or as 'latest': the newest one of
those that --host, --path and --tag select.

Where several snapshots can be named, none stands for all that the flags select.`},
		{Use: "environment", Short: "Which environment variables are read", Long: `  BACKSTAY_REPOSITORY..., RESTIC_REPOSITORY...    see 'backstay help locations'
  BACKSTAY_PASSWORD..., RESTIC_PASSWORD...        see 'backstay help passwords'
  BACKSTAY_SERVER, BACKSTAY_TOKEN                 the server that is asked, and an API token for it; without them it is where you signed in
  BACKSTAY_SERVER_CA                              PEM file with the certificates to trust of a server
  BACKSTAY_SERVER_FINGERPRINT                     SHA-256 fingerprint of a server's own certificate
  BACKSTAY_DATABASE, BACKSTAY_SECRET_KEY          see 'backstay serve --help'
  BACKSTAY_KEY_COMMAND                            see 'backstay serve --help'
  BACKSTAY_PROGRESS_FPS, RESTIC_PROGRESS_FPS      how often a second progress is shown, at most 10; 0.0167 is once a minute
  XDG_STATE_HOME, HOME                            where it is kept which locks are ours
  BACKSTAY_CACHE_DIR, RESTIC_CACHE_DIR            where local copies of remote repositories' small files are
  XDG_CACHE_HOME, HOME                            the same, where neither is set
  XDG_CONFIG_HOME, HOME                           where it is kept at which server you are signed in
  XDG_DATA_HOME, HOME                             where the data of a server is
  TERM                                            "dumb": progress as lines, not as one that is written over
  those of a kind of storage                      see 'backstay help storages'
  TZ                                              time zone of the times shown`},
	}
}

func exitCodesHelp() string {
	var b strings.Builder
	b.WriteString("A command ends with one of these codes:\n\n")
	for _, c := range exitCodes() {
		fmt.Fprintf(&b, "  %3d  %s\n", c.number, c.meaning)
	}
	b.WriteString("\nAny other code is a failure too. With --json the last line on standard error tells the code, that of 'backstay help errors',\nthe message, a hint, and the field that was wrong.")
	return b.String()
}
