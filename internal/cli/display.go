package cli

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/term"

	"github.com/backstay/backstay/internal/cli/live"
	"github.com/backstay/backstay/internal/cli/show"
)

// showProgress starts the display of a run; stop ends it. During says what goes on, in the words of restic's JSON.
func (p *program) showProgress(during string) (stop func()) {
	before := p.display.Load()
	d := live.Start(live.Options{Form: p.form(), Quiet: p.flags.quiet, Verbose: p.flags.verbose, Out: p.sys.Stdout, Err: p.sys.Stderr,
		Every: p.interval(), Width: p.width, Name: show.Name, During: during, Clock: p.sys.Clock})
	p.display.Store(d)
	return func() {
		p.display.Store(before)
		d.Stop()
	}
}

func (p *program) form() live.Form {
	switch {
	case p.flags.json:
		return live.JSONLine
	case isTerminal(p.sys.Stderr) && p.sys.Getenv("TERM") != "dumb":
		return live.Line
	}
	return live.Log
}

// shortest is the time between two drawings that nobody can follow any more.
const shortest = 100 * time.Millisecond

// interval is the time between two drawings as the environment says; 0 leaves it to the display.
func (p *program) interval() time.Duration {
	for _, name := range []string{"BACKSTAY_PROGRESS_FPS", "RESTIC_PROGRESS_FPS"} {
		if fps, err := strconv.ParseFloat(p.sys.Getenv(name), 64); err == nil && fps > 0 {
			return max(shortest, time.Duration(float64(time.Second)/fps))
		}
	}
	return 0
}

func (p *program) width() int {
	if f, ok := p.sys.Stderr.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// isTerminal reports whether a stream of the program is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
