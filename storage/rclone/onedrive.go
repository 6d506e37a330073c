package rclone

import (
	"context"
	"errors"
	"io"
	"net/http"

	_ "github.com/rclone/rclone/backend/onedrive" // registers itself
	"github.com/rclone/rclone/backend/onedrive/api"
	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/lib/pacer"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// OneDrive is the kind of storage that is a folder in a OneDrive or a library of SharePoint.
var OneDrive = provide(storage.Provider{
	Kind: "onedrive", Title: "Microsoft OneDrive and SharePoint", Form: "onedrive:FOLDER", Parse: parseFolder,
	Fields: append(append([]settings.Field{folder}, oauthFields("onedrive", " It ends after 90 days, and backups with it: give a new one by then.")...),
		settings.Field{Name: "drive-id", Title: "Drive ID", Required: true, Env: []string{"RCLONE_ONEDRIVE_DRIVE_ID"},
			Help: "Which drive: what rclone config shows as drive_id once it was led through onedrive."},
		settings.Field{Name: "tenant", Title: "Tenant ID", Env: []string{"RCLONE_ONEDRIVE_TENANT"},
			Help: "The ID of your organization at Microsoft, to log in as an application of its own with client ID and secret, without a token that ends."},
		authority),
}, onedrive)

func onedrive(v settings.Values) (remote, error) {
	if v["tenant"] != "" && (v["token"] != "" || v["client-id"] == "" || v["client-secret"] == "") {
		return remote{}, errors.New("setting tenant: it goes with a client ID and a client secret, and without a token")
	}
	r, err := oauth("onedrive", v, v["tenant"] != "")
	r.status, r.presigned, r.refuses = onedriveReply, true, true
	r.wrap = func(f fs.Fs, _ storage.Env) fs.Fs { return newPatient(onedriveFs{f}) }
	r.set(map[string]string{
		"drive_id": v["drive-id"],
		// Of other types rclone looks for a file beneath a folder that is called like the repository's own before it looks in that: with
		// a repository in a folder "data" it takes data/data/config for data/config.
		"drive_type": "personal",
	})
	if v["tenant"] != "" {
		r.set(map[string]string{"tenant": v["tenant"], "client_credentials": "true"})
	}
	return r, err
}

// onedriveReplies are codes of "Microsoft Graph error responses", with the statuses that they come with.
var onedriveReplies = map[string]int{
	"itemNotFound":               http.StatusNotFound,
	"InvalidAuthenticationToken": http.StatusUnauthorized,
	"unauthenticated":            http.StatusUnauthorized,
	"accessDenied":               http.StatusForbidden,
	"notAllowed":                 http.StatusForbidden,
	"quotaLimitReached":          http.StatusInsufficientStorage,
	"activityLimitReached":       http.StatusTooManyRequests,
}

func onedriveReply(err error) reply {
	if revoked(err) {
		return reply{code: http.StatusUnauthorized}
	}
	r := reply{}
	r.after, _ = pacer.IsRetryAfter(err)
	if answer := (*api.Error)(nil); errors.As(err, &answer) {
		r.code = onedriveReplies[answer.ErrorInfo.Code]
	}
	return r
}

// onedriveFs is rclone's backend, but that a rename says that its name is taken. Graph says the same of a folder that another program made
// at the same moment, which means nothing for the file.
type onedriveFs struct{ fs.Fs }

func (f onedriveFs) Put(ctx context.Context, in io.Reader, src fs.ObjectInfo, options ...fs.OpenOption) (fs.Object, error) {
	made, err := f.Fs.Put(ctx, in, src, options...)
	return made, again(err, onedriveReply)
}

func (f onedriveFs) Features() *fs.Features {
	features := *f.Fs.Features()
	move := features.Move
	features.Move = func(ctx context.Context, src fs.Object, name string) (fs.Object, error) {
		moved, err := move(ctx, src, name)
		if answer := (*api.Error)(nil); errors.As(err, &answer) && answer.ErrorInfo.Code == "nameAlreadyExists" {
			err = storage.Mark(err, storage.ErrExists)
		}
		return moved, err
	}
	return &features
}
