package rclone

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"

	_ "github.com/rclone/rclone/backend/googlecloudstorage" // registers itself
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/googleapi"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// GS is the kind of storage that is a bucket of Google Cloud Storage.
var GS = provide(storage.Provider{
	Kind: "gs", Title: "Google Cloud Storage", Form: "gs:BUCKET:/PREFIX", Parse: parseBucket("bucket"), Own: gsOwn,
	Fields: []settings.Field{
		{Name: "bucket", Title: "Bucket", Help: "The name of the bucket. It has to be there already.", Required: true},
		{Name: "prefix", Title: "Folder", Help: "The folder in the bucket that holds the repository; the whole bucket if it is empty."},
		{Name: "credentials", Title: "Service account key", Help: "The key of a service account, as the JSON file that Google makes has it, or the path of that file.", Kind: settings.Pages, Env: []string{"GOOGLE_APPLICATION_CREDENTIALS"}},
		{Name: "access-token", Title: "Access token", Help: "A token in the place of a key. It is good for an hour at most.", Kind: settings.Secret, Env: []string{"GOOGLE_ACCESS_TOKEN"}},
		{Name: "endpoint", Title: "Endpoint", Help: "The address of the API, for emulators, such as http://127.0.0.1:4443/storage/v1/."},
		{Name: "ca-certificate", Title: "Certificate authority", Help: "The certificate, in PEM, of the authority that signed the server's, if that is one of your own.", Kind: settings.Pages},
	},
}, gs)

func gs(v settings.Values) (remote, error) {
	where, err := root(v, "bucket")
	if err != nil {
		return remote{}, err
	}
	source, secrets, err := gsSource(v)
	if err != nil {
		return remote{}, err
	}
	return remote{
		backend: "google cloud storage", root: where, create: true, refuses: true, status: gsReply, secrets: secrets,
		options: map[string]string{
			"access_token": "none", // has rclone use the client below, which puts the real one in
			"endpoint":     v["endpoint"], "no_check_bucket": "true",
			"bucket_policy_only": "true", // no file has rights of its own: new buckets refuse that
		},
		prepare: func(ctx context.Context, env storage.Env) (context.Context, error) {
			t, err := newTransport(env, v["ca-certificate"])
			if err != nil {
				return nil, err
			}
			tokens := source(context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: t, Timeout: patience}))
			return context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: &gsTransport{t, tokens}}), nil
		},
	}, nil
}

// gsSource returns what makes tokens, and what is secret in the settings beside their values.
func gsSource(v settings.Values) (source func(context.Context) oauth2.TokenSource, secrets []string, err error) {
	key := v["credentials"]
	switch {
	case key != "" && v["access-token"] != "":
		return nil, nil, errors.New("an access token takes the place of a service account's key: give one or the other")
	case key != "":
		if gsOwn(v) != "" {
			p, err := os.ReadFile(key)
			if err != nil {
				return nil, nil, errors.New("setting credentials: neither the key of a service account nor the path of a file with one that can be read")
			}
			key = string(p)
		}
		config, err := google.JWTConfigFromJSON([]byte(key), "https://www.googleapis.com/auth/devstorage.read_write")
		if err != nil {
			return nil, nil, errors.New(`setting credentials: not the key of a service account: want JSON with "type": "service_account"`)
		}
		return config.TokenSource, []string{string(config.PrivateKey)}, nil
	case v["access-token"] != "":
		token := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: v["access-token"]})
		return func(context.Context) oauth2.TokenSource { return token }, nil, nil
	}
	return nil, nil, errors.New("give the key of a service account as credentials, or an access token")
}

// gsOwn says that what is given as a key is the path of a file.
func gsOwn(v settings.Values) string {
	if key := v["credentials"]; key != "" && !strings.HasPrefix(strings.TrimSpace(key), "{") {
		return "credentials"
	}
	return ""
}

// gsTransport authorizes requests, and has those that make a file fail if there is one of that name, for which rclone can't ask.
type gsTransport struct {
	base   http.RoundTripper
	tokens oauth2.TokenSource
}

// RoundTrip implements http.RoundTripper. An answer that Google's library would ask for again by itself becomes an error.
func (t *gsTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	token, err := t.tokens.Token()
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	req = req.Clone(req.Context())
	token.SetAuthHeader(req)
	if query := req.URL.Query(); req.Method == http.MethodPost && query.Has("uploadType") {
		query.Set("ifGenerationMatch", "0")
		req.URL.RawQuery = query.Encode()
	}
	answer, err := t.base.RoundTrip(req)
	if err == nil && (answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests) {
		err = googleapi.CheckResponse(answer)
		_ = answer.Body.Close()
		return nil, err
	}
	return answer, err
}

func gsReply(err error) reply {
	if answer := (*googleapi.Error)(nil); errors.As(err, &answer) {
		return reply{code: answer.Code, after: retryAfter(answer.Header)}
	}
	if refused := (*oauth2.RetrieveError)(nil); errors.As(err, &refused) && refused.Response.StatusCode < 500 {
		return reply{code: http.StatusUnauthorized}
	}
	return reply{}
}
