package sftp

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/backstay/backstay/storage"
)

// knownHosts reads the keys of servers from lines as in ~/.ssh/known_hosts, and from a file of such lines.
func knownHosts(lines, file string) (ssh.HostKeyCallback, error) {
	var files []string
	if file != "" {
		files = append(files, file)
	}
	if lines != "" {
		temp, err := os.CreateTemp("", "known_hosts") // what reads it takes files only
		if err != nil {
			return nil, err
		}
		defer os.Remove(temp.Name())
		_, err = temp.WriteString(lines)
		if err := errors.Join(err, temp.Close()); err != nil {
			return nil, err
		}
		files = append(files, temp.Name())
	}
	known, err := knownhosts.New(files...)
	if err != nil {
		return nil, fmt.Errorf("read known hosts: %w", err)
	}
	return known, nil
}

// checked lets only known keys pass. Its errors say what to do.
func checked(known ssh.HostKeyCallback) ssh.HostKeyCallback {
	return func(host string, remote net.Addr, key ssh.PublicKey) error {
		err := known(host, remote, key)
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
		return storage.Mark(err, storage.ErrPermanent)
	}
}

// algorithms are those of the keys that are known of a server, so that it shows one of these and not another that it has too. None:
// nothing is known of it.
func algorithms(known ssh.HostKeyCallback, host string, remote net.Addr) []string {
	var unknown *knownhosts.KeyError
	if !errors.As(known(host, remote, nobody{}), &unknown) {
		return nil
	}
	var all []string
	for _, want := range unknown.Want {
		if kind := want.Key.Type(); kind == ssh.KeyAlgoRSA {
			all = append(all, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		} else {
			all = append(all, kind)
		}
	}
	return all
}

// nobody is a key that no server has.
type nobody struct{}

func (nobody) Type() string                        { return "nobody" }
func (nobody) Marshal() []byte                     { return []byte("nobody") }
func (nobody) Verify([]byte, *ssh.Signature) error { return errors.New("nobody") }
