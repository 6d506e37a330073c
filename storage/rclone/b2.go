package rclone

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"

	_ "github.com/rclone/rclone/backend/b2" // registers itself
	"github.com/rclone/rclone/backend/b2/api"
	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/lib/pacer"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// B2 is the kind of storage that is a bucket at Backblaze B2.
var B2 = provide(storage.Provider{
	Kind: "b2", Title: "Backblaze B2", Form: "b2:BUCKET:FOLDER", Parse: parseB2,
	Fields: []settings.Field{
		{Name: "bucket", Title: "Bucket", Required: true, Help: "The bucket that holds the repository. It is made where it is missing, if the key may do that."},
		{Name: "prefix", Title: "Folder in the bucket", Help: "Where in the bucket the repository lies; empty: at the top."},
		{Name: "account-id", Title: "Key ID", Required: true, Env: []string{"B2_ACCOUNT_ID", "B2_APPLICATION_KEY_ID"},
			Help: "The keyID of an application key, which isn't secret. Better none of the master key's."},
		{Name: "account-key", Title: "Key", Kind: settings.Secret, Required: true, Env: []string{"B2_ACCOUNT_KEY", "B2_APPLICATION_KEY"},
			Help: "The applicationKey, which B2 shows once, when the key is made."},
		authority,
	},
	Lacks: []storage.Lack{{Promise: "of several saves of one name one succeeds",
		Why: "B2 keeps each of them as a version: of two programs that save one name at the same moment both succeed, and the later one's file is seen"}},
}, b2)

var b2Bucket = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

// parseB2 understands what restic does: "bucket:folder" and "bucket".
func parseB2(rest string) (settings.Values, error) {
	bucket, prefix, _ := strings.Cut(rest, ":")
	if !b2Bucket.MatchString(bucket) {
		return nil, errors.New("want b2:BUCKET:FOLDER; a bucket's name is of letters, digits and hyphens")
	}
	return settings.Values{"bucket": bucket, "prefix": cleanFolder(prefix)}, nil
}

func b2(v settings.Values) (remote, error) {
	if !b2Bucket.MatchString(v["bucket"]) {
		return remote{}, errors.New("setting bucket: a bucket's name is of letters, digits and hyphens")
	}
	return remote{
		backend: "b2", root: v["bucket"] + "/" + cleanFolder(v["prefix"]), ca: v["ca-certificate"], status: b2Reply,
		create: true, alone: true, wrap: func(f fs.Fs, _ storage.Env) fs.Fs { return newPatient(b2Fs{f}) },
		options: map[string]string{
			"account": v["account-id"], "key": v["account-key"],
			"hard_delete":   "true",   // hidden files would be paid for until a rule of the bucket removes them
			"upload_cutoff": "4600Mi", // in one piece, of which nothing is kept in memory; B2 takes 5 GB
		},
	}, nil
}

// b2Reply reads what B2 answered, by the codes that its documentation lists for each call.
func b2Reply(err error) reply {
	answer := (*api.Error)(nil)
	if !errors.As(err, &answer) {
		return reply{}
	}
	after, _ := pacer.IsRetryAfter(err)
	r := reply{answer.Status, after}
	switch answer.Code {
	case "expired_auth_token", "bad_auth_token", "unknown": // unknown of HEAD, whose answer has no body
		if answer.Status == http.StatusUnauthorized && !strings.Contains(err.Error(), "failed to authenticate") {
			r.code = 0 // rclone has fetched another token by now, for the next try
		}
	case "cap_exceeded", "storage_cap_exceeded":
		r.code = http.StatusInsufficientStorage
	case "file_not_present", "no_such_file":
		r.code = http.StatusNotFound
	}
	return r
}

// b2Fs is rclone's backend, but that what it removes is gone: B2 shows the version before the removed one, if there is any.
type b2Fs struct{ fs.Fs }

func (f b2Fs) NewObject(ctx context.Context, name string) (fs.Object, error) {
	o, err := f.Fs.NewObject(ctx, name)
	if err != nil {
		return nil, err
	}
	return b2Object{o, f}, nil
}

type b2Object struct {
	fs.Object
	fs b2Fs
}

func (o b2Object) Remove(ctx context.Context) error {
	for version := o.Object; ; {
		err := version.Remove(ctx)
		if err != nil && b2Reply(err).code != http.StatusNotFound {
			return err
		}
		if version, err = o.fs.Fs.NewObject(ctx, o.Remote()); errors.Is(err, fs.ErrorObjectNotFound) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
