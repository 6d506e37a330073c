package cli

import (
	"fmt"
	"strings"

	"github.com/backstay/backstay/internal/kinds"
	"github.com/backstay/backstay/settings"
)

// locationsHelp lists how locations are written.
func locationsHelp() string {
	var b strings.Builder
	b.WriteString("A repository is named by its location, with -r or --repo:\n\n")
	for _, k := range kinds.Storages() {
		fmt.Fprintf(&b, "  %-50s  %s\n", k.Form, k.Title)
	}
	b.WriteString(`
Locations of restic are understood as they are. What a location doesn't say may be said with --option NAME=VALUE, or by the environment:
'backstay help storages' lists the settings of each kind. With --option KIND.NAME=VALUE it is for the repositories of that kind
alone, and with --option NAME=@FILE it is read from a file, as a secret has to be.

Without -r the location is taken from $BACKSTAY_REPOSITORY or $RESTIC_REPOSITORY. With --repository-file, or from
$BACKSTAY_REPOSITORY_FILE or $RESTIC_REPOSITORY_FILE, it is read from a file: white space around it is no part of it.

A backup goes to several repositories at once if -r is given several times.`)
	return b.String()
}

// storagesHelp lists the settings of each kind of storage.
func storagesHelp() string {
	var b strings.Builder
	b.WriteString("Each kind of storage has settings of its own. Those marked with * must be given, by the location, by --option or by the environment.\n")
	for _, k := range kinds.Storages() {
		fmt.Fprintf(&b, "\n%s, %s\n\n", k.Form, k.Title)
		for _, f := range kinds.Fields(k) {
			fmt.Fprintf(&b, "  %-24s  %s\n", settingName(f), settingHelp(f))
		}
		for _, l := range k.Lacks {
			fmt.Fprintf(&b, "\nIt can't promise that %s: %s.\n", l.Promise, strings.TrimSuffix(l.Why, "."))
		}
	}
	b.WriteString("\nWhether a place is fit is told by 'backstay storage test'.")
	return b.String()
}

func settingName(f settings.Field) string {
	if f.Required {
		return f.Name + " *"
	}
	return f.Name
}

func settingHelp(f settings.Field) string {
	text := f.Title + ". " + f.Help
	if len(f.Choices) > 0 {
		text += " One of " + strings.Join(f.Choices, ", ") + "."
	}
	if f.Default != "" {
		text += " Default " + f.Default + "."
	}
	if len(f.Env) > 0 {
		text += " $" + strings.Join(f.Env, ", $") + "."
	}
	if len(f.Home) > 0 {
		text += " Where it isn't given: ~/" + strings.Join(f.Home, ", ~/") + "."
	}
	return text
}
