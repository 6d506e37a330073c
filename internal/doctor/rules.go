package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os/exec"
	"syscall"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/archiver"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repairer"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/restorer"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/guard"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/internal/secret"
	"github.com/backstay/backstay/retention"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// rule says which errors have the entry of a name: those that wrap each of the sentinels and are of the type, as far as they are given.
type rule struct {
	name string
	is   []error
	as   func(error) bool
}

func (r rule) fits(err error) bool {
	for _, sentinel := range r.is {
		if !errors.Is(err, sentinel) {
			return false
		}
	}
	return r.as == nil || r.as(err)
}

// rules are all rules, of which the first that fits counts: those that explain others come first.
func rules() []rule {
	var all []rule
	for _, part := range [][]rule{ofRepositories, ofRuns, ofSecrets, ofStorages, ofKinds, ofNetworks, ofMachines, ofRest} {
		all = append(all, part...)
	}
	return all
}

var ofRepositories = []rule{
	{name: "wrong-password", is: is(repo.ErrWrongPassword)},
	{name: "no-repository", is: is(repo.ErrNoRepository)},
	{name: "repository-exists", is: is(repo.ErrExists)},
	{name: "lock-lost", is: is(repo.ErrLockLost)},
	{name: "locked", is: is(repo.ErrLocked)},
	{name: "repository-newer", is: is(repo.ErrUnsupported)},
	{name: "ambiguous-id", is: is(repo.ErrAmbiguous)},
	{name: "memory-fault", is: is(pack.ErrSealMismatch)},
	{name: "foreign-snapshot", is: is(snapshot.ErrWrongKind)},
	{name: "snapshot-unreadable", is: is(repo.ErrDamaged), as: as[*snapshot.FileError]},
	{name: "index-damaged", is: is(index.ErrWrongKind)},
	{name: "index-damaged", is: is(index.ErrFormat)},
	{name: "index-first", is: is(repairer.ErrIndexFirst)},
	{name: "pack-damaged", is: is(pack.ErrHeader)},
	{name: "data-missing", is: is(repo.ErrUnknownBlob)},
	{name: "data-missing", is: is(pruner.ErrMissing)},
	{name: "damaged", is: is(repo.ErrDamaged)},
	{name: "damaged", is: is(crypto.ErrUnauthentic)},
	{name: "damaged", as: as[*tree.ProblemError]},
	{name: "snapshots-vanished", is: is(pruner.ErrNoSnapshots)},
	{name: "repository-changed", is: is(pruner.ErrChanged)},
	{name: "prune-forecast", is: is(pruner.ErrWithout)},
	{name: "no-object-lock", is: is(repo.ErrNoObjectLock)},
	{name: "program-mistake", is: is(repo.ErrNotLocked)},
	{name: "program-mistake", is: is(restorer.ErrForeign)},
}

var ofRuns = []rule{
	{name: "too-slow", is: is(archiver.ErrSlow)},
	{name: "nothing-kept", is: is(retention.ErrNothingKept)},
	{name: "snapshot-protected", is: is(runner.ErrProtected)},
	{name: "snapshots-unread", is: is(runner.ErrUnread)},
	{name: "restore-plan-changed", is: is(entry.ErrPlan)},
	{name: "invalid-setting", as: as[*settings.Error]},
}

var ofSecrets = []rule{
	{name: "master-key-missing", is: is(secret.ErrNoKey)},
	{name: "secret-newer", is: is(secret.ErrVersion)},
	{name: "secret-unreadable", is: is(secret.ErrUnauthentic)},
	{name: "key-file-exposed", is: is(secret.ErrExposed)},
}

var ofStorages = []rule{
	{name: "retained", is: is(storage.ErrRetained)},
	{name: "storage-full", is: is(storage.ErrFull)},
	{name: "login-refused", is: is(storage.ErrLogin)},
	{name: "certificate-refused", is: is(storage.ErrUntrusted)},
	{name: "host-key-refused", is: is(storage.ErrHostKey)},
	{name: "read-only", is: is(syscall.EROFS)},
	{name: "certificate-refused", as: isCertificate},
	{name: "not-tls", as: as[tls.RecordHeaderError]},
	{name: "not-tls", is: is(http.ErrSchemeMismatch)},
	{name: "storage-denied", is: is(storage.ErrPermanent, fs.ErrPermission)},
	{name: "storage-busy", as: as[*storage.BusyError]},
	{name: "file-short", is: is(storage.ErrShort)},
	{name: "upload-mismatch", is: is(storage.ErrMismatch)},
	{name: "file-exists", is: is(storage.ErrExists)},
	{name: "address-forbidden", is: is(guard.ErrForbidden)},
	{name: "disk-full", is: is(syscall.ENOSPC)}, // before what was lost by it
	{name: "disk-full", is: is(syscall.EDQUOT)},
	{name: "disk-error", is: is(syscall.EIO)},
	{name: "entry-lost", as: as[*entry.Error]},
	{name: "not-found", is: is(storage.ErrNotFound)},
}

// ofKinds are the kinds of backstay.Error. What wraps one of the sentinels above says more by that.
var ofKinds = []rule{
	{name: "sign-in-required", as: kind(backstay.SignIn)},
	{name: "not-allowed", as: kind(backstay.Denied)},
	{name: "second-factor-needed", as: kind(backstay.Unconfirmed)},
	{name: "too-many-requests", as: kind(backstay.TooMany)},
	{name: "invalid-field", as: namesField},
	{name: "invalid-request", as: kind(backstay.Invalid)},
	{name: "not-found", as: kind(backstay.NotFound)},
	{name: "no-repository", as: kind(backstay.NoRepository)},
	{name: "locked", as: kind(backstay.Locked)},
	{name: "wrong-password", as: kind(backstay.WrongPassword)},
	{name: "damaged", as: kind(backstay.Damaged)},
	{name: "partial", as: kind(backstay.Partial)},
	{name: "dropped", as: kind(backstay.Dropped)},
	{name: "cancelled", as: kind(backstay.Cancelled)},
	{name: "cancelled", is: is(context.Canceled)}, // before networks, whose calls end by it
}

// namesField reports whether an error is about one field of what was given.
func namesField(err error) bool {
	var e *backstay.Error
	return errors.As(err, &e) && e.Kind == backstay.Invalid && e.Field != ""
}

var ofNetworks = []rule{
	{name: "name-unknown", as: as[*net.DNSError]},
	{name: "connection-refused", is: is(syscall.ECONNREFUSED)},
	{name: "timeout", is: is(context.DeadlineExceeded)},
	{name: "timeout", as: isTimeout},
	{name: "network-unreachable", is: is(syscall.EHOSTUNREACH)},
	{name: "network-unreachable", is: is(syscall.ENETUNREACH)},
	{name: "connection-lost", is: is(syscall.ECONNRESET)},
	{name: "connection-lost", is: is(syscall.EPIPE)},
	{name: "connection-lost", is: is(net.ErrClosed)},
	{name: "storage-refused", is: is(storage.ErrPermanent)},
	{name: "prune-refused", as: as[*pruner.RefusedError]},
}

var ofMachines = []rule{
	{name: "program-missing", is: is(exec.ErrNotFound)},
	{name: "command-failed", as: as[*exec.ExitError]},
	{name: "too-many-files", is: is(syscall.EMFILE)},
	{name: "too-many-files", is: is(syscall.ENFILE)},
	{name: "not-a-folder", is: is(syscall.ENOTDIR)},
	{name: "permission-denied", is: is(fs.ErrPermission)},
	{name: "path-missing", is: is(fs.ErrNotExist)},
}

// ofRest is what says little: the cause, if it is known, says more.
var ofRest = []rule{{name: "conflict", as: kind(backstay.Conflict)}}

func is(sentinels ...error) []error { return sentinels }

// as reports whether an error is or wraps one of a type.
func as[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func kind(k backstay.Kind) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[*backstay.Error](err)
		return ok && e.Kind == k
	}
}

func isCertificate(err error) bool {
	return as[*tls.CertificateVerificationError](err) || as[x509.UnknownAuthorityError](err) || as[x509.HostnameError](err) || as[x509.CertificateInvalidError](err)
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}
