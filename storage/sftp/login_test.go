package sftp_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/servers"
)

func env() storage.Env { return storage.Env{Clock: clock.System, Dial: loopback} }

// own are the settings of a server within the test.
func own(s *servers.OwnSSH, beside settings.Values) settings.Values {
	host, port, _ := net.SplitHostPort(s.Address)
	v := settings.Values{"host": host, "port": port, "user": "somebody", "path": "repo", "known-hosts": s.KnownHosts}
	for name, value := range beside {
		v[name] = value
	}
	return v
}

func TestOnlyTheRightPasswordLetsIn(t *testing.T) {
	for _, interactive := range []bool{false, true} {
		s := servers.StartOwnSSH(t, t.TempDir(), servers.OwnSSHOptions{Password: "right horse", Interactive: interactive})
		save(t, open(t, own(s, settings.Values{"password": "right horse"})), "config", []byte("x"))
		for _, wrong := range []settings.Values{{"password": "wrong horse"}, nil} {
			b := open(t, own(s, wrong))
			_, err := b.Stat(t.Context(), "config")
			if !errors.Is(err, storage.ErrLogin) || !strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), "horse") {
				t.Errorf("Stat with a wrong password = %v, want ErrLogin that says so", err)
			}
		}
	}
}

func TestAKeyOpensWithItsPassphrase(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := ssh.NewSignerFromKey(private)
	block, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("right horse"))
	if err != nil {
		t.Fatal(err)
	}
	key := string(pem.EncodeToMemory(block))
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	s := servers.StartOwnSSH(t, t.TempDir(), servers.OwnSSHOptions{Key: signer.PublicKey()})
	save(t, open(t, own(s, settings.Values{"private-key": key, "passphrase": "right horse"})), "config", []byte("x"))
	save(t, open(t, own(s, settings.Values{"private-key-file": file, "passphrase": "right horse"})), packName, []byte("x"))
	for _, wrong := range []settings.Values{{"private-key": key}, {"private-key": key, "passphrase": "wrong horse"}} {
		if _, err := opened(own(s, wrong)); err == nil || !strings.Contains(err.Error(), "passphrase") || strings.Contains(err.Error(), "horse") {
			t.Errorf("Open with a key and a wrong passphrase = %v, want an error that says so", err)
		}
	}
}

func TestTheKeysOfAnAgentAreUsed(t *testing.T) {
	keyring := agent.NewKeyring()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := keyring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	t.Cleanup(func() { l.Close() })
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { _ = agent.ServeAgent(keyring, c) })
		}
	})
	signer, _ := ssh.NewSignerFromKey(private)
	s := servers.StartOwnSSH(t, t.TempDir(), servers.OwnSSHOptions{Key: signer.PublicKey()})
	save(t, open(t, own(s, settings.Values{"agent": socket})), "config", []byte("x"))
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("hidden"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, pem.EncodeToMemory(locked), 0o600); err != nil {
		t.Fatal(err)
	}
	save(t, open(t, own(s, settings.Values{"agent": socket, "private-key-file": file})), packName, []byte("x"))
	if _, err := opened(own(s, settings.Values{"private-key-file": file})); err == nil || !strings.Contains(err.Error(), "agent") {
		t.Errorf("Open with a key that has a passphrase, and no agent = %v, want an error that says both", err)
	}
	_, err = open(t, own(s, settings.Values{"agent": socket + "none"})).Stat(t.Context(), "config")
	if err == nil || !strings.Contains(err.Error(), "agent") {
		t.Errorf("Stat with an agent that isn't there = %v, want an error that says so", err)
	}
}

func TestOnlyAKnownServerIsTalkedTo(t *testing.T) {
	s := servers.StartSFTP(t)
	address := net.JoinHostPort(s.Host, s.Port)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ofOther, _ := ssh.NewPublicKey(&other.PublicKey)
	_, _, key, _, _, err := ssh.ParseKnownHosts([]byte(s.KnownHosts))
	if err != nil {
		t.Fatal(err)
	}
	another, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ofAnother, _ := ssh.NewPublicKey(another)
	print := ssh.FingerprintSHA256(key)
	for _, tt := range []struct {
		says, known string
		want        []string // nil: it is talked to
	}{
		{"known", s.KnownHosts, nil},
		{"known by its hash", knownhosts.Line([]string{knownhosts.HashHostname(knownhosts.Normalize(address))}, key), nil},
		{"one of several keys is known", knownhosts.Line([]string{address}, ofOther) + "\n" + s.KnownHosts, nil},
		{"nothing is known", "# nothing", []string{"not among the known hosts", print, s.KnownHosts}},
		{"another server is known", knownhosts.Line([]string{"127.0.0.1:1"}, key), []string{"not among the known hosts", print}},
		{"another key is known", knownhosts.Line([]string{address}, ofAnother), []string{print, ssh.FingerprintSHA256(ofAnother), "may be another server"}},
		{"the key is revoked", "@revoked " + s.KnownHosts, []string{"revoked", print}},
	} {
		v := at(s, s.Dir)
		v["known-hosts"] = tt.known
		_, err := open(t, v).Stat(t.Context(), "config")
		if tt.want == nil {
			if !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s: Stat = %v, want ErrNotFound", tt.says, err)
			}
			continue
		}
		if !errors.Is(err, storage.ErrPermanent) {
			t.Errorf("%s: Stat = %v, want ErrPermanent", tt.says, err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: Stat = %v, want an error that says %q", tt.says, err, want)
			}
		}
	}
}

func TestAServerMayBeKnownByWhoSignedItsKey(t *testing.T) {
	var authorities []ssh.Signer
	for range 2 {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		signer, _ := ssh.NewSignerFromKey(private)
		authorities = append(authorities, signer)
	}
	s := servers.StartOwnSSH(t, t.TempDir(), servers.OwnSSHOptions{Password: "x", CA: authorities[0]})
	save(t, open(t, own(s, settings.Values{"password": "x"})), "config", []byte("x"))
	other := "@cert-authority " + knownhosts.Line([]string{s.Address}, authorities[1].PublicKey())
	_, err := open(t, own(s, settings.Values{"password": "x", "known-hosts": other})).Stat(t.Context(), "config")
	if !errors.Is(err, storage.ErrPermanent) {
		t.Errorf("Stat of a server whose key another has signed = %v, want ErrPermanent", err)
	}
}

func TestAServerThatIsDownIsATroubleThatPasses(t *testing.T) {
	s := servers.StartSFTP(t)
	v := at(s, s.Dir)
	v["port"], v["known-hosts"] = "1", "127.0.0.1 "+strings.SplitN(s.KnownHosts, " ", 2)[1]
	_, err := open(t, v).Stat(t.Context(), "config")
	if err == nil || errors.Is(err, storage.ErrPermanent) || errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Stat where nobody listens = %v, want an error that passes", err)
	}
}

func TestACommandMakesTheConnection(t *testing.T) {
	s := servers.StartSFTP(t)
	hosts := filepath.Join(t.TempDir(), "known hosts")
	if err := os.WriteFile(hosts, []byte(s.KnownHosts+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "config")
	lines := "Host alias\nHostName " + s.Host + "\nPort " + s.Port + "\nUser " + s.User + "\nIdentityFile " + s.KeyFile +
		"\nUserKnownHostsFile \"" + hosts + "\"\nStrictHostKeyChecking yes\n"
	if err := os.WriteFile(config, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, beside := range map[string]settings.Values{
		"command": {"host": "ignored", "command": "ssh -F '" + config + "' alias -s sftp"},
		"args":    {"host": "alias", "args": "-F '" + config + "'"},
	} {
		v := settings.Values{"path": filepath.Join(s.Dir, what)}
		for name, value := range beside {
			v[name] = value
		}
		b := open(t, v)
		content := bytes.Repeat([]byte("content"), 100_000)
		save(t, b, packName, content)
		if got, err := storage.LoadAll(t.Context(), b, packName); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: LoadAll = %d bytes, %v", what, len(got), err)
		}
	}
	if err := os.WriteFile(hosts, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := open(t, settings.Values{"host": "alias", "path": s.Dir, "args": "-F " + config})
	if _, err := b.Stat(t.Context(), "config"); err == nil || !strings.Contains(err.Error(), "Host key verification failed") {
		t.Errorf("Stat by a command that fails = %v, want what it said", err)
	}
	b = open(t, settings.Values{"host": "h", "path": s.Dir, "command": "/none/ssh"})
	if _, err := b.Stat(t.Context(), "config"); !errors.Is(err, storage.ErrPermanent) {
		t.Errorf("Stat by a command that isn't there = %v, want ErrPermanent", err)
	}
}
