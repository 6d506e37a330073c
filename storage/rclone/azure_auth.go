package rclone

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// azureAuthorize makes what authorizes requests. It may use the client.
type azureAuthorize func(env storage.Env, client *http.Client) (func(*http.Request) error, error)

// azureAuthorizer returns how requests are authorized by these settings, and what is secret in them beside their values.
func azureAuthorizer(v settings.Values) (authorize azureAuthorize, secrets []string, err error) {
	switch {
	case v["account-key"] != "" && v["sas"] != "":
		return nil, nil, errors.New("a shared access signature takes the place of the access key: give one or the other")
	case v["account-key"] != "":
		if _, err := base64.StdEncoding.DecodeString(v["account-key"]); err != nil {
			return nil, nil, errors.New("setting account-key: it is not one: an access key is in base64, with == at its end")
		}
		return azureKey(v["account"], v["account-key"]), nil, nil
	case v["sas"] != "":
		token := strings.TrimPrefix(v["sas"], "?")
		query, err := url.ParseQuery(token)
		if err != nil || query.Get("sig") == "" {
			return nil, nil, errors.New("setting sas: it is not one: a shared access signature looks like sv=...&sig=... with more between")
		}
		return func(storage.Env, *http.Client) (func(*http.Request) error, error) {
			return func(req *http.Request) error { addQuery(req, token); return nil }, nil
		}, []string{query.Get("sig")}, nil
	}
	return azureIdentity(v["managed-identity"]), nil, nil
}

// azureOwn says that without a key or signature the identity of this machine is used.
func azureOwn(v settings.Values) string {
	if v["account-key"] == "" && v["sas"] == "" {
		return "account-key"
	}
	return ""
}

func addQuery(req *http.Request, query string) {
	u := *req.URL // a second try has the same
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += query
	req.URL = &u
}

// A signature made of the key is good for an hour, and a while ago, since clocks differ.
const (
	sasValidity = time.Hour
	sasSkew     = 15 * time.Minute
)

// azureKey authorizes by a signature for this account that is made of the key, one for each request.
func azureKey(account, key string) azureAuthorize {
	return func(env storage.Env, _ *http.Client) (func(*http.Request) error, error) {
		credential, err := service.NewSharedKeyCredential(account, key)
		if err != nil {
			return nil, errors.New("setting account-key: it is not one")
		}
		return func(req *http.Request) error {
			token, err := azureSAS(env.Clock, credential)
			if err != nil {
				return err
			}
			addQuery(req, token)
			return nil
		}, nil
	}
}

func azureSAS(c clock.Clock, credential *service.SharedKeyCredential) (string, error) {
	now := c.Now().UTC()
	query, err := sas.AccountSignatureValues{
		Protocol: sas.ProtocolHTTPSandHTTP, StartTime: now.Add(-sasSkew), ExpiryTime: now.Add(sasValidity),
		Permissions:   (&sas.AccountPermissions{Read: true, Write: true, Create: true, Delete: true, List: true}).String(),
		ResourceTypes: (&sas.AccountResourceTypes{Container: true, Object: true}).String(),
	}.SignWithSharedKey(credential)
	if err != nil {
		return "", fmt.Errorf("sign with the access key: %w", err)
	}
	return query.Encode(), nil
}

// azureIdentity authorizes by the identity that Azure gave to this machine. The credential keeps its token until that ends.
func azureIdentity(id string) azureAuthorize {
	return func(_ storage.Env, client *http.Client) (func(*http.Request) error, error) {
		opt := azidentity.ManagedIdentityCredentialOptions{ClientOptions: azcore.ClientOptions{Transport: client, Retry: policy.RetryOptions{MaxRetries: -1}}}
		if id != "" {
			opt.ID = azidentity.ClientID(id)
		}
		credential, err := azidentity.NewManagedIdentityCredential(&opt)
		if err != nil {
			return nil, err
		}
		return func(req *http.Request) error {
			token, err := credential.GetToken(req.Context(), policy.TokenRequestOptions{Scopes: []string{"https://storage.azure.com/.default"}})
			if err != nil {
				return fmt.Errorf("there is neither an access key nor a shared access signature, and no managed identity: %w", err)
			}
			req.Header.Set("Authorization", "Bearer "+token.Token)
			return nil
		}, nil
	}
}
