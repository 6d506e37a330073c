// Backstay backs up files and databases into encrypted, deduplicated repositories in the format of restic, and gets them
// back. See 'backstay help'.
package main

import (
	"context"
	"os"
	"runtime/debug"

	"github.com/backstay/backstay/internal/cli"
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(5) // the memory of a backup is buffers that live as long as it does: there is little to collect
	}
	os.Exit(cli.Main(context.Background(), os.Args[1:], cli.System{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}))
}
