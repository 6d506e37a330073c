package cli

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/client"
)

// followEvery is how often a log that is followed is asked for.
const followEvery = time.Second

func (p *program) newRun() *cobra.Command {
	return p.newNoun("run", p.newRunLog(),
		p.newRunVerb("cancel", "End a run", "End a run that waits or is at work. What it saved so far is not lost: the next run takes it up.", client.CancelRun, func(s asker, run backstay.Run) error {
			if s.flags.json {
				return s.printJSON(run)
			}
			return s.say("run %s is asked to end", run.ID)
		}),
		p.newRunVerb("retry", "Do a run again that did not succeed", "Do a run again that did not succeed, with the same sources and repositories.", client.RetryRun, asker.started))
}

func (p *program) newRunVerb(verb, short, long string, op client.Operation, done func(asker, backstay.Run) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:     verb + " ID",
		Short:   short,
		Long:    long,
		Example: "  backstay run " + verb + " ID",
		Args:    wants(1, 1, "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				var run backstay.Run
				if err := s.Do(ctx, op, client.Request{ID: args[0]}, &run); err != nil {
					return err
				}
				return done(s, run)
			})
		},
	}
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

func (p *program) newRunLog() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "log ID",
		Short: "Show the log of a run",
		Long: `Show the log of a run. With --follow it is shown until the run ends, and the exit code tells how it ended. Ctrl-C ends the following,
not the run.`,
		Example: `  backstay run log ID
  backstay run log ID --follow`,
		Args: wants(1, 1, "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				if follow {
					return s.follow(ctx, args[0])
				}
				_, err := s.log(ctx, args[0], 0)
				return err
			})
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the run ends")
	return withCodes(cmd, 0, 1, 2, 3, 4, 5, 6, 130)
}

// log prints the lines of a run's log after one, and returns the number of the last.
func (s asker) log(ctx context.Context, id string, after int64) (int64, error) {
	for {
		var page struct{ Items []backstay.RunLine }
		if err := s.Do(ctx, client.RunLog, client.Request{ID: id, Query: url.Values{"after": {strconv.FormatInt(after, 10)}}}, &page); err != nil {
			return after, err
		}
		for _, line := range page.Items {
			after = line.Seq
			if err := s.printLine(line); err != nil {
				return after, err
			}
		}
		if len(page.Items) == 0 {
			return after, s.out.Flush()
		}
	}
}

func (s asker) printLine(line backstay.RunLine) error {
	if s.flags.json {
		return s.printJSON(line)
	}
	level := ""
	if line.Level != "info" {
		level = line.Level + ": "
	}
	return s.printf("%s  %s%s\n", line.Time.Local().Format(time.TimeOnly), level, s.name(line.Text))
}

// follow prints the log of a run until it has ended, and returns how as an error.
func (s asker) follow(ctx context.Context, id string) error {
	var after int64
	for {
		run, err := client.Runs.Get(ctx, s.Client, id) // before the log: then none of the last lines is missed
		if err != nil {
			return err
		}
		if after, err = s.log(ctx, id, after); err != nil {
			return err
		}
		if run.State.Ended() {
			return s.ended(run)
		}
		if err := s.sys.Clock.Sleep(ctx, followEvery); err != nil {
			return err
		}
	}
}

// ended tells how a run ended.
func (s asker) ended(run backstay.Run) error {
	if s.flags.json {
		if err := s.printJSON(run); err != nil {
			return err
		}
	} else if err := s.say("run %s: %s", run.ID, run.State); err != nil {
		return err
	}
	kind := backstay.Failed
	switch run.State {
	case backstay.Succeeded:
		return nil
	case backstay.Warned:
		kind = backstay.Partial
	case backstay.RanPartly:
		kind = backstay.Dropped
	case backstay.Stopped:
		kind = backstay.Cancelled
	}
	e := backstay.Errorf(kind, "run %s ended as %s", run.ID, run.State)
	if f := run.Failure; f != nil {
		e = backstay.Errorf(kind, "run %s ended as %s: %s", run.ID, run.State, f.Text).WithHint(f.Hint)
		e.Code = f.Code
	}
	return e
}
