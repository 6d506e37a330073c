package archiver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/backstay/backstay/engine/repo"
)

// ErrSlow is why a repository drops out that kept the others waiting for longer than Options.Patience, all in all.
//
// Only what it costs the others counts: the time that one of them had nothing to upload because what is read had to go to the slow
// one first. So a full buffer does no harm while the others are as busy, and the last repository never drops out. What it waited
// itself for others is taken off, for two that are equally fast wait for one another in turn; and so is a tenth of the time in
// which nobody waits. A repository that costs the others less than that stays, however long the run is, and yet one that comes to
// a stop after hours is not waited for longer than at the start.
var ErrSlow = errors.New("too slow for the others")

const (
	pulse  = time.Second / 10 // how often is looked who waits for whom; the upload of a pack takes much longer
	pardon = 10               // of so much time without waiting one part is taken off
	mute   = 5 * time.Second  // for so long a storage may give no tree: a slow one gives several in that time, a dead one none
)

// pace is what is known of the speed of a lane. The goroutine of watch alone uses it.
type pace struct {
	kept     time.Duration // how long it has kept others waiting, less what was pardoned
	answered int64         // trees at the last pulse
	silence  time.Duration // since one of them came, while others are to come
}

// watch drops repositories for which the others have waited too long, until stop is called. It counts pulses where it could read a
// clock: the sleep of a suspended machine is nobody's fault.
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
	silent := l.silent()
	switch {
	case (silent || l.writer.Full()) && l.others((*repo.Writer).Idle):
		l.pace.kept += pulse
	case l.writer.Idle() && l.others((*repo.Writer).Full):
		l.pace.kept -= pulse
	default:
		l.pace.kept -= pulse / pardon
	}
	l.pace.kept = max(0, l.pace.kept)
	if l.pace.kept > patience {
		l.drop(fmt.Errorf("%w: they have waited for it for %v", ErrSlow, patience))
	}
}

// silent reports whether the lane gives no trees any more.
func (l *lane) silent() bool {
	before := l.pace.answered
	l.pace.answered = l.answered.Load()
	if l.pace.answered > before || l.asked.Load() == l.pace.answered {
		l.pace.silence = 0
	}
	l.pace.silence += pulse
	return l.pace.silence > mute
}

// others reports whether there is another repository left whose writer is as asked.
func (l *lane) others(is func(*repo.Writer) bool) bool {
	return slices.ContainsFunc(l.archive.lanes, func(o *lane) bool { return o != l && o.failed() == nil && is(o.writer) })
}
