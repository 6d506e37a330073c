package client

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/backstay/backstay"
)

// ErrFingerprint means that a server has another certificate than the one that is trusted.
var ErrFingerprint = errors.New("the certificate is not the one that was trusted before")

// dialTimeout is how long it may take to look at a certificate.
const dialTimeout = 15 * time.Second

// tls says which certificates are trusted: that of the fingerprint, those that the given ones signed, or the system's.
func (o Options) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(o.CA) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(o.CA) {
			return nil, backstay.Errorf(backstay.Invalid, "the file of trusted certificates has none").WithHint("It is a PEM file.")
		}
	}
	if o.Fingerprint == "" {
		return config, nil
	}
	want, err := ParseFingerprint(o.Fingerprint)
	if err != nil {
		return nil, err
	}
	config.InsecureSkipVerify = true // its chain says nothing: the very certificate is known
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if got := fingerprint(state.PeerCertificates[0]); got != want {
			return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: fmt.Errorf("%w: it is %s", ErrFingerprint, got)}
		}
		return nil
	}
	return config, nil
}

// ParseFingerprint reads the SHA-256 fingerprint of a certificate, in hexadecimal digits with or without colons, and returns it as it is shown.
func ParseFingerprint(text string) (string, error) {
	digits := strings.ToUpper(strings.NewReplacer(":", "", " ", "").Replace(text))
	if len(digits) != 2*sha256.Size || strings.Trim(digits, "0123456789ABCDEF") != "" {
		return "", backstay.Errorf(backstay.Invalid, "that is no SHA-256 fingerprint").WithHint("It has 64 hexadecimal digits. The console of the server shows it.")
	}
	pairs := make([]string, sha256.Size)
	for i := range pairs {
		pairs[i] = digits[2*i : 2*i+2]
	}
	return strings.Join(pairs, ":"), nil
}

func fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(pairs, ":")
}

// Untrusted asks a server for its certificate, and returns its fingerprint if neither the given certificates nor the system vouch for it;
// "" if they do, or if the server speaks plain http. Nothing is sent that would tell who asks.
func Untrusted(ctx context.Context, opt Options) (string, error) {
	base, err := ParseURL(opt.URL)
	if err != nil || base.Scheme == "http" {
		return "", err
	}
	opt.Fingerprint = ""
	config, err := opt.tls()
	if err != nil {
		return "", err
	}
	c := &Client{base: base}
	switch err := handshake(ctx, base, config); {
	case err == nil:
		return "", nil
	case !isVerification(err):
		return "", c.failed(ctx, err)
	}
	shown := ""
	config = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, VerifyConnection: func(state tls.ConnectionState) error {
		shown = fingerprint(state.PeerCertificates[0])
		return nil
	}}
	if err := handshake(ctx, base, config); err != nil {
		return "", c.failed(ctx, err)
	}
	return shown, nil
}

func isVerification(err error) bool {
	var v *tls.CertificateVerificationError
	return errors.As(err, &v)
}

func handshake(ctx context.Context, base *url.URL, config *tls.Config) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	port := base.Port()
	if port == "" {
		port = "443"
	}
	dialer := tls.Dialer{Config: config}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(base.Hostname(), port))
	if err != nil {
		return err
	}
	return conn.Close()
}
