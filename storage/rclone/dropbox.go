package rclone

import (
	"net/http"
	"strings"

	_ "github.com/rclone/rclone/backend/dropbox" // registers itself
	"github.com/rclone/rclone/lib/pacer"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// Dropbox is the kind of storage that is a folder in a Dropbox.
var Dropbox = provide(storage.Provider{
	Kind: "dropbox", Title: "Dropbox", Form: "dropbox:FOLDER", Parse: parseFolder,
	Fields: append(append([]settings.Field{folder}, oauthFields("dropbox", "")...), authority),
}, dropbox)

func dropbox(v settings.Values) (remote, error) {
	r, err := oauth("dropbox", v, false)
	r.status, r.refuses = dropboxReply, true
	r.set(map[string]string{
		"batch_mode":      "off",   // a Save returns when its own file is there
		"chunk_size":      "150Mi", // as much as goes in one piece, of which nothing is kept in memory
		"skip_exports":    "true",
		"pacer_min_sleep": "1ms", // Dropbox says by itself when it has had enough
	})
	return r, err
}

// dropboxReplies are the beginnings of the error summaries in Dropbox's documentation, with what they stand for.
var dropboxReplies = []struct {
	summary string
	code    int
}{
	{"to/conflict/file/", http.StatusPreconditionFailed},
	{"path/not_found/", http.StatusNotFound},
	{"path_lookup/not_found/", http.StatusNotFound},
	{"expired_access_token", http.StatusUnauthorized},
	{"invalid_access_token", http.StatusUnauthorized},
	{"missing_scope", http.StatusForbidden},
	{"no_write_permission", http.StatusForbidden},
	{"insufficient_space", http.StatusInsufficientStorage},
	{"insufficient_quota", http.StatusInsufficientStorage},
}

// dropboxReply reads what Dropbox answered. Its client has a type for the errors of each call, and the summary as the text of all.
func dropboxReply(err error) reply {
	if revoked(err) {
		return reply{code: http.StatusUnauthorized}
	}
	if after, busy := pacer.IsRetryAfter(err); busy {
		return reply{http.StatusTooManyRequests, after}
	}
	text := err.Error()
	for _, r := range dropboxReplies {
		if strings.Contains(text, r.summary) {
			return reply{code: r.code}
		}
	}
	return reply{}
}
