package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
)

// each calls fn for every command with work of its own.
func each(cmd *cobra.Command, fn func(*cobra.Command)) {
	for _, sub := range cmd.Commands() {
		if sub.Name() != "help" && !sub.Hidden && !sub.IsAdditionalHelpTopicCommand() {
			fn(sub)
			each(sub, fn)
		}
	}
}

func TestEveryCommandIsDocumented(t *testing.T) {
	root := new(program).newRoot()
	each(root, func(cmd *cobra.Command) {
		name := cmd.CommandPath()
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: its short help is %q, want a phrase", name, cmd.Short)
		}
		if !strings.HasPrefix(cmd.Example, "  ") || !strings.Contains(cmd.Example, name) {
			t.Errorf("%s: its example is %q, want one that uses it", name, cmd.Example)
		}
		if !strings.Contains(cmd.Long, "\n\nExit codes:\n    0  ") {
			t.Errorf("%s: its long help doesn't tell the exit codes", name)
		}
		if cmd.Parent() == root && cmd.GroupID == "" {
			t.Errorf("%s: it is in no group", name)
		}
	})
}

func TestErrorsOfTheEngineAreExplained(t *testing.T) {
	for _, c := range []struct {
		err  error
		kind backstay.Kind
		code int
		hint string
	}{
		{errors.New("anything"), backstay.Failed, 1, ""},
		{repo.ErrWrongPassword, backstay.WrongPassword, 12, "passwords"},
		{repo.ErrNoRepository, backstay.NoRepository, 10, "backstay init"},
		{&repo.LockedError{}, backstay.Locked, 11, "backstay unlock"},
		{&repo.DamageError{Err: errors.New("x")}, backstay.Damaged, 1, "backstay check"},
		{repo.ErrExists, backstay.Conflict, 1, "another location"},
		{storage.ErrNotFound, backstay.NotFound, 1, ""},
		{syscall.ENOSPC, backstay.Failed, 1, "Free space"},
		{&os.PathError{Op: "open", Err: syscall.EACCES}, backstay.Failed, 1, "rights"},
		{errInterrupted, backstay.Cancelled, 130, "next run"},
		{syscall.EPIPE, brokenPipe, 141, ""},
		{backstay.Errorf(backstay.Partial, "some are lost").WithHint("Look."), backstay.Partial, 3, "Look."},
		{errors.Join(errInterrupted, repo.ErrLocked), backstay.Cancelled, 130, ""},
	} {
		got := explain(fmt.Errorf("do a thing: %w", c.err))
		if got.Kind != c.kind || codeOf(got.Kind) != c.code || !strings.Contains(got.Hint, c.hint) || !strings.HasPrefix(got.Msg, "do a thing: ") {
			t.Errorf("explain(%v) = %s (%d), %q, hint %q; want %s (%d), hint with %q", c.err, got.Kind, codeOf(got.Kind), got.Msg, got.Hint, c.kind, c.code, c.hint)
		}
	}
}

func TestErrorsAreShownOnTwoLinesWhateverIsInThem(t *testing.T) {
	var out strings.Builder
	p := program{sys: System{Stderr: &out}}
	err := backstay.Errorf(backstay.Failed, "%w", errors.Join(errors.New("one\x1b[2J"), errors.New("two"))).WithHint("Do this.")
	if code := p.report(context.Background(), err); code != 1 {
		t.Errorf("report = %d, want 1", code)
	}
	if want := "backstay: one\\x1b[2J; two (BST-1000)\nHint: Do this.\n"; out.String() != want {
		t.Errorf("report wrote %q, want %q", out.String(), want)
	}
}
