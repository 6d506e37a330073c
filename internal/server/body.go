package server

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/backstay/backstay/clock"
)

// A body has to come at this pace, after a time for a beginning: who sends slower is cut off, so that a few slow clients can't hold all
// connections. Large uploads have as long as they need at that pace.
const (
	bodyGrace = 20 * time.Second
	bodyPace  = 16 << 10 // bytes a second
)

// pacedBody is a body with a deadline that moves on with what has come. Once all is there the deadline is taken away: it is not about how
// long the answer takes. Else it stays: the server reads on what a handler left.
type pacedBody struct {
	io.ReadCloser
	control  *http.ResponseController
	deadline time.Time
}

func (b *pacedBody) Read(p []byte) (int, error) {
	if err := b.set(b.deadline); err != nil {
		return 0, err
	}
	n, err := b.ReadCloser.Read(p)
	b.deadline = b.deadline.Add(time.Duration(n) * time.Second / bodyPace)
	if err == io.EOF { // as readers return it, never wrapped
		if err := b.set(time.Time{}); err != nil {
			return n, err
		}
	}
	return n, err
}

// set moves the deadline. What has no connection of its own, such as a recorded answer in tests, has none.
func (b *pacedBody) set(at time.Time) error {
	if err := b.control.SetReadDeadline(at); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// pace gives the body of a request its deadline.
func pace(w http.ResponseWriter, r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	b := &pacedBody{r.Body, http.NewResponseController(w), clock.System.Now().Add(bodyGrace)}
	_ = b.set(b.deadline) // a body that nobody reads has to come in time, too; an error comes again with the first Read
	r.Body = b
}
