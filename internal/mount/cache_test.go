package mount

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backstay/backstay/engine/crypto"
)

// loader is a load function that counts, and takes some time.
type loader struct {
	mu    sync.Mutex
	count map[byte]int
	takes time.Duration
	err   error
}

func (l *loader) load(id crypto.ID) (byte, int, error) {
	time.Sleep(l.takes)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count[id[0]]++
	return id[0], 10, l.err
}

func newTestCache(limit int, takes time.Duration) (*cache[byte], *loader) {
	l := &loader{count: make(map[byte]int), takes: takes}
	return newCache(limit, 2, l.load), l
}

func mustGet(t *testing.T, c *cache[byte], id byte) {
	t.Helper()
	if v, err := c.get(t.Context(), crypto.ID{id}); v != id || err != nil {
		t.Fatalf("get(%d) = %d, %v", id, v, err)
	}
}

func TestWhatWasUsedLastIsKeptUpToTheLimit(t *testing.T) {
	c, l := newTestCache(30, 0)
	for _, id := range []byte{1, 2, 3, 1, 4, 1, 2} { // 4 takes the room of 2, and that again of 3
		mustGet(t, c, id)
	}
	c.wait()
	for id, want := range map[byte]int{1: 1, 2: 2, 3: 1, 4: 1} {
		if l.count[id] != want {
			t.Errorf("%d was loaded %d times, want %d", id, l.count[id], want)
		}
	}
	if c.used != 30 || len(c.slots) != 3 || c.order.Len() != 3 {
		t.Errorf("%d bytes in %d slots, %d in order, want 30 in 3", c.used, len(c.slots), c.order.Len())
	}
}

func TestAValueLargerThanTheLimitIsKeptUntilTheNext(t *testing.T) {
	c, l := newTestCache(5, 0)
	for _, id := range []byte{1, 1, 2, 1} {
		mustGet(t, c, id)
	}
	c.wait()
	if l.count[1] != 2 || l.count[2] != 1 || c.used != 10 {
		t.Errorf("loads %v, %d bytes, want 1 twice, 2 once and 10 bytes", l.count, c.used)
	}
}

func TestWhatSeveralAskForAtOnceIsLoadedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l := newTestCache(30, time.Second)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { mustGet(t, c, 1) })
		}
		all.Wait()
		c.wait()
		if l.count[1] != 1 {
			t.Errorf("it was loaded %d times", l.count[1])
		}
	})
}

func TestAnErrorIsNotKept(t *testing.T) {
	c, l := newTestCache(30, 0)
	l.err = errors.New("away")
	if _, err := c.get(t.Context(), crypto.ID{1}); !errors.Is(err, l.err) {
		t.Fatalf("get = %v, want the error of the load", err)
	}
	c.wait()
	l.err = nil
	mustGet(t, c, 1)
	c.wait()
}

func TestAnInterruptedReaderWaitsALittleAndNotForever(t *testing.T) {
	for takes, want := range map[time.Duration]error{patience / 2: nil, 2 * patience: context.Canceled} {
		synctest.Test(t, func(t *testing.T) {
			c, _ := newTestCache(30, takes)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := c.get(ctx, crypto.ID{1}); !errors.Is(err, want) {
				t.Errorf("get of what takes %v = %v, want %v", takes, err, want)
			}
			c.wait()
		})
	}
}
