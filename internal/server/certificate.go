package server

import (
	"bytes"
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
	"sync"
	"time"

	"github.com/backstay/backstay"
)

const (
	ownCertificate    = 825 * 24 * time.Hour // how long a certificate that the server made itself is good
	renewAhead        = 30 * 24 * time.Hour  // before its end a new one takes its place
	lookAtCertificate = time.Minute          // between looks whether the files have become others
)

// shown is the certificate that the server shows by TLS.
type shown struct {
	mu     sync.Mutex
	pair   *tls.Certificate // nil before the first look
	looked time.Time
}

// certificate returns what is shown by TLS. It is the files that were given, as they are by now, or the server's own, which it makes where there
// is none and renews before it runs out. If there is something wrong with the files, the certificate stays what it was.
func (s *Server) certificate() (*tls.Certificate, error) {
	s.shown.mu.Lock()
	defer s.shown.mu.Unlock()
	now := s.opt.Clock.Now()
	if since := now.Sub(s.shown.looked); s.shown.pair != nil && since >= 0 && since < lookAtCertificate {
		return s.shown.pair, nil
	}
	pair, err := s.loadCertificate(now)
	switch was := s.shown.pair; {
	case err != nil && was == nil:
		return nil, err
	case err != nil:
		s.opt.Log.Warn("the certificate could not be loaded anew", "error", err)
	case was == nil:
		s.shown.pair = &pair
	case !bytes.Equal(was.Certificate[0], pair.Certificate[0]):
		s.shown.pair = &pair
		s.opt.Log.Info("another certificate is used", "fingerprint", fingerprint(pair.Certificate[0]), "until", pair.Leaf.NotAfter)
	}
	s.shown.looked = now
	return s.shown.pair, nil
}

func (s *Server) loadCertificate(now time.Time) (cert tls.Certificate, err error) {
	if s.opt.CertFile != "" {
		cert, err = tls.LoadX509KeyPair(s.opt.CertFile, s.opt.KeyFile)
		if err != nil {
			return cert, backstay.Errorf(backstay.Invalid, "load the certificate: %w", err).WithHint("Both files are PEM: the certificate with its chain, and its private key.")
		}
		return cert, nil
	}
	file := filepath.Join(s.opt.Data, "certificate.pem")
	cert, err = tls.LoadX509KeyPair(file, file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && cert.Leaf.NotAfter.Before(now.Add(renewAhead)) {
		if err = s.makeCertificate(file); err == nil {
			cert, err = tls.LoadX509KeyPair(file, file)
		}
	}
	if err != nil {
		return cert, fmt.Errorf("own certificate %q: %w", file, err)
	}
	return cert, nil
}

// noted is what the alerts know of the certificate; false where there is none.
func (s *Server) noted() (c backstay.Certificate, ok bool) {
	if s.listener == nil || !s.secure {
		return c, false
	}
	pair, err := s.certificate()
	_, port, perr := net.SplitHostPort(s.listener.Addr().String())
	if err != nil || perr != nil {
		return c, false
	}
	return backstay.Certificate{ID: net.JoinHostPort(s.app.Hostname, port), Subject: pair.Leaf.Subject.String(), NotAfter: pair.Leaf.NotAfter.UTC()}, true
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
	fresh := fmt.Sprintf("%s.%d", file, now.UnixNano()) // another process may read the file right now
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, file)
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
