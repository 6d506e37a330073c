package servers

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// OwnSSHOptions say who may log in.
type OwnSSHOptions struct {
	Password    string        // "": nobody with a password
	Interactive bool          // the password is asked for in a dialogue
	Key         ssh.PublicKey // nil: nobody with a key

	HostKey ssh.Signer              // the server's own key; nil: a new one
	CA      ssh.Signer              // nil, or who signs that
	Cert    func(*ssh.Certificate)  // nil, or what makes another certificate of what CA signs
	Change  func(*ssh.ServerConfig) // nil, or what makes it another server
}

// OwnSSH is an SSH server within the test, for the ways to log in that sshd doesn't offer without the system's users. Its SFTP is
// another than that of OpenSSH: it replaces files when it renames, and has no fsync.
type OwnSSH struct {
	Address    string
	KnownHosts string // the line by which it is known

	logins atomic.Int32
}

// Logins returns how often somebody tried to log in.
func (s *OwnSSH) Logins() int { return int(s.logins.Load()) }

// StartOwnSSH runs an SSH server that serves a folder, until the test ends.
func StartOwnSSH(t testing.TB, dir string, opt OwnSSHOptions) *OwnSSH {
	t.Helper()
	s := new(OwnSSH)
	key := opt.HostKey
	if key == nil {
		key = newSSHSigner(t)
	}
	config, public, known := opt.config(), key.PublicKey(), knownhosts.Line
	config.AuthLogCallback = func(_ ssh.ConnMetadata, method string, _ error) {
		if method != "none" { // by which a client asks what there is
			s.logins.Add(1)
		}
	}
	if opt.CA != nil {
		key, public = opt.signed(t, key), opt.CA.PublicKey()
		known = func(hosts []string, key ssh.PublicKey) string {
			return "@cert-authority " + knownhosts.Line(hosts, key)
		}
	}
	config.AddHostKey(key)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var conns []net.Conn
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			serving.Go(func() { serveSSH(c, config, dir) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	s.Address, s.KnownHosts = l.Addr().String(), known([]string{l.Addr().String()}, public)
	return s
}

// newSSHSigner makes a key.
func newSSHSigner(t testing.TB) ssh.Signer {
	t.Helper()
	private, _ := newSSHKey(t)
	key, err := ssh.ParsePrivateKey([]byte(private))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signed is the key of a server at 127.0.0.1 with the certificate that the authority gives it.
func (o OwnSSHOptions) signed(t testing.TB, key ssh.Signer) ssh.Signer {
	t.Helper()
	cert := &ssh.Certificate{Key: key.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{"127.0.0.1"}, ValidBefore: ssh.CertTimeInfinity}
	if o.Cert != nil {
		o.Cert(cert)
	}
	if err := cert.SignCert(rand.Reader, o.CA); err != nil {
		t.Fatal(err)
	}
	signed, err := ssh.NewCertSigner(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func (o OwnSSHOptions) config() *ssh.ServerConfig {
	wrong := errors.New("wrong")
	config := &ssh.ServerConfig{}
	right := func(password string) error {
		if o.Password == "" || subtle.ConstantTimeCompare([]byte(password), []byte(o.Password)) == 0 {
			return wrong
		}
		return nil
	}
	if o.Interactive {
		config.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := ask("", "", []string{"Password: "}, []bool{false})
			if err != nil || len(answers) != 1 {
				return nil, wrong
			}
			return nil, right(answers[0])
		}
	} else if o.Password != "" {
		config.PasswordCallback = func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			return nil, right(string(password))
		}
	}
	if o.Key != nil {
		config.PublicKeyCallback = func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if string(key.Marshal()) != string(o.Key.Marshal()) {
				return nil, wrong
			}
			return nil, nil
		}
	}
	if o.Change != nil {
		o.Change(config)
	}
	return config
}

// serveSSH serves one connection.
func serveSSH(c net.Conn, config *ssh.ServerConfig, dir string) {
	defer c.Close()
	conn, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return // who could not log in knows why
	}
	defer conn.Close()
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range requests {
				_ = r.Reply(r.Type == "subsystem" && string(r.Payload[4:]) == "sftp", nil)
			}
		}()
		server, err := sftp.NewServer(channel, sftp.WithServerWorkingDirectory(dir))
		if err != nil {
			return
		}
		if err := server.Serve(); err != nil && !errors.Is(err, io.EOF) {
			return
		}
	}
}
