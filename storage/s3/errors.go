package s3

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/backstay/backstay/storage"
)

// hints say what to do about errors that a second try doesn't mend, by the server's code.
var hints = map[string]string{
	"NoSuchBucket":                 "the bucket doesn't exist: check its name and the server, or create it",
	"InvalidBucketName":            "this can't be the name of a bucket",
	"BucketAlreadyExists":          "the bucket belongs to somebody else: choose another name",
	"AccessDenied":                 "the server refuses: check the rights of the access key, and the bucket's policy",
	"AllAccessDisabled":            "the server refuses: check the rights of the access key, and the bucket's policy",
	"AccountProblem":               "the server refuses: there is a problem with the account",
	"InvalidAccessKeyId":           "the server doesn't know the access key: check it",
	"XAdminUserNotFound":           "the server doesn't know the access key: check it",
	"SignatureDoesNotMatch":        "the server refuses the signature: check the secret access key",
	"InvalidToken":                 "the server refuses the session token: check it",
	"InvalidTokenId":               "the server refuses the session token: check it",
	"RequestTimeTooSkewed":         "the clocks of this machine and of the server differ: set this machine's",
	"AuthorizationHeaderMalformed": "the server refuses the signature: check the region",
	"InvalidRegion":                "check the region",
	"PermanentRedirect":            "the bucket is on another server: check the server and the region",
	"TemporaryRedirect":            "the bucket is on another server: check the server and the region",
	"InvalidStorageClass":          "the server doesn't know the storage class: check it",
	"InvalidRequest":               "the server doesn't take the request: check the settings of encryption and object lock",
	"InvalidArgument":              "the server doesn't take the request: check the settings of encryption, storage class and object lock",
	"KMS.NotFoundException":        "check the key for encryption",
	"KMS.DisabledException":        "check the key for encryption",
	"InvalidObjectState":           "the object is archived: restore it from there first",
	"QuotaExceeded":                "the store is full",
	"XMinioStorageFull":            "the store is full",
	"StorageFull":                  "the store is full",
	"EntityTooLarge":               "the server doesn't take objects of this size",
	"KeyTooLongError":              "the name is too long for the server",
	"MethodNotAllowed":             "the server doesn't allow this",
	"NotImplemented":               "the server can't do this",
}

// kinds are the sentinels that say more of an error than that it is permanent.
var kinds = map[string]error{
	"InvalidAccessKeyId": storage.ErrLogin, "XAdminUserNotFound": storage.ErrLogin, "SignatureDoesNotMatch": storage.ErrLogin,
	"InvalidToken": storage.ErrLogin, "InvalidTokenId": storage.ErrLogin,
	"QuotaExceeded": storage.ErrFull, "XMinioStorageFull": storage.ErrFull, "StorageFull": storage.ErrFull,
}

// code is the server's word for an error; "" if no server said it.
func code(err error) string {
	var answer minio.ErrorResponse
	errors.As(err, &answer)
	return answer.Code
}

// explain makes an error of the client one of this project: with a hint where there is one, and wrapping the sentinel that fits. What
// may pass stays as it is.
func (b *Backend) explain(err error) error {
	if sent := (*url.Error)(nil); errors.As(err, &sent) { // its text repeats the whole address
		return unsent(sent.Err)
	}
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return err
	}
	switch answer.Code {
	case "NoSuchKey", "NoSuchVersion":
		return storage.Mark(err, storage.ErrNotFound)
	case "NoSuchBucket":
		err = storage.Mark(err, storage.ErrNotFound)
	}
	if hint := hints[answer.Code]; hint != "" {
		return storage.Mark(fmt.Errorf("bucket %q: %s: %w", b.bucket, hint, err), cmp.Or(kinds[answer.Code], storage.ErrPermanent))
	}
	switch answer.StatusCode {
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusPermanentRedirect: // to HEAD, without a code
		err = storage.Mark(fmt.Errorf("%s: %w", hints["PermanentRedirect"], err), storage.ErrPermanent)
	case http.StatusInsufficientStorage:
		err = storage.Mark(err, storage.ErrFull)
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		if answer.Code != "ExpiredToken" {
			err = storage.Mark(err, storage.ErrPermanent)
		}
	}
	return err
}

// unsent is the error of a request that got no answer.
func unsent(err error) error {
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return storage.Mark(fmt.Errorf("the server's certificate isn't trusted: check the server's name, or give the certificate of its authority: %w", err), storage.ErrUntrusted)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return storage.Mark(fmt.Errorf("the server doesn't speak TLS: write http:// before its name if that is right: %w", err), storage.ErrPermanent)
	}
	return err
}

// bare takes the address off the error of a request, which is repeated in its text.
func bare(err error) error {
	if sent := (*url.Error)(nil); errors.As(err, &sent) {
		return sent.Err
	}
	return err
}
