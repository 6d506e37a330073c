package cli

import "github.com/spf13/cobra"

// Commands returns the tree of commands and topics, to be read and not to be run: it has no System.
func Commands() *cobra.Command { return new(program).newRoot() }
