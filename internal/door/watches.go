package door

import (
	"sync"

	"github.com/backstay/backstay"
)

// maxWatches is how many streams one person may have at once, with all their pages, programs and tokens: each is a connection.
const maxWatches = 256

// Watches counts the streams that each person has. Its zero value has none. It may be used from any goroutine.
type Watches struct {
	mu sync.Mutex // guards of
	of map[string]int
}

// Begin refuses one more of who has too many; End has to follow.
func (w *Watches) Begin(person string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of == nil {
		w.of = map[string]int{}
	}
	if w.of[person] >= maxWatches {
		return backstay.Errorf(backstay.TooMany, "you watch %d runs already", w.of[person]).WithHint("Close pages or programs that watch runs.")
	}
	w.of[person]++
	return nil
}

// End gives back what Begin took.
func (w *Watches) End(person string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of[person]--; w.of[person] == 0 {
		delete(w.of, person)
	}
}
