package schedule

import (
	"sort"
	"time"
)

// Grace is how late a run may start without being a missed one: a server that is started anew is not an outage.
const Grace = 10 * time.Minute

// lag is by how many seconds a window is taken to close later: a run that is due in its last second would never be started in time.
const lag = 60

// MaxMissed is the largest number of missed moments that is told: more are as many.
const MaxMissed = 1000

// Due is what there is to do about a schedule at a moment.
type Due struct {
	At     time.Time // the due moment that is now handled; zero if there is nothing to do
	Start  bool      // start one run for At; otherwise At was missed, and is to be recorded as that
	Missed int       // moments without a run of their own: those before At, and At if Start is false; MaxMissed or fewer
	Next   time.Time // when to ask again, if nothing changes before; zero: never
}

// Due says what to do now. All due moments since the last one are handled by one answer, so that never more than one run is
// started for them, however long the server was down or wherever its clock jumped to. Who keeps At as handled is never told to
// start a run for the same moment again.
//
// last is the latest moment handled before, or since when the plan is active if that is later. If it lies after now, nothing is due:
// so a clock that is set back across a due moment starts nothing twice. Where a clock was far ahead and is right again, the plan would so
// wait for that time to come; against this, who keeps all handled moments hands in the latest one that isn't after now.
func (s Schedule) Due(last, now time.Time, seed string) (Due, error) {
	t, err := s.compile(seed)
	if err != nil {
		return Due{}, err
	}
	from, to := last.Unix(), now.Unix()
	due := Due{Next: t.time(t.next(to))}
	at, ok := t.latest(from, to)
	if !ok {
		return due, nil
	}
	open := t.open(to) || t.open(to-lag)
	if s.CatchUp && !open {
		return Due{Next: t.time(t.start(to), true)}, nil
	}
	due.At, due.Start = t.time(at, true), open && (s.CatchUp || now.Sub(time.Unix(at, 0)) <= Grace)
	due.Missed = t.count(from, at)
	if !due.Start {
		due.Missed = min(due.Missed+1, MaxMissed)
	}
	return due, nil
}

// latest returns the last due moment after from and not after to. It asks for some thirty moments, however far the two are apart.
func (t *timetable) latest(from, to int64) (int64, bool) {
	isDueBy := func(u int64) bool {
		next, ok := t.next(u)
		return ok && next <= to
	}
	if !isDueBy(from) {
		return 0, false
	}
	return from + int64(sort.Search(int(to-from), func(i int) bool { return !isDueBy(from + int64(i)) })), true
}

// count returns how many due moments lie between two moments, up to MaxMissed.
func (t *timetable) count(after, before int64) (n int) {
	for n < MaxMissed {
		next, ok := t.next(after)
		if !ok || next >= before {
			return n
		}
		n, after = n+1, next
	}
	return n
}
