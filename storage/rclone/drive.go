package rclone

import (
	"errors"
	"net/http"

	_ "github.com/rclone/rclone/backend/drive" // registers itself
	"github.com/rclone/rclone/fs"
	"google.golang.org/api/googleapi"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// Drive is the kind of storage that is a folder in Google Drive.
var Drive = provide(storage.Provider{
	Kind: "drive", Title: "Google Drive", Form: "drive:FOLDER", Parse: parseFolder,
	Fields: append(append([]settings.Field{folder}, oauthFields("drive", "")...),
		settings.Field{Name: "service-account", Title: "Service account", Kind: settings.Pages, Env: []string{"RCLONE_DRIVE_SERVICE_ACCOUNT_CREDENTIALS"},
			Help: "The JSON key of a service account, in the place of a token: the whole file that the Google Cloud console gave you."},
		settings.Field{Name: "shared-drive", Title: "Shared drive", Env: []string{"RCLONE_DRIVE_TEAM_DRIVE"},
			Help: "The ID of a shared drive, which is the last part of its address in a browser; empty: your own drive."},
		authority),
}, drive)

func drive(v settings.Values) (remote, error) {
	if v["token"] != "" && v["service-account"] != "" {
		return remote{}, errors.New("a service account takes the place of a token: give one or the other")
	}
	r, err := oauth("drive", v, v["service-account"] != "")
	r.status, r.alone = driveReply, true
	r.wrap = func(f fs.Fs, env storage.Env) fs.Fs {
		return newPatient(newDriveFs(f, r.root, v["shared-drive"], env.Clock.Now))
	}
	r.set(map[string]string{
		"service_account_credentials": v["service-account"], "team_drive": v["shared-drive"],
		"pacer_min_sleep":   "5ms", // "12,000 queries per 60 seconds" is what Google allows a user
		"upload_cutoff":     "4Mi", // Google wants files above 5 MB in a session
		"skip_gdocs":        "true",
		"skip_shortcuts":    "true",
		"acknowledge_abuse": "true", // encrypted data may look like anything to a virus scanner
	})
	return r, err
}

// driveReply reads what Drive answered ("Resolve errors"): 403 may mean any of several things.
func driveReply(err error) reply {
	if revoked(err) {
		return reply{code: http.StatusUnauthorized}
	}
	answer := (*googleapi.Error)(nil)
	if !errors.As(err, &answer) {
		return reply{}
	}
	r := reply{code: answer.Code}
	for _, e := range answer.Errors {
		switch e.Reason {
		case "rateLimitExceeded", "userRateLimitExceeded", "sharingRateLimitExceeded":
			r.code = http.StatusTooManyRequests
		case "storageQuotaExceeded", "quotaExceeded", "teamDriveFileLimitExceeded":
			r.code = http.StatusInsufficientStorage
		}
	}
	return r
}
