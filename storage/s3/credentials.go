package s3

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// metadataTimeout bounds a question to the service that gives keys to machines and containers: it is next to them, or nowhere.
const metadataTimeout = 5 * time.Second

// keysOf returns where the access key comes from: the settings, else the credentials file, else the service that a machine or a
// container in the cloud has beside it. With a role, that key only gets another one.
func keysOf(v settings.Values, transport http.RoundTripper) (*credentials.Credentials, error) {
	if v.Bool("anonymous") {
		return credentials.NewStatic("", "", "", credentials.SignatureAnonymous), nil
	}
	if (v["access-key-id"] == "") != (v["secret-access-key"] == "") {
		return nil, errors.New(`settings "access-key-id" and "secret-access-key" need each other`)
	}
	p := &keys{Provider: base(v, transport)}
	if arn := v["role-arn"]; arn != "" {
		p.Provider = newRole(v, p.Provider, transport)
	}
	return credentials.New(p), nil
}

// own says that without a key here the machine's own is used.
func own(v settings.Values) string {
	if v["access-key-id"] == "" && !v.Bool("anonymous") {
		return "access-key-id"
	}
	return ""
}

func base(v settings.Values, transport http.RoundTripper) credentials.Provider {
	if v["access-key-id"] != "" {
		return &credentials.Static{Value: credentials.Value{AccessKeyID: v["access-key-id"], SecretAccessKey: v["secret-access-key"],
			SessionToken: v["session-token"], SignerType: credentials.SignatureV4}}
	}
	if v["credentials-file"] != "" {
		return &credentials.FileAWSCredentials{Filename: v["credentials-file"], Profile: cmp.Or(v["profile"], "default")}
	}
	return &credentials.IAM{Client: &http.Client{Transport: transport, Timeout: metadataTimeout}}
}

// keys says more about keys that can't be had. As long as there never were any, that is for good.
type keys struct {
	credentials.Provider
	had atomic.Bool
}

func (k *keys) RetrieveWithCredContext(c *credentials.CredContext) (credentials.Value, error) {
	value, err := k.Provider.RetrieveWithCredContext(c)
	if err == nil && value.AccessKeyID == "" {
		err = errors.New("it is empty")
	}
	if err == nil {
		k.had.Store(true)
		return value, nil
	}
	err = fmt.Errorf("get an access key: %w", bare(err))
	if !k.had.Load() {
		err = storage.Mark(err, storage.ErrPermanent)
	}
	return credentials.Value{}, err
}

// role gets keys for a role with the keys of base.
type role struct {
	credentials.STSAssumeRole
	base credentials.Provider
}

func newRole(v settings.Values, base credentials.Provider, transport http.RoundTripper) *role {
	region := cmp.Or(v["region"], "us-east-1")
	r := &role{base: base}
	r.Client = &http.Client{Transport: transport, Timeout: time.Minute}
	r.STSEndpoint = cmp.Or(v["sts-endpoint"], "https://sts."+region+".amazonaws.com")
	r.Options = credentials.STSAssumeRoleOptions{RoleARN: v["role-arn"], RoleSessionName: v["role-session-name"],
		ExternalID: v["role-external-id"], Location: region}
	return r
}

// RetrieveWithCredContext implements credentials.Provider. It is never called twice at a time.
func (r *role) RetrieveWithCredContext(c *credentials.CredContext) (credentials.Value, error) {
	own, err := r.base.RetrieveWithCredContext(c)
	if err != nil {
		return credentials.Value{}, err
	}
	r.Options.AccessKey, r.Options.SecretKey, r.Options.SessionToken = own.AccessKeyID, own.SecretAccessKey, own.SessionToken
	value, err := r.STSAssumeRole.RetrieveWithCredContext(c)
	if err != nil {
		return credentials.Value{}, fmt.Errorf("assume role %q: %w", r.Options.RoleARN, err)
	}
	return value, nil
}
