// Package live shows a run while it goes on: as a line on a terminal that is written over and over, as a line of a log now and
// then, or as JSON for programs.
//
// A Display takes the progress.Events of the run from any number of goroutines, adds them up, and one goroutine of its own draws
// the sums at an interval. What is lost on the way, and what a person should read, is written at once, for the log to
// be complete. The invariant: a message never shares its line with the status, and Stop leaves no status line behind.
package live

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/progress"
)

// Form is how the display writes.
type Form int

// The forms.
const (
	Log      Form = iota // a whole line each time, on Err
	Line                 // one line of a terminal, on Err
	JSONLine             // an object on a line each time, on Out; losses on Err
)

// Options say where and how a display writes. Out and Err are called by one goroutine at a time.
type Options struct {
	Form    Form
	Quiet   bool // no status; losses and notices are written all the same
	Verbose int  // 1: each new or changed item is written too; 2: unmodified ones as well
	Out     io.Writer
	Err     io.Writer
	Every   time.Duration         // between two drawings; zero: 100 ms for Line, 1 s for JSONLine, 1 min for Log
	Width   func() int            // columns of the terminal, for Line; by default 80
	Name    func(s string) string // makes a name fit for Err; by default it is left as it is
	During  string                // what goes on, in the JSON of a loss: "archival", "restore"
	Clock   clock.Clock           // by default the system's
}

func (o Options) withDefaults() Options {
	if o.Every == 0 {
		o.Every = map[Form]time.Duration{
			Line:     100 * time.Millisecond, // faster than that nobody reads
			JSONLine: time.Second,
			Log:      time.Minute, // a night's log stays readable
		}[o.Form]
	}
	if o.Name == nil {
		o.Name = func(s string) string { return s }
	}
	if o.Width == nil {
		o.Width = func() int { return 80 }
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	return o
}

// Display shows one run.
type Display struct {
	opt  Options
	stop context.CancelFunc
	done sync.WaitGroup

	mu    sync.Mutex // guards state
	state state

	out   sync.Mutex // guards what is written and drawn, never held with mu
	drawn bool       // a status line stands on the terminal
}

// Start begins to show a run. The caller calls Stop.
func Start(opt Options) *Display {
	opt = opt.withDefaults()
	ctx, stop := context.WithCancel(context.Background())
	d := &Display{opt: opt, stop: stop, state: newState(opt.Clock.Now())}
	if !opt.Quiet {
		d.done.Go(func() { d.run(ctx) })
	}
	return d
}

func (d *Display) run(ctx context.Context) {
	for d.opt.Clock.Sleep(ctx, d.opt.Every) == nil {
		d.draw()
	}
}

// Stop ends the display and clears its line. It may be called again.
func (d *Display) Stop() {
	d.stop()
	d.done.Wait()
	d.out.Lock()
	defer d.out.Unlock()
	d.clear()
}

// Event is the progress.Func of the display.
func (d *Display) Event(e progress.Event) {
	d.mu.Lock()
	d.state.add(e)
	d.mu.Unlock()
	switch e.Kind {
	case progress.Failed, progress.Notice:
		d.message(e)
	case progress.Finished:
		if d.opt.Verbose >= 2 || d.opt.Verbose == 1 && e.State != "unmodified" {
			d.message(e)
		}
	}
}

func (d *Display) snapshot() status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state.status(d.opt.Clock.Now())
}
