package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/cli/show"
)

// The groups of commands in the help.
const (
	groupData       = "data"
	groupSnapshots  = "snapshots"
	groupRepository = "repository"
	groupServer     = "server"
	groupOther      = "other"
)

func (p *program) newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "backstay",
		Short: "Back up files and databases, and get them back",
		Long: `Backstay keeps snapshots of files in encrypted, deduplicated repositories. Their format is that of restic, so
that restic reads what Backstay wrote and the other way round.`,
		Example: `  backstay init -r /srv/backup
  backstay snapshots -r /srv/backup`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          subcommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate(versionLine())
	root.Flags().Bool("version", false, "print the version")
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(flagError)
	root.AddGroup(
		&cobra.Group{ID: groupData, Title: "Back up and restore:"},
		&cobra.Group{ID: groupSnapshots, Title: "Look at snapshots:"},
		&cobra.Group{ID: groupRepository, Title: "Look after repositories:"},
		&cobra.Group{ID: groupServer, Title: "The server:"},
		&cobra.Group{ID: groupOther, Title: "More:"},
	)
	root.SetHelpCommandGroupID(groupOther)
	p.flags.register(root.PersistentFlags())
	p.addCommands(root)
	root.AddCommand(topics()...)
	root.AddCommand(errorTopics()...)
	return root
}

func (p *program) addCommands(root *cobra.Command) {
	add := func(group string, cmds ...*cobra.Command) {
		for _, cmd := range cmds {
			cmd.GroupID = group
			root.AddCommand(cmd)
		}
	}
	add(groupServer, p.newServe(), p.newWork(), p.newServer(), p.newLogin(), p.newLogout(), p.newWhoami(), p.newProfile(), p.newPlan(), p.newRun(), p.newNoun("project"), p.newServerSource(),
		p.newModule(), p.newRepository(), p.newSnapshot(), p.newSearch(), p.newRestores(), p.newRetention(), p.newChannel(), p.newNoun("rule"), p.newNoun("delivery"), p.newAlert(), p.newAuditSink(), p.newNoun("identity-provider"), p.newUser(),
		p.newNoun("group"), p.newRole(), p.newNoun("grant"), p.newNoun("token"), p.newNoun("session"), p.newNoun("factor"), p.newRecoveryKit(), p.newSettings(), p.newClock(), p.newHealth(), p.newOverview(), p.newReport(), p.newAudit())
	add(groupData, p.newBackup(), p.newRestore(), p.newDump())
	add(groupSnapshots, p.newSnapshots(), p.newLs(), p.newFind(), p.newHistory(), p.newDiff(), p.newTag(), p.newStats(), p.newMount())
	add(groupRepository, p.newInit(), p.newCheck(), p.newCopy(), p.newForget(), p.newPrune(), p.newKey(), p.newUnlock(), p.newList(), p.newCat(), p.newRepair(), p.newMigrate(), p.newStorage(), p.newLock())
	add(groupOther, p.newVersion(), newCompletion())
}

// subcommand is the check of arguments for a command that only has commands below it.
func subcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2 // letters that may be wrong
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		for i, name := range like {
			like[i] = "'" + cmd.CommandPath() + " " + name + "'"
		}
		return backstay.Errorf(backstay.Invalid, "unknown command %q", args[0]).WithHint("Did you mean " + strings.Join(like, " or ") + "?")
	}
	return usageError(cmd, "unknown command %q", args[0])
}

// wants returns the check for a number of arguments; max below 0 stands for any number. What they are is said by usage.
func wants(min, max int, usage string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= min && (max < 0 || len(args) <= max) {
			return nil
		}
		return usageError(cmd, "%s given, it takes %s", show.Plural(len(args), "argument"), usage)
	}
}

func noArgs(cmd *cobra.Command, args []string) error { return wants(0, 0, "none")(cmd, args) }

// usageError is about how a command was called.
func usageError(cmd *cobra.Command, format string, args ...any) error {
	if cmd.HasParent() {
		_, name, _ := strings.Cut(cmd.CommandPath(), " ")
		format = name + ": " + format
	}
	return backstay.Errorf(backstay.Invalid, format, args...).WithHint(fmt.Sprintf("See '%s --help'.", cmd.CommandPath()))
}

// flagError turns cobra's errors about flags into ours. Where a mistyped command was taken for an argument its flags are unknown:
// then the command is the news.
func flagError(cmd *cobra.Command, err error) error {
	if cmd.HasSubCommands() && cmd.Flags().NArg() > 0 {
		return subcommand(cmd, cmd.Flags().Args())
	}
	return usageError(cmd, "%w", err)
}
