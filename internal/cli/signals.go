package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/backstay/backstay"
)

// errInterrupted is the cause of a context that a signal ended.
var errInterrupted = errors.New("interrupted")

// interrupts are the signals that ask a program to go. SIGHUP is none: restic's unlock sends it to the process that a lock names, to
// see whether that is alive.
func interrupts() []os.Signal { return []os.Signal{syscall.SIGINT, syscall.SIGTERM} }

// sameSignal is the time within which a second signal is taken for the first one.
const sameSignal = 300 * time.Millisecond

// withSignals returns a context that ends with errInterrupted at the first signal that asks the program to go. The second one
// ends the process at once, for what hangs. A signal that the parent had ignored (nohup) stays ignored.
func withSignals(parent context.Context, notice func(string)) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	for _, s := range interrupts() {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	// Without this a write to a closed pipe would kill the process, and leave its lock behind. Now it is an error. So would restic's
	// unlock. Commands that are started get these signals as ever, which they would not if they were ignored.
	unheard := make(chan os.Signal, 1)
	signal.Notify(unheard, syscall.SIGPIPE, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		select {
		case <-done:
			return
		case <-signals:
		}
		notice("interrupted: cleaning up; once more to stop at once") // first: a command may be at its end as soon as it is cancelled
		cancel(errInterrupted)
		select { // timeout(1) and others send one signal twice: to the process and to its group
		case <-done:
			return
		case <-time.After(sameSignal):
		}
		for len(signals) > 0 {
			<-signals
		}
		select {
		case <-done:
		case <-signals:
			os.Exit(codeOf(backstay.Cancelled))
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		signal.Stop(unheard)
		close(done)
		cancel(nil)
	}
}
