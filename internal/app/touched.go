package app

import (
	"sync"
	"time"
)

// touched is which sessions and tokens this process has noted the use of just now. Of many requests that come at once, one notes it.
type touched struct {
	mu     sync.Mutex
	at     map[string]time.Time // guarded by mu
	tidied time.Time            // guarded by mu
}

// first reports whether nobody has noted the use of something within touchEvery, and counts the caller as who does.
func (t *touched) first(id string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at, ok := t.at[id]; ok && now.Sub(at).Abs() < touchEvery {
		return false
	}
	if t.at == nil || now.Sub(t.tidied).Abs() >= touchEvery {
		recent := map[string]time.Time{}
		for id, at := range t.at {
			if now.Sub(at).Abs() < touchEvery {
				recent[id] = at
			}
		}
		t.at, t.tidied = recent, now
	}
	t.at[id] = now
	return true
}
