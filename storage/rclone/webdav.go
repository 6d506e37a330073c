package rclone

import (
	"errors"
	"net/url"
	"strings"

	_ "github.com/rclone/rclone/backend/webdav" // registers itself
	"github.com/rclone/rclone/backend/webdav/api"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// WebDAV is the kind of storage that is a folder of a WebDAV server.
var WebDAV = provide(storage.Provider{
	Kind: "webdav", Title: "WebDAV server", Form: "webdav:https://HOST/PATH", Parse: parseWebDAV,
	Fields: []settings.Field{
		{Name: "url", Title: "Address", Help: "The address of the folder that holds the repository, as the server's help tells it. The folder is made where it is missing.", Required: true},
		{Name: "user", Title: "User", Help: "The name that you log in with."},
		{Name: "password", Title: "Password", Help: "The password of the user. Nextcloud and others make one for a single program: prefer that.", Kind: settings.Secret},
		{Name: "bearer-token", Title: "Token", Help: "A token to log in with, in the place of user and password.", Kind: settings.Secret},
		{Name: "vendor", Title: "Product", Help: "What the server runs. It decides which checksums are used.", Kind: settings.Choice,
			Choices: []string{"other", "nextcloud", "owncloud", "fastmail", "rclone"}, Default: "other"},
		{Name: "ca-certificate", Title: "Certificate authority", Help: "The certificate, in PEM, of the authority that signed the server's, if that is one of your own.", Kind: settings.Pages},
	},
	Lacks: []storage.Lack{{Promise: "of several saves of one name one succeeds",
		Why: "most WebDAV servers look before they rename: of two programs that save one name at the same moment both may succeed, and the later one's file stays"}},
}, webdav)

func parseWebDAV(rest string) (settings.Values, error) {
	u, err := url.Parse(rest)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("want webdav:https://HOST/PATH") // the error of url.Parse shows what it was given
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("a WebDAV address has no question mark and no number sign: write %3F and %23 where a folder's name has them")
	}
	v := settings.Values{}
	if u.User != nil {
		v["user"] = u.User.Username()
		v["password"], _ = u.User.Password()
		u.User = nil
	}
	v["url"] = u.String()
	return v, nil
}

func webdav(v settings.Values) (remote, error) {
	parsed, err := parseWebDAV(v["url"])
	if err != nil {
		return remote{}, err
	}
	if parsed["user"] != "" || parsed["password"] != "" {
		return remote{}, errors.New("setting url: give the user and the password as settings of their own")
	}
	if v["bearer-token"] != "" && (v["user"] != "" || v["password"] != "") {
		return remote{}, errors.New("a token takes the place of user and password: give one or the other")
	}
	u, err := url.Parse(v["url"])
	if err != nil {
		return remote{}, errors.New("setting url: not an address")
	}
	folder := strings.Trim(u.Path, "/") + "/" // the end tells rclone that it is no file
	u.Path, u.RawPath = "/", ""
	return remote{
		backend: "webdav", root: folder, ca: v["ca-certificate"], refuses: true, serial: true, alone: true, status: webdavReply,
		options: map[string]string{
			"url": u.String(), "user": v["user"], "pass": v["password"], "bearer_token": v["bearer-token"], "vendor": v["vendor"],
			"nextcloud_chunk_size": "0", // it stores whole files safely
			"pacer_min_sleep":      "0s",
		},
		headers: map[string]string{"Overwrite": "F"}, // rclone would replace
	}, nil
}

func webdavReply(err error) reply {
	if answer := (*api.Error)(nil); errors.As(err, &answer) {
		return reply{code: answer.StatusCode}
	}
	return reply{}
}
