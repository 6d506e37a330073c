package browser

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
)

// watch sees all that happens in a tab.
type watch struct {
	server string // where everything has to come from

	mu      sync.Mutex
	wrong   []string
	pending map[network.RequestID]string // addresses that are on their way
	loading bool
	last    time.Time // when something happened
	bytes   int64     // came over the network since it was asked last
}

func newWatch(server string) *watch {
	return &watch{server: strings.TrimSuffix(server, "/"), pending: map[network.RequestID]string{}}
}

// event is called for each event of the tab, one after the other.
func (w *watch) event(ev any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := ev.(type) {
	case *runtime.EventExceptionThrown:
		w.add("a script failed: %s", describe(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			w.add("the console got an error: %s", arguments(e.Args))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork { // answers of the server are looked at below
			w.add("the browser logged: %s %s", e.Entry.Text, e.Entry.URL)
		}
	case *page.EventFrameStartedLoading:
		w.loading, w.last = true, time.Now()
	case *page.EventFrameStoppedLoading:
		w.loading, w.last = false, time.Now()
	default:
		w.traffic(ev)
	}
}

// traffic is what goes to and comes from the server.
func (w *watch) traffic(ev any) {
	switch e := ev.(type) {
	case *network.EventRequestWillBeSent:
		w.pending[e.RequestID], w.last = e.Request.URL, time.Now()
		if !w.own(e.Request.URL) {
			w.add("%s was asked for, which is elsewhere", e.Request.URL)
		}
	case *network.EventResponseReceived:
		w.last = time.Now()
		if e.Response.MimeType == "text/event-stream" {
			delete(w.pending, e.RequestID) // it stays open
		}
		if e.Type != network.ResourceTypeDocument && e.Response.Status >= 400 {
			w.add("%s was answered by %d", e.Response.URL, e.Response.Status)
		}
	case *network.EventLoadingFinished:
		w.bytes += int64(e.EncodedDataLength)
		w.done(e.RequestID)
	case *network.EventLoadingFailed:
		if e.BlockedReason != "" {
			w.add("%s was blocked: %s", w.pending[e.RequestID], e.BlockedReason)
		}
		w.done(e.RequestID)
	}
}

func (w *watch) done(id network.RequestID) {
	delete(w.pending, id)
	w.last = time.Now()
}

// own reports whether an address is one of the server's, or within the page.
func (w *watch) own(address string) bool {
	return address == w.server || strings.HasPrefix(address, w.server+"/") || strings.HasPrefix(address, "data:") ||
		strings.HasPrefix(address, "blob:"+w.server+"/")
}

func (w *watch) add(format string, args ...any) {
	if c := fmt.Sprintf(format, args...); !slices.Contains(w.wrong, c) {
		w.wrong = append(w.wrong, c)
	}
}

// complaints are what went wrong so far.
func (w *watch) complaints() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.wrong)
}

// stir notes that something was done, of which something may come.
func (w *watch) stir() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = time.Now()
}

// take returns how many bytes came since it was asked last.
func (w *watch) take() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.bytes
	w.bytes = 0
	return n
}

// still reports whether nothing was on its way for a while.
func (w *watch) still(quiet time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.loading && len(w.pending) == 0 && time.Since(w.last) >= quiet
}

// open says what is on its way.
func (w *watch) open() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, address := range w.pending {
		all = append(all, address)
	}
	return fmt.Sprintf("loading: %v, on their way: %q", w.loading, all)
}

// describe says what an exception is and where.
func describe(e *runtime.ExceptionDetails) string {
	text := e.Text
	if e.Exception != nil {
		text += " " + e.Exception.Description
	}
	return fmt.Sprintf("%s (%s:%d)", text, e.URL, e.LineNumber+1)
}

// arguments are what was written to the console.
func arguments(args []*runtime.RemoteObject) string {
	var all []string
	for _, a := range args {
		if a.Description != "" {
			all = append(all, a.Description)
		} else {
			all = append(all, string(a.Value))
		}
	}
	return strings.Join(all, " ")
}
