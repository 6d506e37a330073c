package archiver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ErrSlow is why a repository drops out that kept the others waiting for longer than Options.Patience, all in all.
//
// Only what it costs the others counts: the time that one of them had nothing to upload because all that was read had to go to
// the slow one first. So a buffer that is full does no harm while the others are as busy, as with two repositories of nearly the
// same speed, and the last one never drops out. A tenth of the time in which nobody waits is pardoned: a repository that costs the others less
// than that stays, however long the run is, and yet one that comes to a stop after hours is not waited for longer than at the start.
var ErrSlow = errors.New("too slow for the others")

const (
	pulse  = time.Second // how often is looked who waits for whom
	pardon = 10          // of so much time without waiting one part is pardoned
)

// pace is what is known of the speed of a lane. The goroutine of watch alone uses it.
type pace struct {
	kept     time.Duration // how long it has kept others waiting, less what was pardoned
	answered int64         // trees at the last pulse
}

// watch drops repositories for which the others have waited too long, until stop is called. It counts pulses where it could read a clock: the sleep of a
// suspended machine is nobody's fault.
func (a *archive) watch() (stop func()) {
	if a.opt.Patience <= 0 || len(a.lanes) == 1 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(a.ctx)
	clock := a.lanes[0].repo.Options().Clock
	var watching sync.WaitGroup
	watching.Go(func() {
		for clock.Sleep(ctx, pulse) == nil {
			for _, l := range a.lanes {
				l.judge(a.opt.Patience)
			}
		}
	})
	return func() { cancel(); watching.Wait() }
}

// judge drops the lane if others have waited for it for longer than patience.
func (l *lane) judge(patience time.Duration) {
	waitsFor := l.writer.Full() || l.silent()
	if !waitsFor || !l.keepsWaiting() {
		l.pace.kept = max(0, l.pace.kept-pulse/pardon)
		return
	}
	if l.pace.kept += pulse; l.pace.kept > patience {
		l.drop(fmt.Errorf("%w: they have waited for it for %v", ErrSlow, patience))
	}
}

// silent reports whether the lane was asked for trees, and has given none since the last pulse.
func (l *lane) silent() bool {
	answered := l.answered.Load()
	before := l.pace.answered
	l.pace.answered = answered
	return answered == before && l.asked.Load() > answered
}

// keepsWaiting reports whether another repository has nothing to upload.
func (l *lane) keepsWaiting() bool {
	return slices.ContainsFunc(l.archive.lanes, func(other *lane) bool {
		return other != l && other.failed() == nil && other.writer.Idle()
	})
}
