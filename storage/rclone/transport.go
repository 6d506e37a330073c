package rclone

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"time"

	"github.com/backstay/backstay/storage"
)

// newTransport is for backends that can be handed one: it connects by Env.Dial and trusts the certificates in ca, or those that
// the system trusts where there are none.
func newTransport(env storage.Env, ca string) (*http.Transport, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(ca)) {
			return nil, errNoCertificate
		}
		config.RootCAs = pool
	}
	return &http.Transport{
		DialContext:         env.Dial,
		TLSClientConfig:     config,
		ForceAttemptHTTP2:   true,
		DisableCompression:  true,
		MaxIdleConnsPerHost: 32, // more than a backup uses at once
		IdleConnTimeout:     time.Minute,
	}, nil
}

var errNoCertificate = errors.New("setting ca-certificate: there is no certificate in it: want PEM, that begins with -----BEGIN CERTIFICATE-----")
