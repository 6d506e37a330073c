package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backstay/backstay/internal/app"
)

// How a run is watched. What it says is in the database, so that any process can tell, whichever works on it.
const (
	lookForNews  = time.Second
	heartbeat    = 15 * time.Second // without a word for longer, what is in between may cut the connection
	stillAllowed = 5 * time.Second  // then it is looked up whether they may watch it still
	maxWatch     = time.Hour        // then the client asks anew
	maxWrite     = 30 * time.Second // a client that takes nothing for so long is gone
)

func (a *API) registerEvents() {
	handle(a, operation{id: "watch-run", method: http.MethodGet, path: "/runs/{id}/events", summary: "Watch a run: server-sent events until it ends", tag: "runs",
		help: "An event line is a line of its log, whose number is the id; an event run is the run with its figures, each time they have changed; the last one is end. " +
			"Who comes again with Last-Event-ID gets what follows that line."},
		func(ctx context.Context, in *struct {
			ID    string `path:"id" maxLength:"64"`
			After int64  `header:"Last-Event-ID" minimum:"0" doc:"The number of the last line that is known"`
		}) (*huma.StreamResponse, error) {
			news, err := a.App.RunNews(ctx, actor(ctx), in.ID, in.After)
			if err != nil {
				return nil, err
			}
			return &huma.StreamResponse{Body: func(c huma.Context) {
				w, ok := c.BodyWriter().(http.ResponseWriter)
				if !ok {
					return // humago has none other
				}
				c.SetHeader("Content-Type", "text/event-stream")
				c.SetHeader("X-Accel-Buffering", "no") // proxies pass each event on at once
				a.watch(ctx, &stream{w: w, flush: http.NewResponseController(w), after: in.After}, in.ID, news)
			}}, nil
		})
}

// watch writes what is new of a run, until it ends, the client goes or the server stops.
func (a *API) watch(ctx context.Context, s *stream, id string, news app.RunNews) {
	clock := a.App.Clock
	begun, spoke, asked, who := clock.Now(), clock.Now(), clock.Now(), actor(ctx)
	for {
		now := clock.Now()
		_ = s.flush.SetWriteDeadline(now.Add(maxWrite)) // the server's connections all have one
		wrote, ended, err := s.send(news)
		if err == nil && !wrote && now.Sub(spoke) >= heartbeat {
			wrote, err = true, s.write(": still there\n\n")
		}
		if wrote {
			spoke = now
		}
		if err != nil || ended || now.Sub(begun) >= maxWatch {
			return
		}
		if !news.More && clock.Sleep(ctx, lookForNews) != nil {
			return
		}
		if now := clock.Now(); now.Sub(asked) >= stillAllowed {
			asked = now
			if who, err = a.App.Still(ctx, who); err != nil {
				return
			}
		}
		if news, err = a.App.RunNews(ctx, who, id, s.after); err != nil {
			return // the client comes again, and is told why not
		}
	}
}

// stream writes server-sent events.
type stream struct {
	w     http.ResponseWriter
	flush *http.ResponseController
	after int64  // the number of the last line that was sent
	run   []byte // as it was sent last
}

// send writes what is new. Ended says that there will be nothing more.
func (s *stream) send(news app.RunNews) (wrote, ended bool, err error) {
	var out bytes.Buffer
	for _, line := range news.Lines {
		text, err := json.Marshal(line)
		if err != nil {
			return false, false, err
		}
		fmt.Fprintf(&out, "id: %d\nevent: line\ndata: %s\n\n", line.Seq, text)
		s.after = line.Seq
	}
	run, err := json.Marshal(news.Run)
	if err != nil {
		return false, false, err
	}
	if !bytes.Equal(run, s.run) {
		fmt.Fprintf(&out, "event: run\ndata: %s\n\n", run)
		s.run = run
	}
	if ended = news.Run.State.Ended() && !news.More; ended {
		fmt.Fprintf(&out, "event: end\ndata: %s\n\n", run)
	}
	if out.Len() == 0 {
		return false, false, nil
	}
	return true, ended, s.write(out.String())
}

func (s *stream) write(text string) error {
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.flush.Flush()
}
