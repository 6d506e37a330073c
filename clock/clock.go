// Package clock is the time that everything else is handed.
//
// Nothing in the engine, the storage wrappers or the server reads the system's time by itself: it asks the Clock it was
// given, so that clock jumps, suspended machines and year-long runs are simulated in milliseconds.
package clock

import (
	"context"
	"time"
)

// Clock tells the time and waits. Its methods may be called from any goroutine.
type Clock interface {
	// Now returns the wall-clock time. Unlike the monotonic clock it moves on while a machine is suspended, so
	// callers compare it with Round(0) applied or after Sub of two such values.
	Now() time.Time
	// Sleep waits for d, or until ctx ends; then it returns the context's cause.
	Sleep(ctx context.Context, d time.Duration) error
}

// System is the real time of this machine.
var System Clock = system{}

type system struct{}

func (system) Now() time.Time { return time.Now().Round(0) }

func (system) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
