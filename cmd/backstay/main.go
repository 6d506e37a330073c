// Backstay backs up files and databases into encrypted, deduplicated repositories in the format of restic, and gets them
// back. See 'backstay help'.
package main

import (
	_ "time/tzdata" // schedules are in zones, whatever the machine knows

	"context"
	"os"

	"github.com/backstay/backstay/internal/cli"
)

func main() {
	if os.Getenv("GOGC") == "" {
		tuneGC()
	}
	os.Exit(cli.Main(context.Background(), os.Args[1:], cli.System{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Begin: forgetStart}))
}
