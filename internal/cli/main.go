// Package cli is the command line of Backstay: the commands of the one binary, one file each.
//
// A command reads its flags, opens the repository under the lock that its work takes, calls the engine and prints what
// came of it. A target is a repository as it was named: a location and where its password comes from. Results go to
// standard output, as text or with --json as one document or one object a line; progress, notices and errors go to
// standard error. The invariant: an exit code of 0 means that all that was asked for was done.
package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/internal/cli/live"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/progress"
)

// System is what the program is given by whoever starts it. Stdin, Stdout and Stderr may be terminals (*os.File).
type System struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Clock          clock.Clock // by default the system's
	Rand           io.Reader   // by default crypto/rand.Reader
	KDF            crypto.KDF  // for the first key of new repositories; by default crypto.DefaultKDF
	Begin          func()      // is called once the command line is understood, before its work begins; may be nil
}

// program is one call of the binary.
type program struct {
	sys     System
	out     *bufio.Writer // standard output; flushed in the end
	flags   globals
	display atomic.Pointer[live.Display] // who is told of events at the moment
}

// Main runs a command line, without the program's own name, and returns the exit code. It handles signals while it runs: the
// first one ends the command in good order, the second one the process.
func Main(ctx context.Context, args []string, sys System) int {
	if sys.Clock == nil {
		sys.Clock = clock.System
	}
	p := &program{sys: sys, out: bufio.NewWriterSize(sys.Stdout, 64<<10)}
	p.flags.json = slices.Contains(args, "--json") // errors in the flags are shown as JSON too
	p.display.Store(live.Start(live.Options{Form: p.form(), Quiet: true, Out: sys.Stdout, Err: sys.Stderr, Name: show.Name}))
	ctx, stop := withSignals(ctx, p.notice)
	defer stop()
	err := p.run(ctx, args)
	if ferr := p.out.Flush(); err == nil {
		err = ferr
	}
	return p.report(ctx, err)
}

func (p *program) run(ctx context.Context, args []string) error {
	root := p.newRoot()
	if p.sys.Begin != nil {
		root.PersistentPreRun = func(*cobra.Command, []string) { p.sys.Begin() }
	}
	root.SetArgs(args)
	root.SetIn(p.sys.Stdin)
	root.SetOut(p.out)
	root.SetErr(p.sys.Stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return nil
	}
	if e := explain(err); e.Kind == backstay.Invalid && e.Hint == "" {
		return e.WithHint(fmt.Sprintf("See '%s --help'.", cmd.CommandPath()))
	}
	return err
}

// event tells the person, or the program, that watches. It may be called from any goroutine.
func (p *program) event(e progress.Event) { p.display.Load().Event(e) }

func (p *program) notice(text string) { p.event(progress.Event{Kind: progress.Notice, Text: text}) }

// printf writes a part of the result.
func (p *program) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(p.out, format, args...)
	return err
}

// printJSON writes v on one line.
func (p *program) printJSON(v any) error { return json.NewEncoder(p.out).Encode(v) }

// say writes a sentence about what was done, unless nobody wants to read it.
func (p *program) say(format string, args ...any) error {
	if p.flags.json || p.flags.quiet {
		return nil
	}
	return p.printf(format+"\n", args...)
}

// name makes a name from outside fit for standard output: harmless on a terminal, unchanged elsewhere.
func (p *program) name(s string) string {
	if isTerminal(p.sys.Stdout) {
		return show.Name(s)
	}
	return s
}
