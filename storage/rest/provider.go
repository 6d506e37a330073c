package rest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// Provider is the kind of storage that is a server of restic's REST protocol.
var Provider = storage.Provider{Kind: "rest", Title: "restic REST server", Form: "rest:https://USER:PASSWORD@HOST:PORT/PATH/", Parse: parse, Open: open,
	Fields: []settings.Field{
		{Name: "url", Title: "Address", Help: "The address of the repository on the server, such as https://backup.example:8000/laptop/.", Required: true},
		{Name: "user", Title: "User", Help: "The user's name on the server, if it asks for one.", Env: []string{"RESTIC_REST_USERNAME"}},
		{Name: "password", Title: "Password", Help: "The user's password on the server; it isn't the repository's.", Kind: settings.Secret,
			Env: []string{"RESTIC_REST_PASSWORD"}},
		{Name: "ca-certificate", Title: "Certificate of the authority", Kind: settings.Pages,
			Help: "The certificate, as PEM, of the authority that signed the server's, if that isn't one everybody trusts; then only this one is trusted."},
		{Name: "client-certificate", Title: "Client certificate", Kind: settings.Pages,
			Help: "A certificate and its private key, both as PEM, for a server that asks its clients for one."},
	},
	Lacks: []storage.Lack{anyName, oneSaver}}

var anyName = storage.Lack{Promise: "any name within the storage can be saved",
	Why: "The protocol has only the names that restic's repositories have. So a repository of version 1 can't be made one of version 2 " +
		"over it, which for a moment needs a second config: do that in the folder of the server."}

var oneSaver = storage.Lack{Promise: "of several saves of one name one succeeds",
	Why: "Whether a server replaces a file that is saved twice at the same moment is up to it. Files are named after their content, so " +
		"both are the same; of two that make a repository in one place at the same moment, the last may win."}

const forms = "want http://HOST:PORT/PATH/, https://USER:PASSWORD@HOST/PATH/ or http+unix:///SOCKET:/PATH/, with special characters of user and " +
	"password percent-encoded"

// parse takes user and password out of the address.
func parse(rest string) (settings.Values, error) {
	u, err := url.Parse(rest)
	if err != nil || u.Opaque != "" {
		return nil, errors.New("the address can't be read: " + forms) // the error may show the password
	}
	v := settings.Values{}
	if u.User != nil {
		v["user"] = u.User.Username()
		v["password"], _ = u.User.Password()
	}
	u.User = nil
	v["url"] = u.String()
	return v, nil
}

func open(v settings.Values, env storage.Env) (storage.Backend, error) {
	base, dial, err := address(v["url"], env)
	if err != nil {
		return nil, err
	}
	secure, err := secured(v)
	if err != nil {
		return nil, err
	}
	return newBackend(base, v["user"], v["password"], env, &http.Transport{DialContext: dial, TLSClientConfig: secure,
		MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections, IdleConnTimeout: idle, DisableCompression: true}), nil
}

const (
	// connections is how many are open at most. It is more than the transfers that go on at once by default, and less than what a
	// small server is troubled by.
	connections = 16
	// idle is how long a connection is kept without use: for less than servers and the proxies before them do, which would close it
	// at the moment of the next request.
	idle = 30 * time.Second
)

func newBackend(base, user, password string, env storage.Env, transport *http.Transport) *backend {
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &backend{base: base, user: user, password: password, client: client, clock: env.Clock}
}

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// address returns the address that requests begin with, and what makes the connections to it.
func address(text string, env storage.Env) (base string, dial dialer, err error) {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return "", nil, errors.New("the address can't be used: " + forms)
	}
	switch {
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.Hostname() != "":
		dial = env.Dial
	case u.Scheme == "http+unix" && u.Host == "" && strings.HasPrefix(u.Path, "/"):
		socket, path, _ := strings.Cut(u.Path, ":")
		dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return env.Dial(ctx, "unix", socket) }
		u = &url.URL{Scheme: "http", Host: "localhost", Path: path}
	default:
		return "", nil, errors.New("the address can't be used: " + forms)
	}
	base = u.String()
	if !strings.HasSuffix(base, "/") {
		base += "/"
	}
	return base, dial, nil
}

// secured returns how TLS is spoken.
func secured(v settings.Values) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if pages := v["ca-certificate"]; pages != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(pages)) {
			return nil, errors.New("setting \"ca-certificate\": there is no certificate in it: want PEM, which has a line BEGIN CERTIFICATE")
		}
	}
	if pages := v["client-certificate"]; pages != "" {
		pair, err := tls.X509KeyPair([]byte(pages), []byte(pages))
		if err != nil {
			return nil, fmt.Errorf("setting \"client-certificate\": %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
