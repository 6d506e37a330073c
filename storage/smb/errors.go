package smb

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cloudsoda/go-smb2"

	"github.com/backstay/backstay/storage"
)

// Statuses of MS-ERREF. The client makes fs.ErrNotExist, fs.ErrExist and fs.ErrPermission of some others.
const (
	wrongRequest    = 0xC0000010 // of a folder that is read as a file
	sharedOtherwise = 0xC0000043 // somebody else has it open
	deletePending   = 0xC0000056 // it goes when the last one has closed it
	isFolder        = 0xC00000BA
	noFolder        = 0xC0000103
	noSpace         = 0xC000007F
	noQuota         = 0xC0000044
	writeProtected  = 0xC00000A2
	noShare         = 0xC00000CC
)

// hints say what to check where another try is of no use.
var hints = map[uint32]string{
	0xC000006D:     "the credentials are wrong",
	0xC000006E:     "the account is restricted: check the credentials",
	0xC0000070:     "the account may not log in from this machine: check the credentials",
	0xC0000071:     "the password has expired: check the credentials",
	0xC0000072:     "the account is disabled: check the credentials",
	0xC0000193:     "the account has expired: check the credentials",
	0xC0000224:     "the password has to be changed first: check the credentials",
	0xC0000234:     "the account is locked out: check the credentials",
	noSpace:        "the disk of the server is full",
	noQuota:        "the quota of the user is used up",
	writeProtected: "the disk of the server is write-protected",
	noShare:        "the server has no share of that name",
}

// kind is the sentinel that says most of an answer with a hint.
func kind(code uint32) error {
	switch code {
	case noSpace, noQuota:
		return storage.ErrFull
	case writeProtected, noShare:
		return storage.ErrPermanent
	}
	return storage.ErrLogin
}

// status is what the server answered; 0 if the error isn't an answer.
func status(err error) uint32 {
	if answer := (*smb2.ResponseError)(nil); errors.As(err, &answer) {
		return answer.Code
	}
	return 0
}

// settled tells that an error is an answer after which the connection is of use as before.
func settled(err error) bool {
	for _, known := range []error{fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, storage.ErrNotFound, storage.ErrExists, storage.ErrShort, storage.ErrMismatch} {
		if errors.Is(err, known) {
			return true
		}
	}
	return held(err)
}

// held tells that somebody has the file open.
func held(err error) bool { return status(err) == sharedOtherwise }

// fail is the error of an operation on a file, made to wrap the sentinel of storage that fits.
func fail(what, name string, err error) error {
	return fmt.Errorf("%s %q: %w", what, name, mark(what, err))
}

func mark(what string, err error) error {
	code := status(err)
	switch {
	case errors.Is(err, storage.ErrNotFound), errors.Is(err, storage.ErrExists), errors.Is(err, storage.ErrPermanent):
		return err
	case hints[code] != "":
		return storage.Mark(fmt.Errorf("%w (%s)", err, hints[code]), kind(code))
	case errors.Is(err, fs.ErrPermission):
		return storage.Mark(fmt.Errorf("%w (the rights of the user don't allow it)", err), storage.ErrPermanent)
	case what == "save":
		if errors.Is(err, fs.ErrNotExist) {
			return storage.Mark(err, storage.ErrPermanent) // the place for it is not there
		}
		return err
	case errors.Is(err, fs.ErrNotExist), code == isFolder, code == noFolder, code == wrongRequest, code == deletePending:
		return storage.Mark(err, storage.ErrNotFound)
	}
	return err
}
