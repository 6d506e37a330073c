package rclone

import (
	"encoding/json"
	"errors"
	"net/http"
	"path"
	"strings"

	"github.com/rclone/rclone/fs"
	"golang.org/x/oauth2"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// folder is the setting of services whose locations are a folder and nothing else.
var folder = settings.Field{Name: "path", Title: "Folder",
	Help: "The folder that holds the repository, from the top of the drive. It is made where it is missing."}

// parseFolder reads such a location.
func parseFolder(rest string) (settings.Values, error) {
	return settings.Values{"path": cleanFolder(rest)}, nil
}

// cleanFolder returns a path as rclone takes it: "" for the top. One above the top is the top.
func cleanFolder(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

// authority is the setting for a network in which somebody looks into what is sent to these services.
var authority = settings.Field{Name: "ca-certificate", Title: "Certificate authority", Kind: settings.Pages,
	Help: "The certificate, in PEM, of an authority to trust in the place of the system's. Needed only where a proxy opens all that is encrypted."}

// oauthFields are the settings of a service that its user lets programs into by a web page. What there is to say of its tokens comes
// after their help.
func oauthFields(backend, tokens string) []settings.Field {
	env := "RCLONE_" + strings.ToUpper(backend) + "_"
	return []settings.Field{
		{Name: "token", Title: "Token", Kind: settings.Secret, Env: []string{env + "TOKEN"},
			Help: `What the command rclone authorize "` + backend + `" prints, on any machine with a browser: one line that begins with a brace.` + tokens},
		{Name: "client-id", Title: "Client ID", Env: []string{env + "CLIENT_ID"},
			Help: "That of an application of your own at the service, which the token was made for. Empty: rclone's, which many people share."},
		{Name: "client-secret", Title: "Client secret", Kind: settings.Secret, Env: []string{env + "CLIENT_SECRET"}, Help: "What goes with the client ID."},
	}
}

// oauth is what is common to those services. What their user granted isn't asked for where there is another way in.
func oauth(backend string, v settings.Values, otherwise bool) (remote, error) {
	patience := func(f fs.Fs, _ storage.Env) fs.Fs { return newPatient(f) }
	r := remote{backend: backend, wrap: patience, root: cleanFolder(v["path"]), ca: v["ca-certificate"], options: map[string]string{
		"token": v["token"], "client_id": v["client-id"], "client_secret": v["client-secret"]}}
	if v["token"] == "" && otherwise {
		return r, nil
	}
	var token oauth2.Token
	if err := json.Unmarshal([]byte(v["token"]), &token); err != nil || token.AccessToken == "" && token.RefreshToken == "" {
		return remote{}, errors.New(`setting token: want the line of JSON that rclone authorize "` + backend + `" prints`)
	}
	for _, secret := range []string{token.AccessToken, token.RefreshToken} {
		if secret != "" {
			r.secrets = append(r.secrets, secret)
		}
	}
	return r, nil
}

// revoked tells whether the service said that what its user granted holds no more. rclone makes a text of that answer.
func revoked(err error) bool {
	if answer := (*oauth2.RetrieveError)(nil); errors.As(err, &answer) {
		return answer.Response.StatusCode < 500 && answer.Response.StatusCode != 429
	}
	text := err.Error()
	for _, sign := range []string{"couldn't fetch token: invalid_", "couldn't fetch token: unauthorized_client", "there's no refresh token"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// again is the error of an upload. "Not found" is about its session, which services forget now and then: the upload has to begin again.
func again(err error, status func(error) reply) error {
	if err != nil && status(err).code == http.StatusNotFound {
		return errors.New(err.Error())
	}
	return err
}
