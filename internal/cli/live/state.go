package live

import (
	"math"
	"slices"
	"time"

	"github.com/backstay/backstay/progress"
)

// state is the sum of the events so far.
type state struct {
	start       time.Time
	total       count // zero until it is known
	done        count // of what is finished, and the bytes of what is in work
	failed      int64
	current     map[string]int64 // items in work and how many bytes of them were counted
	rate        float64          // bytes a second, smoothed
	ratedAt     time.Time
	ratedAtDone int64
}

type count struct{ files, bytes int64 }

func newState(now time.Time) state {
	return state{start: now, ratedAt: now, current: make(map[string]int64)}
}

func (s *state) add(e progress.Event) {
	switch e.Kind {
	case progress.Total:
		s.total = count{e.Files, e.Bytes}
	case progress.Started:
		s.current[e.Item] = 0
	case progress.Advanced:
		s.current[e.Item] += e.Bytes
		s.done.bytes += e.Bytes
	case progress.Finished:
		s.done.files++
		s.done.bytes += e.Bytes - s.current[e.Item]
		delete(s.current, e.Item)
	case progress.Failed:
		s.failed++
		delete(s.current, e.Item)
	}
}

// rateWindow is the time over which the speed is smoothed: what was longer ago than this hardly counts.
const rateWindow = 15 * time.Second

// status tells the state at a moment and moves the speed on to it. The speed is an exponential moving average over
// uneven intervals: a sample of length t replaces 1-e^(-t/window) of it; until one window has passed it is the plain mean,
// which has no such start from zero.
func (s *state) status(now time.Time) status {
	elapsed := now.Sub(s.start)
	if dt := now.Sub(s.ratedAt); dt > 0 {
		sample := float64(s.done.bytes-s.ratedAtDone) / dt.Seconds()
		weight := max(-math.Expm1(-dt.Seconds()/rateWindow.Seconds()), dt.Seconds()/elapsed.Seconds())
		s.rate += weight * (sample - s.rate)
		s.ratedAt, s.ratedAtDone = now, s.done.bytes
	}
	st := status{Elapsed: elapsed, Total: s.total, Done: s.done, Failed: s.failed, Rate: s.rate}
	for item := range s.current {
		st.Current = append(st.Current, item)
	}
	slices.Sort(st.Current)
	return st
}

// status is what is drawn.
type status struct {
	Elapsed     time.Duration
	Total, Done count
	Failed      int64
	Rate        float64 // bytes a second
	Current     []string
}

// share is how much of the whole is done, 0 to 1; 0 while the whole isn't known.
func (s status) share() float64 {
	switch {
	case s.Total.bytes > 0:
		return min(1, float64(s.Done.bytes)/float64(s.Total.bytes))
	case s.Total.files > 0:
		return min(1, float64(s.Done.files)/float64(s.Total.files))
	}
	return 0
}

// left is the time until the whole is done at the present speed, false if nobody can know.
func (s status) left() (time.Duration, bool) {
	rest := float64(s.Total.bytes - s.Done.bytes)
	if s.Total.bytes == 0 || rest < 0 || s.Rate < 1 {
		return 0, false
	}
	seconds := rest / s.Rate
	if seconds > 1000*3600 { // at a standstill it would go to the end of time
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}
