package rclone

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	_ "github.com/rclone/rclone/backend/azureblob" // registers itself
	"github.com/rclone/rclone/fs/fshttp"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// Azure is the kind of storage that is a container of Azure Blob Storage.
var Azure = provide(storage.Provider{
	Kind: "azure", Title: "Azure Blob Storage", Form: "azure:CONTAINER:/PREFIX", Own: azureOwn, Parse: parseBucket("container"),
	Fields: []settings.Field{
		{Name: "container", Title: "Container", Help: "The name of the container. It has to be there already.", Required: true},
		{Name: "prefix", Title: "Folder", Help: "The folder in the container that holds the repository; the whole container if it is empty."},
		{Name: "account", Title: "Storage account", Help: "The name of the storage account, as in https://ACCOUNT.blob.core.windows.net.", Required: true, Env: []string{"AZURE_ACCOUNT_NAME"}},
		{Name: "account-key", Title: "Access key", Help: "One of the two keys of the account: Azure's portal shows them under Access keys. It opens the whole account; a shared access signature can open less.", Kind: settings.Secret, Env: []string{"AZURE_ACCOUNT_KEY"}},
		{Name: "sas", Title: "Shared access signature", Help: "A token (SAS) for the container or the account, in the place of an access key.", Kind: settings.Secret, Env: []string{"AZURE_ACCOUNT_SAS"}},
		{Name: "managed-identity", Title: "Managed identity", Help: "The client ID of the identity to use where there is neither key nor signature, if the machine has several. It works on machines in Azure only.", Env: []string{"AZURE_CLIENT_ID"}},
		{Name: "endpoint-suffix", Title: "Endpoint suffix", Help: "The domain of the storage accounts, which differs in Azure's national clouds.", Default: "core.windows.net", Env: []string{"AZURE_ENDPOINT_SUFFIX"}},
		{Name: "endpoint", Title: "Endpoint", Help: "The whole address of the account, for emulators such as Azurite. It takes the place of the suffix."},
		{Name: "ca-certificate", Title: "Certificate authority", Help: "The certificate, in PEM, of the authority that signed the server's, if that is one of your own.", Kind: settings.Pages},
	},
}, azure)

func azure(v settings.Values) (remote, error) {
	where, err := root(v, "container")
	if err != nil {
		return remote{}, err
	}
	authorize, secrets, err := azureAuthorizer(v)
	if err != nil {
		return remote{}, err
	}
	endpoint := v["endpoint"]
	if endpoint == "" {
		endpoint = "https://" + v["account"] + ".blob." + v["endpoint-suffix"]
	}
	if u, err := url.Parse(endpoint); err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "https" && u.Scheme != "http" {
		return remote{}, errors.New("setting endpoint: want an address like https://HOST")
	}
	return remote{
		backend: "azureblob", root: where, create: true, refuses: true, status: azureReply, secrets: secrets,
		options: map[string]string{
			"account": v["account"], "endpoint": endpoint, // without key: each request is authorized below
			"no_check_container": "true",
			"upload_concurrency": "4", // blocks of 4 MiB that are in memory for each Save, whose checksums Azure verifies
		},
		prepare: func(ctx context.Context, env storage.Env) (context.Context, error) {
			t, err := newTransport(env, v["ca-certificate"])
			if err != nil {
				return nil, err
			}
			authorized, err := authorize(env, &http.Client{Transport: t})
			if err != nil {
				return nil, err
			}
			shared := fshttp.NewTransport(ctx) // the one that the backend is going to use
			t.TLSHandshakeTimeout, t.ResponseHeaderTimeout = shared.TLSHandshakeTimeout, shared.ResponseHeaderTimeout
			sendBy(shared.Transport, letGo{t})
			shared.SetRequestFilter(func(req *http.Request) { prepareAzure(req, authorized) })
			return ctx, nil
		},
		each: func(ctx context.Context) context.Context {
			return policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1})
		},
	}, nil
}

// prepareAzure authorizes a request, and has the one that makes a blob appear fail if there is one of that name. rclone has no way to
// ask for the latter, and signing with the key, which covers all headers, comes before its own.
func prepareAzure(req *http.Request, authorize func(*http.Request) error) {
	comp := req.URL.Query().Get("comp")
	if req.Method == http.MethodPut && (comp == "" || comp == "blocklist") {
		req.Header.Set("If-None-Match", "*")
	}
	if err := authorize(req); err != nil { // a filter has no other way to stop a request
		ctx, stop := context.WithCancelCause(req.Context())
		stop(err)
		*req = *req.WithContext(ctx)
	}
}

func azureReply(err error) reply {
	answer := (*azcore.ResponseError)(nil)
	if !errors.As(err, &answer) {
		return reply{}
	}
	r := reply{code: answer.StatusCode}
	if answer.RawResponse != nil {
		r.after = retryAfter(answer.RawResponse.Header)
	}
	switch {
	case strings.HasPrefix(answer.ErrorCode, "Authentication"):
		r.code = http.StatusUnauthorized // Azure says 403
	case answer.ErrorCode == "InvalidRange":
		r.code = http.StatusRequestedRangeNotSatisfiable
	}
	return r
}
