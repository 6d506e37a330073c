package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/internal/doctor"
	"github.com/backstay/backstay/internal/kinds"
	"github.com/backstay/backstay/storage"
)

// exitCode is how the end of a command is told to the program that started it. The numbers are those of restic, except
// for 2, which there is a crash.
type exitCode struct {
	number  int
	kind    backstay.Kind // "": no failure
	meaning string
}

func exitCodes() []exitCode {
	return []exitCode{
		{0, "", "all that was asked for was done"},
		{1, backstay.Failed, "it failed, or a check found damage"},
		{2, backstay.Invalid, "the command line makes no sense, such as an unknown flag"},
		{3, backstay.Partial, "it was finished, but some files could not be read or restored"},
		{4, backstay.Dropped, "it was finished, but not in every repository"},
		{5, backstay.SignIn, "nobody is signed in at the server, or the session is over"},
		{6, backstay.Denied, "the server does not allow it"},
		{10, backstay.NoRepository, "there is no repository at the location"},
		{11, backstay.Locked, "the repository is locked by another program"},
		{12, backstay.WrongPassword, "the password is wrong"},
		{130, backstay.Cancelled, "it was interrupted, by Ctrl-C or a signal"},
		{141, brokenPipe, "whoever was to read the output went away"},
	}
}

// brokenPipe is the kind of an error that nobody is there to read.
const brokenPipe backstay.Kind = "broken-pipe"

func codeOf(k backstay.Kind) int {
	if k == backstay.Unconfirmed { // for a program the same: a person has to sign in, once more
		k = backstay.SignIn
	}
	for _, c := range exitCodes() {
		if c.number != 0 && c.kind == k {
			return c.number
		}
	}
	return 1
}

// withCodes adds to the help of a command how it may end.
func withCodes(cmd *cobra.Command, numbers ...int) *cobra.Command {
	var b strings.Builder
	b.WriteString(cmd.Long + "\n\nExit codes:\n")
	for _, c := range exitCodes() {
		for _, n := range numbers {
			if c.number == n {
				fmt.Fprintf(&b, "  %3d  %s\n", c.number, c.meaning)
			}
		}
	}
	b.WriteString("All are listed by 'backstay help exit-codes'.")
	cmd.Long = b.String()
	return cmd
}

// meaning is what an error of the engine or of a storage means to a user.
type meaning struct {
	err  error
	kind backstay.Kind
	hint string
}

// meanings lists the errors that are more than a failure, those that explain others first.
func meanings() []meaning {
	return []meaning{
		{errInterrupted, backstay.Cancelled, "What was saved so far is not lost: the next run takes it up."},
		{syscall.EPIPE, brokenPipe, ""},
		{repo.ErrWrongPassword, backstay.WrongPassword, "Check where the password comes from, see 'backstay help passwords'."},
		{repo.ErrNoRepository, backstay.NoRepository, "Check the location, or create a repository there: backstay init"},
		{repo.ErrExists, backstay.Conflict, "Use the repository that is there, or choose another location."},
		{repo.ErrLockLost, backstay.Failed, "Nothing was changed after that. Run the command again."},
		{repo.ErrLocked, backstay.Locked, "Wait for the other program (--lock-wait 10m). If it is no longer running, remove its lock: backstay unlock"},
		{repo.ErrUnsupported, backstay.Failed, "A newer version of Backstay may know it."},
		{repo.ErrAmbiguous, backstay.Failed, "Give more digits of the id."},
		{snapshot.ErrWrongKind, backstay.Damaged, "Somebody with access to the storage may have put it there. It can be removed."},
		{repo.ErrDamaged, backstay.Damaged, "Find out what is affected: backstay check --read-data"},
		{repo.ErrUnknownBlob, backstay.Damaged, "Find out what is affected: backstay check"},
		{storage.ErrRetained, backstay.Failed, "Nobody can remove or replace it sooner. A later 'forget' by rules takes what it keeps for now."},
		{kinds.ErrUnknown, backstay.Invalid, "See 'backstay help locations'."},
		{syscall.ENOSPC, backstay.Failed, "Free space there, then run the command again."},
		{syscall.EDQUOT, backstay.Failed, "Free space there or raise the quota, then run the command again."},
		{syscall.EROFS, backstay.Failed, "Nothing can be written there. What only reads a repository can do without its lock: --no-lock"},
		{syscall.ENOTDIR, backstay.Failed, "A file is where a folder has to be. Check the path."},
		{fs.ErrPermission, backstay.Failed, "Check the rights of the user that runs Backstay on it."},
		{storage.ErrNotFound, backstay.NotFound, "Look what is there: backstay snapshots, backstay ls"},
		{fs.ErrNotExist, backstay.NotFound, "Check the path: there is nothing of that name."},
	}
}

// explain turns any error into one for the user.
func explain(err error) *backstay.Error {
	var e *backstay.Error
	if errors.As(err, &e) {
		return &backstay.Error{Kind: e.Kind, Msg: err.Error(), Hint: e.Hint, Field: e.Field, Code: e.Code, Err: err}
	}
	for _, m := range meanings() {
		if errors.Is(err, m.err) {
			return &backstay.Error{Kind: m.kind, Msg: err.Error(), Hint: m.hint, Err: err}
		}
	}
	return &backstay.Error{Kind: backstay.Failed, Msg: err.Error(), Err: err}
}

// entryOf is the entry of docs/errors.md about an error: what it is by its type, or else what it means to the command line.
func entryOf(err error, e *backstay.Error) doctor.Entry {
	if e.Kind == backstay.Cancelled && e.Code == "" {
		return doctor.Named("cancelled") // whatever went wrong by it
	}
	entry := doctor.Find(err)
	if entry.Name == doctor.Unexpected && e.Code == "" {
		entry = doctor.Find(e)
	}
	return entry
}

// report shows the error of a command and returns the exit code.
func (p *program) report(ctx context.Context, err error) int {
	if err == nil {
		return 0
	}
	if cause := context.Cause(ctx); errors.Is(err, context.Canceled) && cause != nil {
		err = cause // "context canceled" says nothing to a person
	}
	e := explain(err)
	code := codeOf(e.Kind)
	if e.Kind == brokenPipe {
		return code
	}
	entry := entryOf(err, e)
	if e.Hint == "" && entry.Name != doctor.Unexpected {
		e = e.WithHint(entry.Next[0].Text)
	}
	// An error that can't be written has nowhere else to go: the exit code tells of it.
	if p.flags.json {
		_ = json.NewEncoder(p.sys.Stderr).Encode(struct {
			MessageType string `json:"message_type"`
			Code        int    `json:"code"`
			Error       string `json:"error"`
			Message     string `json:"message"`
			Hint        string `json:"hint,omitempty"`
			Field       string `json:"field,omitempty"`
		}{"exit_error", code, entry.Code, e.Msg, e.Hint, e.Field})
		return code
	}
	_, _ = fmt.Fprintf(p.sys.Stderr, "backstay: %s (%s)\n", show.Name(strings.ReplaceAll(e.Msg, "\n", "; ")), entry.Code)
	if e.Field != "" && !strings.Contains(e.Msg, e.Field) {
		_, _ = fmt.Fprintf(p.sys.Stderr, "Field: %s\n", show.Name(e.Field))
	}
	if e.Hint != "" {
		_, _ = fmt.Fprintf(p.sys.Stderr, "Hint: %s\n", e.Hint)
	}
	return code
}
