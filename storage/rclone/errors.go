package rclone

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rclone/rclone/fs"

	"github.com/backstay/backstay/storage"
)

// reply is what a store answered to a call that failed.
type reply struct {
	code  int           // of HTTP; 0: none
	after time.Duration // when to ask again, if it said so
}

// reply returns what the store answered, if the error tells.
func (b *Backend) reply(err error) reply {
	if b.remote.status == nil {
		return reply{}
	}
	return b.remote.status(err)
}

// gone tells whether an error says that a file isn't there.
func (b *Backend) gone(err error) bool {
	return errors.Is(err, fs.ErrorObjectNotFound) || b.reply(err).code == http.StatusNotFound
}

// fail is the error of an operation on a file, made to wrap the sentinel of storage that fits and to show no secret.
func (b *Backend) fail(what, name string, err error) error {
	return &failure{fmt.Sprintf("%s %q: %s", what, name, b.clean(err)), b.mark(what, err)}
}

// failure has a text of its own, as those of the errors below may hold secrets.
type failure struct {
	text string
	err  error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.err }

// hints say what to check.
var hints = map[int]string{
	http.StatusUnauthorized:                  "the credentials are wrong",
	http.StatusForbidden:                     "the credentials don't allow it",
	http.StatusMethodNotAllowed:              "the server doesn't allow it here: check the address",
	http.StatusRequestEntityTooLarge:         "the server doesn't take files as large as this",
	http.StatusInsufficientStorage:           "the storage is full",
	http.StatusMovedPermanently:              "the server has another address",
	http.StatusPermanentRedirect:             "the server has another address",
	http.StatusNetworkAuthenticationRequired: "the network wants a login",
}

func (b *Backend) mark(what string, err error) error {
	r := b.reply(err)
	switch unknown := (*tls.CertificateVerificationError)(nil); {
	case errors.As(err, &unknown):
		return storage.Mark(err, storage.ErrUntrusted)
	case r.code == http.StatusUnauthorized:
		return storage.Mark(err, storage.ErrLogin)
	case r.code == http.StatusInsufficientStorage:
		return storage.Mark(err, storage.ErrFull)
	case hints[r.code] != "":
		return storage.Mark(err, storage.ErrPermanent)
	case errors.Is(err, storage.ErrPermanent): // a name that can't be one, for example
		return err
	case what == "save" && (r.code == http.StatusPreconditionFailed || r.code == http.StatusConflict && b.remote.create):
		return storage.Mark(err, storage.ErrExists)
	case what == "save" && b.gone(err):
		return storage.Mark(err, storage.ErrPermanent) // the place for it is not there
	case errors.Is(err, fs.ErrorDirNotFound), errors.Is(err, fs.ErrorIsDir), b.gone(err):
		return storage.Mark(err, storage.ErrNotFound)
	case r.after > 0:
		return &storage.BusyError{After: r.after, Err: err}
	}
	return err
}

// longestText bounds the text of an error: some servers answer with a page of HTML.
const longestText = 400

// queries are the parts of addresses after the question mark, which may hold a signature.
var queries = regexp.MustCompile(`\?[^\s"']+`)

// paths are the parts of addresses after the host, which of some services let in everybody who knows them.
var paths = regexp.MustCompile(`(https://[^/\s"']+)/[^\s"']*`)

// retryAfter is after how many seconds a server wants to be asked again; 0: it doesn't say.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// clean returns the text of an error without secrets, on one line.
func (b *Backend) clean(err error) string {
	text := err.Error()
	for _, secret := range b.remote.secrets {
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			text = strings.ReplaceAll(text, form, "***")
		}
	}
	if b.remote.presigned {
		text = paths.ReplaceAllString(text, "$1/…")
	}
	text = strings.Join(strings.Fields(queries.ReplaceAllString(text, "?…")), " ")
	if len(text) > longestText {
		text = text[:longestText] + "…"
	}
	if hint := hints[b.reply(err).code]; hint != "" {
		text += " (" + hint + ")"
	}
	if unknown := (*tls.CertificateVerificationError)(nil); errors.As(err, &unknown) {
		text += " (if the server's certificate is signed by an authority of your own, give that as ca-certificate)"
	}
	return text
}
