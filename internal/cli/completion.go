package cli

import (
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func newCompletion() *cobra.Command {
	shells := map[string]func(root *cobra.Command, w io.Writer) error{
		"bash":       func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"zsh":        func(root *cobra.Command, w io.Writer) error { return root.GenZshCompletion(w) },
		"fish":       func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
		"powershell": func(root *cobra.Command, w io.Writer) error { return root.GenPowerShellCompletionWithDesc(w) },
	}
	words := slices.Sorted(maps.Keys(shells))
	return withCodes(&cobra.Command{
		Use:   "completion " + strings.Join(words, "|"),
		Short: "Print a script with which a shell completes commands and flags",
		Long:  `Print a script for a shell that completes the commands and flags of this program when the tab key is pressed.`,
		Example: `  backstay completion bash > /etc/bash_completion.d/backstay
  backstay completion zsh > "${fpath[1]}/_backstay"
  backstay completion fish > ~/.config/fish/completions/backstay.fish`,
		Args:      wants(1, 1, "one of "+strings.Join(words, ", ")),
		ValidArgs: words,
		RunE: func(cmd *cobra.Command, args []string) error {
			write, ok := shells[args[0]]
			if !ok {
				return usageError(cmd, "%q is none of %s", args[0], strings.Join(words, ", "))
			}
			return write(cmd.Root(), cmd.OutOrStdout())
		},
	}, 0, 2)
}
