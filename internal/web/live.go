package web

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/door"
)

// A live part of a page is an element that asks for server-sent events, only where the frame says Live:
//
//	<div{{if .Live}} hx-sse:connect="/activity/ID/live" hx-sse:close="end" hx-swap="innerMorph"{{end}}>
//
// Each event is the part anew. The event "end" says that nothing more will come; a stream that breaks off without it is asked for again.
const (
	maxLive      = time.Hour        // then the page asks anew
	maxLiveWrite = 30 * time.Second // a browser that takes nothing for so long is gone
	liveQuiet    = 15 * time.Second // what is in between may cut a connection on which nothing was said for longer
	comeBack     = time.Second      // after which a page asks again when a stream has broken off
	comeLater    = 15 * time.Second // and when it was told that something went wrong
	eventsType   = "text/event-stream"
)

// errOver is returned with the last state of a live part: nothing about it will change any more.
var errOver = errors.New("nothing will change any more")

// live sends a part of a page at first and whenever it has changed. It looks for that every so often, as who the visitor is by then, and ends
// with what render is about, with the visitor's session and rights, when they go, or after an hour.
func (v *visit) live(every time.Duration, render func() ([]byte, error)) error {
	return v.liveStream(func(s *liveStream) error {
		for {
			part, err := render()
			over := errors.Is(err, errOver)
			if err != nil && !over {
				return err
			}
			if err := s.send("", part); err != nil || over {
				return err
			}
			if s.isOld() || v.App.Clock.Sleep(v.ctx, every) != nil {
				return errBroken
			}
			if err := s.stillThere(); err != nil {
				return err
			}
		}
	})
}

// errBroken ends a stream for now: the page asks for it again.
var errBroken = errors.New("the stream breaks off")

// liveStream sends server-sent events to a browser.
type liveStream struct {
	v     *visit
	out   *http.ResponseController
	begun time.Time
	wrote time.Time
	last  []byte // the part as it was sent last
}

// liveStream begins a stream, and says at its end whether the page is to ask for it again.
func (v *visit) liveStream(serve func(*liveStream) error) error {
	if err := v.Watches.Begin(v.who.User); err != nil {
		return err
	}
	defer v.Watches.End(v.who.User)
	s := v.newLiveStream()
	err := serve(s)
	if !errors.Is(err, errBroken) {
		s.end(err)
	}
	return nil
}

func (v *visit) newLiveStream() *liveStream {
	h := v.w.Header()
	h.Set("Content-Type", eventsType)
	h.Set(gzhttp.HeaderNoCompression, "1") // or short events wait for others; it does not go out
	h.Set("X-Accel-Buffering", "no")       // proxies pass each event on at once
	now := v.App.Clock.Now()
	return &liveStream{v: v, out: http.NewResponseController(v.w), begun: now}
}

// isOld reports whether the page is to ask anew, so that no stream lasts forever.
func (s *liveStream) isOld() bool { return s.v.App.Clock.Now().Sub(s.begun) >= maxLive }

// stillThere looks up who the visitor is by now, and breaks off if nobody.
func (s *liveStream) stillThere() (err error) {
	v := s.v
	if v.who, err = v.App.Still(v.ctx, v.who); err != nil {
		return err
	}
	return v.App.SignedIn(v.who)
}

// send sends a part if it is another than was sent last. With an id the browser says it when it comes again.
func (s *liveStream) send(id string, part []byte) error {
	now := s.v.App.Clock.Now()
	var out bytes.Buffer
	switch {
	case !bytes.Equal(part, s.last) || s.wrote.IsZero():
		if s.wrote.IsZero() {
			fmt.Fprintf(&out, "retry: %d\n", comeBack.Milliseconds())
		}
		if id != "" {
			fmt.Fprintf(&out, "id: %s\n", id)
		}
		for line := range bytes.Lines(part) {
			fmt.Fprintf(&out, "data: %s\n", bytes.TrimRight(line, "\r\n"))
		}
		out.WriteString("\n")
	case now.Sub(s.wrote) >= liveQuiet:
		out.WriteString(": still there\n\n")
	default:
		return nil
	}
	s.last, s.wrote = part, now
	return s.write(out.Bytes())
}

// end says that nothing more will come, or, where something went wrong that may pass, that the page is to come again later.
func (s *liveStream) end(err error) {
	if s.v.ctx.Err() != nil {
		return // nobody is there, or the server stops
	}
	text := "event: end\ndata:\n\n"
	if err != nil {
		e, status := door.Failure(err)
		if e.Kind == backstay.Failed || e.Kind == backstay.TooMany {
			text = fmt.Sprintf("event: later\nretry: %d\ndata:\n\n", comeLater.Milliseconds())
		}
		if status == http.StatusInternalServerError {
			s.v.Log.LogAttrs(s.v.ctx, slog.LevelError, "live part failed", slog.String("path", s.v.r.URL.Path), slog.Any("error", errors.Join(e, e.Err)))
		}
	}
	_ = s.write([]byte(text)) // who is gone needs no word
}

func (s *liveStream) write(text []byte) error {
	if err := s.out.SetWriteDeadline(s.v.App.Clock.Now().Add(maxLiveWrite)); err != nil { // the server's connections all have one
		return errBroken
	}
	if _, err := s.v.w.Write(text); err != nil {
		return errBroken
	}
	if err := s.out.Flush(); err != nil {
		return errBroken
	}
	return nil
}

// refuseLive answers a request for a live part that can't be answered: a page in its place would help nobody.
func (v *visit) refuseLive(err error) bool {
	if !strings.Contains(v.r.Header.Get("Accept"), eventsType) {
		return false
	}
	v.newLiveStream().end(err)
	return true
}
