package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// pages returns the text of each page, by the name of its file.
func pages(root *cobra.Command) map[string]string {
	root.InitDefaultHelpCmd()
	all := map[string]string{"README.md": list(root), fileOf(root): command(root)}
	var add func(cmd *cobra.Command)
	add = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			if sub.Name() == "help" || sub.Hidden {
				continue
			}
			all[fileOf(sub)] = command(sub)
			add(sub)
		}
	}
	add(root)
	return all
}

// fileOf returns the file of a page: repair-index.md for 'backstay repair index'.
func fileOf(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return cmd.Name() + ".md"
	}
	_, path, _ := strings.Cut(cmd.CommandPath(), " ")
	return strings.ReplaceAll(path, " ", "-") + ".md"
}

// link returns a link to the page of a command or topic.
func link(cmd *cobra.Command) string {
	name := cmd.CommandPath()
	switch {
	case cmd.Name() == "help":
		return code(name) // it has no page: it shows the others
	case cmd.IsAdditionalHelpTopicCommand():
		name = cmd.Root().Name() + " help " + cmd.Name()
	}
	return fmt.Sprintf("[%s](%s)", code(name), fileOf(cmd))
}

// command returns the page of a command or topic.
func command(cmd *cobra.Command) string {
	var b strings.Builder
	if cmd.IsAdditionalHelpTopicCommand() {
		fmt.Fprintf(&b, "# %s\n\n%s", cmd.Short, prose(cmd.Long))
	} else {
		long, codes, _ := strings.Cut(cmd.Long, "\n\nExit codes:\n")
		fmt.Fprintf(&b, "# %s\n\n%s.\n\n```\n%s\n```\n\n%s", cmd.CommandPath(), inline(cmd.Short), usage(cmd), prose(long))
		fmt.Fprintf(&b, "\n## Examples\n\n```sh\n%s\n```\n", unindent(cmd.Example))
		b.WriteString(flags(cmd))
		if codes != "" {
			b.WriteString("\n## Exit codes\n\n" + prose(codes))
		}
	}
	b.WriteString("\n## See also\n\n")
	for _, other := range related(cmd) {
		b.WriteString(item(other))
	}
	b.WriteString("- [all commands](README.md)\n")
	return b.String()
}

func usage(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " COMMAND"
	}
	return cmd.UseLine()
}

// related returns the commands above, below and beside a command, or the other topics.
func related(cmd *cobra.Command) (found []*cobra.Command) {
	if !cmd.HasParent() {
		return nil
	}
	if cmd.Parent().HasParent() {
		found = append(found, cmd.Parent())
	}
	found = append(found, cmd.Commands()...)
	for _, other := range cmd.Parent().Commands() {
		if other != cmd && other.GroupID == cmd.GroupID && !other.Hidden {
			found = append(found, other)
		}
	}
	return found
}

func item(cmd *cobra.Command) string {
	return wrap(fmt.Sprintf("- %s: %s", link(cmd), inline(cmd.Short)), "  ")
}

// list returns the list of all commands, in the groups in which the help shows them, and of the topics.
func list(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Reference\n\n" + wrap(fmt.Sprintf("What %s shows, page by page. %s tells of the flags that every command has.",
		code(root.Name()+" help"), link(root)), ""))
	for _, group := range append(root.Groups(), &cobra.Group{Title: "Topics:"}) {
		fmt.Fprintf(&b, "\n## %s\n\n", strings.TrimSuffix(group.Title, ":"))
		for _, cmd := range root.Commands() {
			if cmd.GroupID != group.ID || cmd.Hidden {
				continue
			}
			b.WriteString(item(cmd))
			for _, sub := range cmd.Commands() {
				b.WriteString("  " + item(sub))
			}
		}
	}
	b.WriteString("\n" + wrap("These pages are made from the commands by `make docs`: change the help of a command, not its page.", ""))
	return b.String()
}

// flags returns the table of a command's own flags.
func flags(cmd *cobra.Command) string {
	var b strings.Builder
	cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		if b.Len() == 0 {
			b.WriteString("| Flag | Default | Meaning |\n|---|---|---|\n")
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", cell(flagName(f)), cell(defaultOf(f)), cell(inline(meaning(f))))
	})
	if cmd.HasParent() {
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "Every command also has [the flags of %s](%s#flags).\n", code(cmd.Root().Name()), fileOf(cmd.Root()))
	}
	return "\n## Flags\n\n" + b.String()
}

func flagName(f *pflag.Flag) string {
	name := "--" + f.Name
	switch value, _ := pflag.UnquoteUsage(f); value {
	case "", "count":
	case "stringArray": // the help has no word for it
		name += " value"
	default:
		name += " " + value
	}
	if f.Shorthand != "" {
		return code("-"+f.Shorthand) + ", " + code(name)
	}
	return code(name)
}

func meaning(f *pflag.Flag) string {
	_, text := pflag.UnquoteUsage(f)
	return text
}

// defaultOf returns the default of a flag, or nothing where the flag then does nothing.
func defaultOf(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "0", "false", "[]", "0s":
		return ""
	}
	return code(f.DefValue)
}
