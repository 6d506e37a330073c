package s3

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/encrypt"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// Provider is the kind of storage that is a bucket of S3.
var Provider = storage.Provider{Kind: "s3", Title: "Amazon S3 and compatible", Connections: 5, Form: "s3:SERVER/BUCKET/PREFIX", Parse: parse, Open: open, Own: own,
	Fields: []settings.Field{
		{Name: "endpoint", Title: "Server", Required: true,
			Help: "The address of the store, such as s3.amazonaws.com or https://s3.example.org:9000. Plain HTTP has to be asked for with http://."},
		{Name: "bucket", Title: "Bucket", Required: true, Help: "The bucket that holds the repository. It is created with a new repository where it is missing."},
		{Name: "prefix", Title: "Folder in the bucket", Help: "Where in the bucket the repository lies; empty: at the top."},
		{Name: "region", Title: "Region", Env: []string{"AWS_DEFAULT_REGION", "AWS_REGION"},
			Help: "The region of the bucket, such as eu-central-1; empty: the server is asked."},
		{Name: "bucket-lookup", Title: "Bucket in the address", Kind: settings.Choice, Choices: []string{"auto", "dns", "path"}, Default: "auto",
			Help: "Whether the bucket is a part of the server's name (dns) or comes after it (path); auto: dns for Amazon, path for others."},
		{Name: "access-key-id", Title: "Access key ID", Env: []string{"AWS_ACCESS_KEY_ID"}, Help: "The first half of the access key, which isn't secret."},
		{Name: "secret-access-key", Title: "Secret access key", Kind: settings.Secret, Env: []string{"AWS_SECRET_ACCESS_KEY"}, Help: "The secret half of the access key."},
		{Name: "session-token", Title: "Session token", Kind: settings.Secret, Env: []string{"AWS_SESSION_TOKEN"}, Help: "What comes with an access key that ends after some hours."},
		{Name: "credentials-file", Title: "Credentials file", Local: true, Home: []string{".aws/credentials"}, Env: []string{"AWS_SHARED_CREDENTIALS_FILE"},
			Help: "A file of the AWS tools to take the access key from where none is given here, such as /home/me/.aws/credentials."},
		{Name: "profile", Title: "Profile", Default: "default", Env: []string{"AWS_PROFILE"}, Help: "The section of the credentials file."},
		{Name: "anonymous", Title: "Without an access key", Kind: settings.Switch, Help: "Ask without a signature, for a bucket that is open to everybody."},
		{Name: "role-arn", Title: "Role to assume", Env: []string{"RESTIC_AWS_ASSUME_ROLE_ARN"}, Help: "The ARN of a role; the access key is used only to get this role's."},
		{Name: "role-session-name", Title: "Name of the role's session", Default: "backstay", Env: []string{"RESTIC_AWS_ASSUME_ROLE_SESSION_NAME"}, Help: "What the session is called in the logs of AWS."},
		{Name: "role-external-id", Title: "External ID of the role", Env: []string{"RESTIC_AWS_ASSUME_ROLE_EXTERNAL_ID"}, Help: "What the owner of the role may ask for beside its ARN."},
		{Name: "sts-endpoint", Title: "Server for roles", Env: []string{"RESTIC_AWS_ASSUME_ROLE_STS_ENDPOINT"}, Help: "The URL of the STS service; empty: Amazon's for the region."},
		{Name: "storage-class", Title: "Storage class", Help: "Such as STANDARD_IA; empty: the bucket's own. GLACIER and DEEP_ARCHIVE are used for the data only, and have to be restored before they can be read."},
		{Name: "encryption", Title: "Encryption by the server", Kind: settings.Choice, Choices: []string{"AES256", "aws:kms"},
			Help: "Ask the server to encrypt once more what is encrypted already; empty: the bucket's own way."},
		{Name: "kms-key-id", Title: "Key for encryption by the server", Help: "The ID or ARN of the KMS key; empty: the account's own for S3."},
		{Name: "object-lock", Title: "Object lock", Kind: settings.Choice, Choices: []string{"governance", "compliance"},
			Help: "Keep what is saved from being deleted: by those without a special right (governance), or by everybody (compliance). The bucket needs object lock."},
		{Name: "object-lock-days", Title: "Days of object lock", Kind: settings.Number, Help: "For how many days after it was saved a file is kept."},
		{Name: "ca-certificate", Title: "Certificate of the authority", Kind: settings.Pages, Help: "In PEM form: who is trusted to vouch for the server, instead of those that this machine trusts."},
	}}

// parse understands restic's forms: "host/bucket/prefix", "//host/bucket/prefix" and a URL of the scheme http or https. A URL may hold
// the access key.
func parse(rest string) (settings.Values, error) {
	if strings.HasPrefix(rest, "http://") || strings.HasPrefix(rest, "https://") {
		return parseURL(rest)
	}
	endpoint, location, _ := strings.Cut(strings.TrimPrefix(rest, "//"), "/")
	if strings.Contains(endpoint, "@") {
		return nil, errors.New("an access key can stand in a location that begins with https:// only")
	}
	return split(endpoint, location)
}

func parseURL(location string) (settings.Values, error) {
	u, err := url.Parse(location)
	if err != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return nil, errors.New("the location can't be read: want https://SERVER/BUCKET/PREFIX, special characters as %XX") // the cause repeats secrets
	}
	v, err := split(u.Scheme+"://"+u.Host, strings.TrimPrefix(u.Path, "/"))
	if err != nil || u.User == nil {
		return v, err
	}
	v["access-key-id"] = u.User.Username()
	if secret, given := u.User.Password(); given {
		v["secret-access-key"] = secret
	}
	return v, nil
}

// split takes the bucket from what follows the server.
func split(endpoint, location string) (settings.Values, error) {
	bucket, prefix, _ := strings.Cut(location, "/")
	if _, host, found := strings.Cut(endpoint, "://"); found && host == "" || endpoint == "" || bucket == "" {
		return nil, errors.New("want SERVER/BUCKET/PREFIX")
	}
	v := settings.Values{"endpoint": endpoint, "bucket": bucket}
	if prefix != "" {
		v["prefix"] = path.Clean(prefix)
	}
	return v, nil
}

func open(v settings.Values, env storage.Env) (storage.Backend, error) {
	b := &Backend{clock: env.Clock, bucket: v["bucket"], region: v["region"], class: v["storage-class"]}
	var err error
	if b.prefix, err = prefix(v["prefix"]); err != nil {
		return nil, err
	}
	if b.lock, err = lockOf(v); err != nil {
		return nil, err
	}
	if b.encryption, err = encryption(v); err != nil {
		return nil, err
	}
	transport, err := newTransport(env, v["ca-certificate"])
	if err != nil {
		return nil, err
	}
	if err := b.connect(v, transport); err != nil {
		return nil, err
	}
	return b, nil
}

// connect makes the client. It asks nobody.
func (b *Backend) connect(v settings.Values, transport *http.Transport) error {
	host, plain := strings.CutPrefix(v["endpoint"], "http://")
	host = strings.TrimSuffix(strings.TrimPrefix(host, "https://"), "/")
	keys, err := keysOf(v, transport)
	if err != nil {
		return err
	}
	client, err := minio.New(host, &minio.Options{
		Creds: keys, Secure: !plain, Transport: answers{transport}, Region: v["region"], MaxRetries: 1,
		BucketLookup: map[string]minio.BucketLookupType{"dns": minio.BucketLookupDNS, "path": minio.BucketLookupPath}[v["bucket-lookup"]],
	})
	if err != nil {
		return fmt.Errorf(`setting "endpoint": %w`, err)
	}
	if err := s3utils.CheckValidBucketName(b.bucket); err != nil {
		return fmt.Errorf(`setting "bucket": %w`, err)
	}
	b.core = minio.Core{Client: client}
	if s3utils.IsAmazonEndpoint(*client.EndpointURL()) {
		b.conditions.Store(keeps)
	}
	return nil
}

// prefix returns what keys begin with.
func prefix(folder string) (string, error) {
	if folder == "" || folder == "." {
		return "", nil
	}
	folder = strings.TrimSuffix(folder, "/")
	if storage.CheckName(folder) != nil {
		return "", errors.New(`setting "prefix": want names joined by single slashes, without "." and ".."`)
	}
	return folder + "/", nil
}

func encryption(v settings.Values) (encrypt.ServerSide, error) {
	switch v["encryption"] {
	case "AES256":
		return encrypt.NewSSE(), nil
	case "aws:kms":
		return encrypt.NewSSEKMS(v["kms-key-id"], nil)
	}
	if v["kms-key-id"] != "" {
		return nil, errors.New(`setting "kms-key-id" is for encryption "aws:kms" only`)
	}
	return nil, nil
}

// lock says how long what is saved is kept.
type lock struct {
	mode   minio.RetentionMode // "": it isn't
	period time.Duration
}

func lockOf(v settings.Values) (lock, error) {
	mode, days := minio.RetentionMode(strings.ToUpper(v["object-lock"])), v.Int("object-lock-days")
	if (mode == "") != (days == 0) {
		return lock{}, errors.New(`settings "object-lock" and "object-lock-days" need each other`)
	}
	if days > 36500 {
		return lock{}, errors.New(`setting "object-lock-days": 36500 days are the most`)
	}
	return lock{mode, time.Duration(days) * 24 * time.Hour}, nil
}
