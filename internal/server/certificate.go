package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/backstay/backstay"
)

// ownCertificate is how long a certificate that the server made itself is good.
const ownCertificate = 825 * 24 * time.Hour

// certificate loads the certificate that was given, or the server's own, which it makes where there is none or it has run out. Its
// fingerprint is told to the console, so that a person can compare it with what the browser shows.
func (s *Server) certificate() (cert tls.Certificate, err error) {
	if s.opt.CertFile != "" {
		cert, err = tls.LoadX509KeyPair(s.opt.CertFile, s.opt.KeyFile)
		if err != nil {
			return cert, backstay.Errorf(backstay.Invalid, "load the certificate: %w", err).WithHint("Both files are PEM: the certificate with its chain, and its private key.")
		}
		return cert, nil
	}
	file := filepath.Join(s.opt.Data, "certificate.pem")
	cert, err = tls.LoadX509KeyPair(file, file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && cert.Leaf.NotAfter.Before(s.opt.Clock.Now()) {
		if err = s.makeCertificate(file); err == nil {
			cert, err = tls.LoadX509KeyPair(file, file)
		}
	}
	if err != nil {
		return cert, fmt.Errorf("own certificate %q: %w", file, err)
	}
	s.opt.Console("It uses a certificate of its own. Compare its SHA-256 fingerprint with what the browser shows:\n  %s", fingerprint(cert.Certificate[0]))
	return cert, nil
}

func (s *Server) makeCertificate(file string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), s.opt.Rand)
	if err != nil {
		return err
	}
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(s.opt.Listen)
	if err != nil {
		return err
	}
	now := s.opt.Clock.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name, Organization: []string{"Backstay"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(ownCertificate), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{name, "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, BasicConstraintsValid: true}
	if ip := net.ParseIP(host); ip != nil && !ip.IsUnspecified() {
		template.IPAddresses = append(template.IPAddresses, ip)
	} else if host != "" && ip == nil {
		template.DNSNames = append(template.DNSNames, host)
	}
	cert, err := x509.CreateCertificate(s.opt.Rand, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	return os.WriteFile(file, text, 0o600)
}

// fingerprint is how browsers show that of a certificate.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(pairs, ":")
}
