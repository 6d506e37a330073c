package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/cli/session"
	"github.com/backstay/backstay/internal/client"
)

// ownServer is where a server is that was started without options.
const ownServer = "http://localhost:8484"

// sessionFile is where it is kept at which server a person is signed in.
func (p *program) sessionFile() string {
	if dir := p.sys.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "backstay", "session.json")
	}
	return filepath.Join(p.sys.Getenv("HOME"), ".config", "backstay", "session.json")
}

func agent() string { return "backstay/" + version() }

// connect returns the server that commands ask: as the environment says, for programs, or the one that a person is signed in at.
func (p *program) connect() (*client.Client, error) {
	server, token := p.sys.Getenv("BACKSTAY_SERVER"), p.sys.Getenv("BACKSTAY_TOKEN")
	if token != "" {
		if server == "" {
			return nil, backstay.Errorf(backstay.Invalid, "BACKSTAY_TOKEN is set, but not for which server").WithHint("Set BACKSTAY_SERVER to its address.")
		}
		opt, err := p.trustOfEnvironment()
		if err != nil {
			return nil, err
		}
		opt.URL, opt.Token = server, token
		return client.New(opt)
	}
	s, found, err := session.Load(p.sessionFile())
	if err != nil {
		return nil, err
	}
	if !found || server != "" && strings.TrimSuffix(server, "/") != s.Server {
		return nil, errNotSignedIn(server)
	}
	return client.New(client.Options{URL: s.Server, CA: []byte(s.CA), Fingerprint: s.Fingerprint, Cookie: s.Cookie, Agent: agent()})
}

func errNotSignedIn(server string) error {
	if server == "" {
		return backstay.Errorf(backstay.SignIn, "you are signed in at no server").WithHint("Sign in: backstay login " + ownServer)
	}
	return backstay.Errorf(backstay.SignIn, "you are not signed in at %s", server).WithHint("Sign in: backstay login " + server)
}

// trustOfEnvironment says which certificates programs trust.
func (p *program) trustOfEnvironment() (opt client.Options, err error) {
	opt = client.Options{Fingerprint: p.sys.Getenv("BACKSTAY_SERVER_FINGERPRINT"), Agent: agent()}
	if file := p.sys.Getenv("BACKSTAY_SERVER_CA"); file != "" {
		if opt.CA, err = os.ReadFile(file); err != nil {
			return opt, fmt.Errorf("BACKSTAY_SERVER_CA: %w", err)
		}
	}
	return opt, nil
}

// asker is a command that asks a server: it gets the client, and repeats what asks for a confirmation once that was given.
type asker struct {
	*program
	*client.Client
	confirm bool
}

// onServer runs a command that asks the server.
func (p *program) onServer(cmd *cobra.Command, confirm bool, fn func(ctx context.Context, s asker) error) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	s := asker{p, c, confirm}
	err = fn(cmd.Context(), s)
	var e *backstay.Error
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.Kind == backstay.Unconfirmed && s.mayConfirm():
		if err := s.confirmSignIn(cmd.Context()); err != nil {
			return err
		}
		return fn(cmd.Context(), s) // what was refused did nothing
	case e.Kind == backstay.Unconfirmed:
		return e.WithHint("Run it on a terminal, or with --confirm.")
	case e.Kind == backstay.SignIn && p.sys.Getenv("BACKSTAY_TOKEN") != "":
		return e.WithHint("The token of BACKSTAY_TOKEN may have expired, or was revoked.")
	case e.Kind == backstay.SignIn:
		return backstay.Errorf(backstay.SignIn, "the session at %s is over: %w", c.URL(), e).WithHint("Sign in again: backstay login " + c.URL())
	}
	return err
}

// mayConfirm reports whether there is somebody to ask.
func (s asker) mayConfirm() bool { return s.confirm || isTerminal(s.sys.Stdin) }

// confirmSignIn asks for what proves that it is still the same person: a code where the account has a second factor, else the password.
func (s asker) confirmSignIn(ctx context.Context) error {
	var me backstay.User
	if err := s.Do(ctx, client.Profile, client.Request{}, &me); err != nil {
		return err
	}
	s.notice("The server asks you to confirm that it is you.")
	body := map[string]string{}
	var err error
	if me.MFA {
		body["code"], err = s.askLine("Code of your authenticator app")
	} else {
		body["password"], err = s.accountPassword(ctx, "Password of "+me.Email, false)
	}
	if err != nil {
		return err
	}
	return s.Do(ctx, client.Confirm, client.Request{Body: body}, nil)
}

// accountPassword returns the password of an account: from the file or command that the flags name, or as somebody types it. The
// variables with the password of a repository are left alone: it is none of the server's business.
func (p *program) accountPassword(ctx context.Context, prompt string, repeat bool) (password string, err error) {
	switch source := p.flags.targets.fallback; {
	case source.command != "":
		password, err = p.passwordFromCommand(ctx, source.command)
	case source.file != "":
		password, err = readText("password", source.file)
	default:
		password, err = p.askPassword(ctx, prompt, repeat)
	}
	if err == nil && password == "" {
		err = backstay.Errorf(backstay.Invalid, "no password is given").WithHint("Type it, or name a file with --password-file.")
	}
	return password, err
}

// askLine has somebody type a line, which may be seen, or reads one where standard input is no terminal.
func (p *program) askLine(prompt string) (string, error) {
	if f, ok := p.sys.Stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if _, err := fmt.Fprintf(p.sys.Stderr, "%s: ", prompt); err != nil {
			return "", err
		}
	}
	line, err := readLine(p.sys.Stdin)
	return strings.TrimSpace(line), err
}

// registerConfirm gives a command that may ask for a confirmation the flag for it.
func registerConfirm(cmd *cobra.Command, confirm *bool) {
	cmd.Flags().BoolVar(confirm, "confirm", false, "confirm what the server asks for by your password, or by a code, also where standard input is no terminal")
}
