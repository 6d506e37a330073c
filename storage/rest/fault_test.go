package rest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/retry"
	"github.com/backstay/backstay/test/servers"
)

// faulty starts a server with a proxy before it, and opens both: the sound way to the repository, and the one through the proxy.
func faulty(t *testing.T, next func(*http.Request) servers.Fault) (sound, b storage.Backend) {
	t.Helper()
	sound, s := made(t, servers.RESTOptions{})
	save(t, sound, "config", []byte("x"))
	return sound, at(t, "rest:http://"+servers.StartFaultProxy(t, s.Address, next).Address+"/", nil)
}

// packOf returns a name and a content of a pack.
func packOf(i int) (string, []byte) {
	return fmt.Sprintf("data/%02x/%02x%062x", i%256, i%256, i), bytes.Repeat([]byte{byte(i), byte(i >> 8), 7}, 50_000)
}

var everyFault = []servers.Fault{{Kind: servers.Refuse, Status: 500}, {Kind: servers.Refuse, Status: 503, RetryAfter: 1}, {Kind: servers.ResetRequest},
	{Kind: servers.ResetRequest, After: 1000}, {Kind: servers.ResetRequest, After: 1 << 30}, {Kind: servers.LostAnswer}, {Kind: servers.ResetAnswer},
	{Kind: servers.ResetAnswer, After: 30}, {Kind: servers.ShortAnswer}, {Kind: servers.ShortAnswer, After: 1 << 30}, {Kind: servers.CutAnswer, After: 30},
	{Kind: servers.CutAnswer, After: 1 << 30}, {Kind: servers.Drip}}

func TestAfterAnyFaultAFileIsAbsentOrWhole(t *testing.T) {
	var fault atomic.Pointer[servers.Fault]
	sound, b := faulty(t, func(r *http.Request) servers.Fault {
		if r.Method == http.MethodPost {
			return *fault.Load()
		}
		return servers.Fault{}
	})
	for i, f := range everyFault {
		fault.Store(&f)
		name, content := packOf(i)
		err := b.Save(t.Context(), name, storage.Bytes(content))
		got, loadErr := storage.LoadAll(t.Context(), sound, name)
		switch {
		case err == nil && (loadErr != nil || !bytes.Equal(got, content)):
			t.Errorf("%+v: Save = nil error, but the file holds %d bytes, %v", f, len(got), loadErr)
		case err != nil && !errors.Is(loadErr, storage.ErrNotFound) && !bytes.Equal(got, content):
			t.Errorf("%+v: Save = %v, and the file holds %d bytes of %d, %v", f, err, len(got), len(content), loadErr)
		case err != nil && (errors.Is(err, storage.ErrPermanent) || errors.Is(err, storage.ErrExists)):
			t.Errorf("%+v: Save = %v, want an error that passes", f, err)
		}
	}
}

func TestUnderAnyFaultNothingFalseIsRead(t *testing.T) {
	var fault atomic.Pointer[servers.Fault]
	sound, b := faulty(t, func(r *http.Request) servers.Fault {
		if r.Method == http.MethodGet {
			return *fault.Load()
		}
		return servers.Fault{}
	})
	const files = 40
	for i := range files {
		name, content := packOf(i)
		save(t, sound, name, content)
	}
	name, content := packOf(0)
	for _, f := range everyFault {
		fault.Store(&f)
		for _, offset := range []int{0, 100_000} {
			p := make([]byte, len(content)-offset)
			if err := b.Load(t.Context(), name, p, int64(offset)); err == nil && !bytes.Equal(p, content[offset:]) {
				t.Errorf("%+v: Load from %d gives other bytes", f, offset)
			} else if errors.Is(err, storage.ErrPermanent) || errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%+v: Load = %v, want an error that passes", f, err)
			}
		}
		got, err := list(t.Context(), b, "data")
		if err == nil && len(got) != files {
			t.Errorf("%+v: List = %d files of %d and no error", f, len(got), files)
		}
	}
}

// hasty is a clock whose sleeps are short.
type hasty struct{}

func (hasty) Now() time.Time { return time.Now() }

func (hasty) Sleep(ctx context.Context, d time.Duration) error {
	return clock.System.Sleep(ctx, d/1000)
}

func TestRepeatedCallsGetThroughAllWeather(t *testing.T) {
	sound, b := faulty(t, servers.Weather(1, 4))
	b = retry.New(b, retry.Options{Clock: hasty{}, Stall: -1})
	var wg sync.WaitGroup
	const files = 100
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < files; i += 4 {
				name, content := packOf(i)
				if err := b.Save(t.Context(), name, storage.Bytes(content)); err != nil {
					t.Errorf("Save: %v", err)
				}
				if got, err := storage.LoadAll(t.Context(), b, name); err != nil || !bytes.Equal(got, content) {
					t.Errorf("LoadAll = %d bytes, %v", len(got), err)
				}
			}
		})
	}
	wg.Wait()
	for what, b := range map[string]storage.Backend{"through the proxy": b, "at the server": sound} {
		if got, err := list(t.Context(), b, "data"); err != nil || len(got) != files {
			t.Errorf("List %s = %d files, %v, want %d", what, len(got), err, files)
		}
	}
	for i := range files {
		name, _ := packOf(i)
		if err := b.Remove(t.Context(), name); err != nil {
			t.Errorf("Remove: %v", err)
		}
	}
	if got, err := list(t.Context(), sound, "data"); err != nil || len(got) != 0 {
		t.Errorf("List at the server after all was removed = %d files, %v", len(got), err)
	}
}
