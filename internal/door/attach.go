package door

import (
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/app"
)

// stalled is how long a client may take nothing of what is sent to it. It holds a lock on the repository.
const stalled = 2 * time.Minute

// Attach answers with a download. Begun says of an error that a part was sent already: then the connection has to be broken off, so that nobody
// takes a part for the whole.
func Attach(w http.ResponseWriter, c clock.Clock, contentType string, send func(app.Begin) error) (begun bool, err error) {
	control := http.NewResponseController(w)
	err = send(func(f app.Attachment) io.Writer {
		begun = true
		attachment(w.Header(), contentType, f)
		return &patient{w: w, control: control, clock: c}
	})
	if err == nil {
		err = control.SetWriteDeadline(time.Time{}) // the connection is used again
	}
	return begun, err
}

// attachment sets the headers of a download. What is in it was made by anybody: no browser shows it, guesses what it is, or runs it.
func attachment(h http.Header, contentType string, f app.Attachment) {
	Guard(h, contentType)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": safeName(f.Name)}))
	if f.Size >= 0 {
		h.Set("Content-Length", strconv.FormatInt(f.Size, 10))
	}
}

// Guard sets the headers under which a browser takes what anybody may have made for what we say that it is, and runs nothing of it.
func Guard(h http.Header, contentType string) {
	h.Set("Content-Type", contentType)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
}

// safeName is a name that every system can save a file by, and that looks like what it is.
func safeName(name string) string {
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar || strings.ContainsRune(`/\:*?"<>|%`, r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
	if len(name) > 200 {
		name = strings.ToValidUTF8(name[len(name)-200:], "") // the end tells what sort of file it is
	}
	if name = strings.Trim(name, " ."); name == "" {
		return "file"
	}
	return name
}

// patient waits for a client as long as it takes something from time to time.
type patient struct {
	w       http.ResponseWriter
	control *http.ResponseController
	clock   clock.Clock
}

func (p *patient) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(p.clock.Now().Add(stalled)); err != nil {
		return 0, err
	}
	return p.w.Write(b)
}
