package corrupt

import (
	"context"
	"time"
)

// still is a clock that stands still. Short pauses are over at once; longer ones, by which locks are kept fresh, never.
type still struct{}

func (still) Now() time.Time { return start.AddDate(0, 1, 0) }

func (still) Sleep(ctx context.Context, d time.Duration) error {
	if d < time.Second {
		return context.Cause(ctx)
	}
	<-ctx.Done()
	return context.Cause(ctx)
}
