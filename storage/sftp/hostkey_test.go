package sftp_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/sftp"
	"github.com/backstay/backstay/test/servers"
)

// refused checks that a server isn't talked to, for a reason that says what, and that it heard nothing of the password.
func refused(t *testing.T, s *servers.OwnSSH, err error, says string) {
	t.Helper()
	if !errors.Is(err, storage.ErrPermanent) || !strings.Contains(err.Error(), says) {
		t.Errorf("Stat = %v, want ErrPermanent that says %q", err, says)
	}
	if old := strings.Contains(err.Error(), "no common algorithm"); errors.Is(err, storage.ErrHostKey) == old {
		t.Errorf("Stat = %v, want ErrHostKey just where it is the key of the server", err)
	}
	if n := s.Logins(); n > 0 {
		t.Errorf("a server that isn't to be trusted got %d attempts to log in", n)
	}
}

// rsaKey is a key that signs as is named.
func rsaKey(t *testing.T, key *rsa.PrivateKey, algorithms ...string) ssh.Signer {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	signer, err = ssh.NewSignerWithAlgorithms(signer.(ssh.AlgorithmSigner), algorithms)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func TestAServerThatKnowsOnlyWhatIsOldIsRefused(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sha1 := rsaKey(t, key, ssh.KeyAlgoRSA)
	with := func(c ssh.Config) servers.OwnSSHOptions {
		return servers.OwnSSHOptions{Change: func(config *ssh.ServerConfig) { config.Config = c }}
	}
	for name, tt := range map[string]struct {
		opt  servers.OwnSSHOptions
		says string // "": it is talked to
	}{
		"key exchange with SHA-256": {with(ssh.Config{KeyExchanges: []string{ssh.KeyExchangeDH14SHA256}}), ""},
		"group 1 with SHA-1":        {with(ssh.Config{KeyExchanges: []string{ssh.InsecureKeyExchangeDH1SHA1}}), "key exchange"},
		"group 14 with SHA-1":       {with(ssh.Config{KeyExchanges: []string{ssh.InsecureKeyExchangeDH14SHA1}}), "key exchange"},
		"AES in counter mode":       {with(ssh.Config{Ciphers: []string{ssh.CipherAES128CTR}, MACs: []string{ssh.HMACSHA256}}), ""},
		"AES in CBC mode":           {with(ssh.Config{Ciphers: []string{ssh.InsecureCipherAES128CBC}}), "cipher"},
		"triple DES":                {with(ssh.Config{Ciphers: []string{ssh.InsecureCipherTripleDESCBC}}), "cipher"},
		"RC4":                       {with(ssh.Config{Ciphers: []string{ssh.InsecureCipherRC4, ssh.InsecureCipherRC4128, ssh.InsecureCipherRC4256}}), "cipher"},
		"MAC with SHA-1":            {with(ssh.Config{Ciphers: []string{ssh.CipherAES128CTR}, MACs: []string{ssh.HMACSHA1}}), "MAC"},
		"short MAC with SHA-1":      {with(ssh.Config{Ciphers: []string{ssh.CipherAES128CTR}, MACs: []string{ssh.InsecureHMACSHA196}}), "MAC"},
		"RSA with SHA-256":          {servers.OwnSSHOptions{HostKey: rsaKey(t, key, ssh.KeyAlgoRSASHA256)}, ""},
		"RSA with SHA-512":          {servers.OwnSSHOptions{HostKey: rsaKey(t, key, ssh.KeyAlgoRSASHA512)}, ""},
		"RSA with SHA-1":            {servers.OwnSSHOptions{HostKey: sha1}, "host key"},
		"signed with SHA-256":       {servers.OwnSSHOptions{CA: rsaKey(t, key, ssh.KeyAlgoRSASHA256)}, ""},
		"signed with SHA-1":         {servers.OwnSSHOptions{CA: sha1}, "no longer safe"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.opt.Password = "right horse"
			s := servers.StartOwnSSH(t, t.TempDir(), tt.opt)
			// An authority of other servers is known too, so that any kind of key may be shown.
			known := s.KnownHosts + "\n@cert-authority " + knownhosts.Line([]string{"*.elsewhere.example"}, sha1.PublicKey())
			_, err := open(t, own(s, settings.Values{"password": "right horse", "known-hosts": known})).Stat(t.Context(), "config")
			if tt.says != "" {
				refused(t, s, err, tt.says)
			} else if !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("Stat = %v, want ErrNotFound", err)
			}
		})
	}
}

func TestNoKeyOfAUserSignsWithSHA1(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	for algorithm, want := range map[string]error{ssh.KeyAlgoRSASHA256: storage.ErrNotFound, ssh.KeyAlgoRSASHA512: storage.ErrNotFound, ssh.KeyAlgoRSA: storage.ErrPermanent} {
		s := servers.StartOwnSSH(t, t.TempDir(), servers.OwnSSHOptions{Key: rsaKey(t, key, algorithm).PublicKey(),
			Change: func(config *ssh.ServerConfig) { config.PublicKeyAuthAlgorithms = []string{algorithm} }})
		_, err := open(t, own(s, settings.Values{"private-key": string(pem.EncodeToMemory(block))})).Stat(t.Context(), "config")
		if !errors.Is(err, want) {
			t.Errorf("Stat where keys must sign by %s = %v, want %v", algorithm, err, want)
		}
	}
}

func TestAServerIsKnownOnlyByACertificateThatHolds(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca, _ := ssh.NewSignerFromKey(private)
	now := func() uint64 { return uint64(time.Now().Unix()) }
	for says, cert := range map[string]func(*ssh.Certificate){
		"not in the set of valid principals": func(c *ssh.Certificate) { c.ValidPrincipals = []string{"elsewhere.example"} },
		"has expired":                        func(c *ssh.Certificate) { c.ValidBefore = now() - 3600 },
		"not yet valid":                      func(c *ssh.Certificate) { c.ValidAfter = now() + 3600 },
		"has type 1":                         func(c *ssh.Certificate) { c.CertType = ssh.UserCert },
	} {
		s := servers.StartOwnSSH(t, t.TempDir(), servers.OwnSSHOptions{Password: "x", CA: ca, Cert: cert})
		_, err := open(t, own(s, settings.Values{"password": "x"})).Stat(t.Context(), "config")
		refused(t, s, err, says)
	}
	s := servers.StartOwnSSH(t, t.TempDir(), servers.OwnSSHOptions{Password: "x", CA: ca})
	elsewhere := "@cert-authority " + knownhosts.Line([]string{"*.elsewhere.example"}, ca.PublicKey())
	_, err = open(t, own(s, settings.Values{"password": "x", "known-hosts": elsewhere})).Stat(t.Context(), "config")
	refused(t, s, err, "no authorities for hostname")
	revoked := s.KnownHosts + "\n@revoked " + strings.TrimPrefix(s.KnownHosts, "@cert-authority ")
	_, err = open(t, own(s, settings.Values{"password": "x", "known-hosts": revoked})).Stat(t.Context(), "config")
	refused(t, s, err, "revoked")
}

func TestAnotherServerInTheMiddleIsFoundOutAtTheNextConnection(t *testing.T) {
	dir, opt := t.TempDir(), servers.OwnSSHOptions{Password: "right horse"}
	right, other := servers.StartOwnSSH(t, dir, opt), servers.StartOwnSSH(t, dir, opt)
	reached := right
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return loopback(ctx, network, reached.Address)
	}
	v, err := settings.Check(sftp.Provider.Fields, own(right, settings.Values{"password": "right horse"}))
	if err != nil {
		t.Fatal(err)
	}
	b, err := sftp.Provider.Open(v, storage.Env{Clock: clock.System, Dial: dial})
	if err != nil {
		t.Fatal(err)
	}
	hangUp := b.(interface{ CloseIdle() }).CloseIdle
	t.Cleanup(hangUp)
	save(t, b, "config", []byte("x"))
	hangUp()
	reached = other
	_, err = b.Stat(t.Context(), "config")
	refused(t, other, err, "may be another server")
	for _, s := range []*servers.OwnSSH{right, other} {
		_, _, key, _, _, parseErr := ssh.ParseKnownHosts([]byte(s.KnownHosts))
		if parseErr != nil || err == nil || !strings.Contains(err.Error(), ssh.FingerprintSHA256(key)) {
			t.Errorf("Stat = %v, want an error that shows both keys", err)
		}
	}
	reached = right
	if _, err := b.Stat(t.Context(), "config"); err != nil {
		t.Errorf("Stat over a connection to the right server = %v", err)
	}
	_, err = open(t, own(other, settings.Values{"password": "right horse", "known-hosts": right.KnownHosts})).Stat(t.Context(), "config")
	refused(t, other, err, "not among the known hosts")
}
