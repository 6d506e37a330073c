package webdav

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"github.com/backstay/backstay/storage"
)

// hints say what to check where another try is of no use.
var hints = map[int]string{
	http.StatusUnauthorized:                  "the credentials are wrong",
	http.StatusForbidden:                     "the credentials don't allow it",
	http.StatusMethodNotAllowed:              "the server doesn't allow it here: check the address",
	http.StatusRequestEntityTooLarge:         "the server doesn't take files as large as this",
	http.StatusInsufficientStorage:           "the storage is full",
	http.StatusMovedPermanently:              "the server has another address",
	http.StatusFound:                         "the server has another address",
	http.StatusTemporaryRedirect:             "the server has another address",
	http.StatusPermanentRedirect:             "the server has another address",
	http.StatusNetworkAuthenticationRequired: "the network wants a login",
}

// kinds are the sentinels that say more of such an answer.
var kinds = map[int]error{http.StatusUnauthorized: storage.ErrLogin, http.StatusInsufficientStorage: storage.ErrFull}

// fail is the error of an operation on a file, made to wrap the sentinel of storage that fits.
func fail(what, name string, err error) error {
	return fmt.Errorf("%s %q: %w", what, name, mark(what, err))
}

func mark(what string, err error) error {
	var answer *refusal
	var unknown *tls.CertificateVerificationError
	switch {
	case errors.As(err, &unknown):
		return storage.Mark(fmt.Errorf("%w (if the server's certificate is signed by an authority of your own, give that as ca-certificate)", err), storage.ErrUntrusted)
	case !errors.As(err, &answer):
		return err
	case answer.folder && what != "save":
		return storage.Mark(err, storage.ErrNotFound)
	case hints[answer.status] != "":
		return storage.Mark(fmt.Errorf("%w (%s)", err, hints[answer.status]), cmp.Or(kinds[answer.status], storage.ErrPermanent))
	case answer.after > 0:
		return &storage.BusyError{After: answer.after, Err: err}
	case answer.status == http.StatusNotFound && what == "save":
		return storage.Mark(err, storage.ErrPermanent) // the place for it is not there
	case answer.status == http.StatusNotFound:
		return storage.Mark(err, storage.ErrNotFound)
	}
	return err
}
