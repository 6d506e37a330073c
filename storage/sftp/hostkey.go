package sftp

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/backstay/backstay/storage"
)

// modern are the algorithms that may be used: all that the client has but for those with known weaknesses, and those with SHA-1, in
// which collisions are found.
func modern() ssh.Algorithms {
	all := ssh.SupportedAlgorithms()
	all.MACs = slices.DeleteFunc(all.MACs, func(name string) bool { return name == ssh.HMACSHA1 })
	return all
}

// hosts are the servers that are known.
type hosts struct {
	check       ssh.HostKeyCallback
	authorities bool // some are known by who signed their keys
}

// knownHosts reads the keys of servers from lines as in ~/.ssh/known_hosts, and from a file of such lines.
func knownHosts(lines, file string) (hosts, error) {
	if file != "" {
		content, err := os.ReadFile(file)
		if err != nil {
			return hosts{}, fmt.Errorf("read known hosts: %w", err)
		}
		lines = string(content) + "\n" + lines
	}
	temp, err := os.CreateTemp("", "known_hosts") // what reads it takes files only
	if err != nil {
		return hosts{}, err
	}
	defer func() { _ = os.Remove(temp.Name()) }() // it has no secrets
	_, err = temp.WriteString(lines)
	if err := errors.Join(err, temp.Close()); err != nil {
		return hosts{}, err
	}
	check, err := knownhosts.New(temp.Name())
	if err != nil {
		return hosts{}, fmt.Errorf("read known hosts: %s", strings.ReplaceAll(err.Error(), temp.Name()+":", "line "))
	}
	return hosts{check, strings.Contains(lines, "@cert-authority")}, nil
}

// checked lets only known keys pass. Its errors say what to do.
func (h hosts) checked() ssh.HostKeyCallback {
	return func(host string, remote net.Addr, key ssh.PublicKey) error {
		err := h.check(host, remote, key)
		if err == nil {
			err = checkSignature(key)
		}
		if err == nil {
			return nil
		}
		print := fmt.Sprintf("%s %s", key.Type(), ssh.FingerprintSHA256(key))
		var unknown *knownhosts.KeyError
		var revoked *knownhosts.RevokedError
		switch {
		case errors.As(err, &unknown) && len(unknown.Want) == 0:
			err = fmt.Errorf("the server %s is not among the known hosts. It shows the key %s. If its administrator confirms that, add this line to them: %s",
				host, print, knownhosts.Line([]string{host}, key))
		case errors.As(err, &unknown):
			want := unknown.Want[0]
			err = fmt.Errorf("the server %s shows the key %s, but %s %s is known (line %d of the known hosts). It may be another server that reads along. "+
				"Only if its administrator confirms the new key, replace the known one", host, print, want.Key.Type(), ssh.FingerprintSHA256(want.Key), want.Line)
		case errors.As(err, &revoked):
			err = fmt.Errorf("the server %s shows the key %s, which the known hosts name as revoked", host, print)
		default:
			err = fmt.Errorf("the key %s of the server %s: %w", print, host, err)
		}
		return storage.Mark(err, storage.ErrHostKey)
	}
}

// checkSignature refuses a certificate that was signed in a way that can be forged. The client itself takes any.
func checkSignature(key ssh.PublicKey) error {
	cert, ok := key.(*ssh.Certificate)
	if ok && !slices.Contains(modern().PublicKeyAuths, cert.Signature.Format) {
		return fmt.Errorf("its certificate is signed with %s, which is no longer safe", cert.Signature.Format)
	}
	return nil
}

// algorithms are those of the keys that are known of a server, so that it shows one of these and not another that it has too. Where
// nothing is known of it, or it may have a signed key, it may show any.
func (h hosts) algorithms(host string, remote net.Addr) []string {
	all := modern().HostKeys
	var unknown *knownhosts.KeyError
	if h.authorities || !errors.As(h.check(host, remote, nobody{}), &unknown) {
		return all
	}
	known := slices.DeleteFunc(slices.Clone(all), func(algorithm string) bool {
		if algorithm == ssh.KeyAlgoRSASHA256 || algorithm == ssh.KeyAlgoRSASHA512 {
			algorithm = ssh.KeyAlgoRSA
		}
		return !slices.ContainsFunc(unknown.Want, func(k knownhosts.KnownKey) bool { return k.Key.Type() == algorithm })
	})
	if len(known) == 0 {
		return all
	}
	return known
}

// nobody is a key that no server has.
type nobody struct{}

func (nobody) Type() string                        { return "nobody" }
func (nobody) Marshal() []byte                     { return []byte("nobody") }
func (nobody) Verify([]byte, *ssh.Signature) error { return errors.New("nobody") }
