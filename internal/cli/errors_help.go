package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay/internal/doctor"
)

// commandsFor are the commands by which a person does here what is a button elsewhere.
var commandsFor = map[doctor.Do]string{
	doctor.ShowLocks:   "backstay list locks",
	doctor.Unlock:      "backstay unlock",
	doctor.Check:       "backstay check --read-data",
	doctor.RepairIndex: "backstay repair index",
	doctor.FreeSpace:   "backstay forget --keep-last 5 --prune",
	doctor.TestStorage: "backstay storage test LOCATION",
	doctor.OpenLog:     "backstay run log ID",
	doctor.EditStorage: "backstay storage update NAME --set settings.FIELD=VALUE",
	doctor.EditSource:  "backstay source update NAME --set FIELD=VALUE",
	doctor.EditPlan:    "backstay plan update NAME --set FIELD=VALUE",
	doctor.EditChannel: "backstay channel update NAME --set settings.FIELD=VALUE",
	doctor.SignIn:      "backstay login",
	doctor.VerifyAudit: "backstay audit verify",
}

// errorTopics are the pages of help about errors: the list of all codes, and a page for each, which other lists leave out.
func errorTopics() []*cobra.Command {
	var list strings.Builder
	list.WriteString("Each error ends with a code, which keeps its meaning in all versions. 'backstay help BST-2001' tells what that one means, what is\n" +
		"still safe, and what to do. These are all there are:\n\n")
	var all []*cobra.Command
	for _, e := range doctor.Entries() {
		fmt.Fprintf(&list, "  %s  %s\n", e.Code, e.Title)
		all = append(all, &cobra.Command{Use: e.Code, Aliases: []string{strings.ToLower(e.Code)}, Short: e.Title, Long: errorHelp(e), Hidden: true})
	}
	return append(all, &cobra.Command{Use: "errors", Short: "What the code of an error means", Long: strings.TrimSuffix(list.String(), "\n")})
}

func errorHelp(e doctor.Entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s.\n\n%s\n\nStill safe: %s\n\nWhat to do:\n", e.Code, e.Title, e.Cause, e.Safe)
	for _, a := range e.Next {
		fmt.Fprintf(&b, "  - %s\n", a.Text)
		if command := commandsFor[a.Do]; command != "" {
			fmt.Fprintf(&b, "      %s\n", command)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}
