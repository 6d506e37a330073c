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

// How long a run is watched. What it tells, and when, is what app.RunFeed does.
const (
	maxWatch = time.Hour        // then the client asks anew
	maxWrite = 30 * time.Second // a client that takes nothing for so long is gone
)

func (a *API) registerEvents() {
	handle(a, operation{id: "watch-run", method: http.MethodGet, path: "/runs/{id}/events", summary: "Watch a run: server-sent events until it ends", tag: "runs",
		help: "An event line is a line of its log, whose number is the id; an event run is the run with its figures, each time they have changed; the last one is end. " +
			"Who comes again with Last-Event-ID gets what follows that line."},
		func(ctx context.Context, in *struct {
			ID    string `path:"id" maxLength:"64"`
			After int64  `header:"Last-Event-ID" minimum:"0" doc:"The number of the last line that is known"`
		}) (*huma.StreamResponse, error) {
			person := actor(ctx).User
			feed, err := a.App.WatchRun(ctx, actor(ctx), in.ID, in.After)
			if err != nil {
				return nil, err
			}
			if err := a.Watches.Begin(person); err != nil {
				feed.Close()
				return nil, err
			}
			return &huma.StreamResponse{Body: func(c huma.Context) {
				defer a.Watches.End(person)
				defer feed.Close()
				w, ok := c.BodyWriter().(http.ResponseWriter)
				if !ok {
					return // humago has none other
				}
				c.SetHeader("Content-Type", "text/event-stream")
				c.SetHeader("X-Accel-Buffering", "no") // proxies pass each event on at once
				a.watch(ctx, &stream{w: w, flush: http.NewResponseController(w), after: in.After}, feed)
			}}, nil
		})
}

// watch writes what is new of a run, until it ends, the client goes or the server stops. Where nothing is new for a while it says so: what is
// in between may cut a connection without a word.
func (a *API) watch(ctx context.Context, s *stream, feed *app.RunFeed) {
	clock := a.App.Clock
	for begun := clock.Now(); ; {
		news, is, err := feed.Next(ctx)
		if err != nil {
			return // the client comes again, and is told why not
		}
		now := clock.Now()
		_ = s.flush.SetWriteDeadline(now.Add(maxWrite)) // the server's connections all have one
		ended := false
		if is {
			_, ended, err = s.send(news)
		} else {
			err = s.write(": still there\n\n")
		}
		if err != nil || ended || now.Sub(begun) >= maxWatch {
			return
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
