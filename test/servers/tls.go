package servers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// CA is an authority that signs certificates for one test.
type CA struct {
	PEM  string // its own certificate, for those who are to trust it
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewCA makes an authority that nobody trusts by itself.
func NewCA(t testing.TB) *CA {
	t.Helper()
	template := tlsTemplate("test authority")
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	key := tlsKey(t)
	cert := tlsSign(t, template, template, key, key)
	return &CA{PEM: string(tlsPEM("CERTIFICATE", cert.Raw)), cert: cert, key: key}
}

// Server is the configuration of a server at 127.0.0.1 and localhost.
func (c *CA) Server(t testing.TB) *tls.Config { return c.ServerOf(t, nil) }

// ServerOf is the configuration of a server with a certificate that change has altered.
func (c *CA) ServerOf(t testing.TB, change func(*x509.Certificate)) *tls.Config {
	t.Helper()
	template := tlsTemplate("test server")
	template.DNSNames, template.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if change != nil {
		change(template)
	}
	key := tlsKey(t)
	cert := tlsSign(t, template, c.cert, key, c.key)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
}

// Files are a certificate of a server or a client at 127.0.0.1 and localhost, and its private key, as PEM.
func (c *CA) Files(t testing.TB) (chain, key string) {
	t.Helper()
	pair := c.Server(t).Certificates[0]
	private, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(tlsPEM("CERTIFICATE", pair.Certificate[0])), string(tlsPEM("PRIVATE KEY", private))
}

// Expired lets a certificate end yesterday.
func Expired(cert *x509.Certificate) { cert.NotAfter = time.Now().Add(-24 * time.Hour) }

// ForAnotherHost makes a certificate one of a server elsewhere.
func ForAnotherHost(cert *x509.Certificate) {
	cert.DNSNames, cert.IPAddresses = []string{"elsewhere.example"}, nil
}

// SelfSigned is the configuration of a server whose certificate nobody but itself has signed.
func SelfSigned(t testing.TB, hosts ...string) *tls.Config {
	t.Helper()
	template := tlsTemplate("test server")
	template.DNSNames, template.ExtKeyUsage = hosts, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	key := tlsKey(t)
	cert := tlsSign(t, template, template, key, key)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
}

// OnlyTLS10 is the configuration of a server that knows nothing newer than TLS 1.0.
func OnlyTLS10(config *tls.Config) *tls.Config { return only(config, tls.VersionTLS10) }

// OnlyTLS11 is the configuration of a server that knows nothing newer than TLS 1.1.
func OnlyTLS11(config *tls.Config) *tls.Config { return only(config, tls.VersionTLS11) }

func only(config *tls.Config, version uint16) *tls.Config {
	config = config.Clone()
	config.MinVersion, config.MaxVersion = version, version
	return config
}

// WantingClients is the configuration of a server that lets only clients in whose certificate the authority has signed.
func (c *CA) WantingClients(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	config.ClientCAs.AddCert(c.cert)
	return config
}

// Client returns the certificate of a client with its private key, both as PEM in one text.
func (c *CA) Client(t testing.TB) string {
	t.Helper()
	template := tlsTemplate("test client")
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	key := tlsKey(t)
	cert := tlsSign(t, template, c.cert, key, c.key)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(tlsPEM("CERTIFICATE", cert.Raw)) + string(tlsPEM("PRIVATE KEY", private))
}

func tlsTemplate(name string) *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature}
}

func tlsKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func tlsSign(t testing.TB, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func tlsPEM(kind string, raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw})
}
