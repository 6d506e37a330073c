package sftp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/backstay/backstay/storage"
)

// login is how a connection is made by this program.
type login struct {
	address  string // host:port
	user     string
	keys     []ssh.Signer
	password string
	agent    string // the socket of an SSH agent; "": none
	known    hosts
	env      storage.Env
}

func (l *login) dial(ctx context.Context) (*conn, error) {
	raw, err := l.env.Dial(ctx, "tcp", l.address)
	if err != nil {
		return nil, err
	}
	wire := &listening{Conn: raw}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	c, err := l.open(ctx, wire)
	if err != nil || !stop() {
		raw.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, explain(err)
	}
	return c, nil
}

func (l *login) open(ctx context.Context, wire *listening) (*conn, error) {
	ours, err := l.agentKeys(ctx)
	if err != nil {
		return nil, err
	}
	defer ours.close()
	safe := modern()
	transport, channels, requests, err := ssh.NewClientConn(wire, l.address, &ssh.ClientConfig{User: l.user, Auth: l.methods(ours),
		Config:          ssh.Config{KeyExchanges: safe.KeyExchanges, Ciphers: safe.Ciphers, MACs: safe.MACs},
		HostKeyCallback: l.known.checked(), HostKeyAlgorithms: l.known.algorithms(l.address, wire.RemoteAddr())})
	if err != nil {
		return nil, err
	}
	client := ssh.NewClient(transport, channels, requests)
	session, err := sftp.NewClient(client)
	if err != nil {
		_ = client.Close() // it is of no use any more
		return nil, fmt.Errorf("start SFTP: %w", err)
	}
	c := newConn(session, func() { wire.Close() }, func() { _ = client.Close() })
	c.ssh, c.wire = client, wire
	return c, nil
}

// agentConn is a connection to an SSH agent, or none.
type agentConn struct {
	net.Conn
	agent.ExtendedAgent
}

func (a agentConn) close() {
	if a.Conn != nil {
		a.Conn.Close()
	}
}

// agentKeys connects to the agent. Without one that answers there are the other ways to log in, unless there is none.
func (l *login) agentKeys(ctx context.Context) (agentConn, error) {
	if l.agent == "" {
		return agentConn{}, nil
	}
	c, err := l.env.Dial(ctx, "unix", l.agent)
	if err != nil && len(l.keys) == 0 && l.password == "" {
		return agentConn{}, fmt.Errorf("ask the SSH agent: %w", err)
	}
	if err != nil {
		return agentConn{}, nil
	}
	return agentConn{c, agent.NewClient(c)}, nil
}

// methods are the ways to log in: the keys, then those of the agent, then the password.
func (l *login) methods(a agentConn) []ssh.AuthMethod {
	methods := []ssh.AuthMethod{ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
		var others []ssh.Signer
		if a.ExtendedAgent != nil {
			var err error
			if others, err = a.Signers(); err != nil && len(l.keys) == 0 {
				return nil, fmt.Errorf("ask the SSH agent: %w", err)
			}
		}
		return withoutSHA1(slices.Concat(l.keys, others))
	})}
	if l.password == "" {
		return methods
	}
	asked := func(_, _ string, questions []string, _ []bool) ([]string, error) {
		answers := make([]string, len(questions))
		for i := range answers {
			answers[i] = l.password
		}
		return answers, nil
	}
	return append(methods, ssh.Password(l.password), ssh.KeyboardInteractive(asked))
}

// withoutSHA1 changes keys to sign as is safe today: those of RSA would also sign with SHA-1 for a server that asks for it.
func withoutSHA1(keys []ssh.Signer) ([]ssh.Signer, error) {
	for i, key := range keys {
		signer, ok := key.(ssh.AlgorithmSigner)
		if kind := key.PublicKey().Type(); !ok || kind != ssh.KeyAlgoRSA && kind != ssh.CertAlgoRSAv01 {
			continue
		}
		var err error
		if keys[i], err = ssh.NewSignerWithAlgorithms(signer, []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// explain makes those errors of a login permanent that no second try mends.
func explain(err error) error {
	var algorithms *ssh.AlgorithmNegotiationError
	switch {
	case err == nil || errors.Is(err, storage.ErrPermanent):
		return err
	case errors.As(err, &algorithms):
		return storage.Mark(fmt.Errorf("%w: what is old and unsafe isn't used", err), storage.ErrPermanent)
	case strings.Contains(err.Error(), "no common public key signature algorithm"):
		return storage.Mark(fmt.Errorf("%w: what is old and unsafe isn't used; a key of another kind may do", err), storage.ErrPermanent)
	case strings.Contains(err.Error(), "unable to authenticate"): // the client has no error of a type for it
		return storage.Mark(fmt.Errorf("%w: check the user, and the private key, agent or password", err), storage.ErrLogin)
	case strings.Contains(err.Error(), "subsystem request failed"):
		return storage.Mark(fmt.Errorf("%w: the server offers no SFTP to this user", err), storage.ErrPermanent)
	}
	return err
}
