package cli

import (
	"cmp"
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/cli/session"
	"github.com/backstay/backstay/internal/client"
	"github.com/backstay/backstay/internal/doctor"
)

// signIn is what a login was told by flags.
type signIn struct {
	email, name, fingerprint, ca string
	claim, ticket, forgotten     bool
}

func (p *program) newLogin() *cobra.Command {
	var in signIn
	cmd := &cobra.Command{
		Use:   "login [URL]",
		Short: "Sign in at a server",
		Long: `Sign in at a server; the commands that need one ask it from then on. Without an address it is the server of this machine, at
` + ownServer + `, or the one where you were last.

The e-mail address and the password are asked for, and a code where your account has a second factor. Where standard input is no terminal its lines
are taken. --password-file and --password-command give the password of the account.

With --claim the first account of a new server is made, with the code that its console shows. That account may do everything. With --ticket a person who has
none yet, or has lost it, chooses a password: the ticket is asked for, and is good once. With --forgotten one is mailed to the address of your account, if
the server mails links.

The session is kept in $XDG_CONFIG_HOME/backstay/session.json, for your eyes only. If nobody vouches for the certificate of the server its fingerprint is shown:
compare it with what the server's console shows, since from then on just this certificate is trusted.

Programs don't sign in: they set BACKSTAY_SERVER and BACKSTAY_TOKEN, an API token, and, for a certificate that the system doesn't trust,
BACKSTAY_SERVER_CA, a PEM file, or BACKSTAY_SERVER_FINGERPRINT.`,
		Example: `  backstay login
  backstay login --claim
  backstay login https://backup.example.org:8484 --email ada@example.org`,
		Args: wants(0, 1, "one address"),
		RunE: func(cmd *cobra.Command, args []string) error { return p.login(cmd.Context(), args, in) },
	}
	f := cmd.Flags()
	f.StringVar(&in.email, "email", "", "e-mail `address` of the account")
	f.StringVar(&in.name, "name", "", "`name` of the person, for --claim")
	f.BoolVar(&in.claim, "claim", false, "make the first account of a new server")
	f.BoolVar(&in.ticket, "ticket", false, "choose a password with the ticket of 'backstay user link'")
	f.BoolVar(&in.forgotten, "forgotten", false, "have a ticket mailed, for --ticket")
	f.StringVar(&in.fingerprint, "fingerprint", "", "SHA-256 `fingerprint` of the server's own certificate")
	f.StringVar(&in.ca, "ca-file", "", "PEM `FILE` with the certificates to trust instead of the system's")
	return withCodes(cmd, 0, 1, 2, 5, 130)
}

func (p *program) login(ctx context.Context, args []string, in signIn) error {
	opt, old, err := p.loginTarget(args, in)
	if err != nil {
		return err
	}
	if opt.Fingerprint == "" {
		if opt.Fingerprint, err = p.trust(ctx, opt, old); err != nil {
			return err
		}
	}
	c, err := client.New(opt)
	if err != nil {
		return err
	}
	enter := p.enter
	switch {
	case in.claim && in.ticket, in.claim && in.forgotten, in.ticket && in.forgotten:
		return backstay.Errorf(backstay.Invalid, "--claim, --ticket and --forgotten exclude each other").WithHint("--claim is for the first account, --ticket for all others who have a ticket, --forgotten to get one.")
	case in.forgotten:
		return p.forgotten(ctx, c, in, old.Email)
	case in.claim:
		enter = p.claim
	case in.ticket:
		enter = p.useTicket
	}
	signed, err := enter(ctx, c, in, old.Email)
	if err != nil {
		return err
	}
	s := session.Session{Server: c.URL(), Email: signed.User.Email, Fingerprint: opt.Fingerprint, CA: string(opt.CA), Cookie: signed.Cookie}
	if err := s.Save(p.sessionFile()); err != nil {
		return err
	}
	return p.say("signed in at %s as %s", c.URL(), p.name(signed.User.Email))
}

// loginTarget returns which server is meant and which certificates are trusted, and the session there was at that server.
func (p *program) loginTarget(args []string, in signIn) (opt client.Options, old session.Session, err error) {
	old, _, err = session.Load(p.sessionFile())
	if err != nil {
		old = session.Session{} // it is replaced
	}
	opt = client.Options{URL: ownServer, Fingerprint: in.fingerprint, Agent: agent()}
	switch env := p.sys.Getenv("BACKSTAY_SERVER"); {
	case len(args) > 0:
		opt.URL = args[0]
	case env != "":
		opt.URL = env
	case old.Server != "":
		opt.URL = old.Server
	}
	u, err := client.ParseURL(opt.URL)
	if err != nil {
		return opt, old, err
	}
	if opt.URL = u.String(); opt.URL != old.Server {
		old = session.Session{}
	}
	if in.ca != "" {
		if opt.CA, err = os.ReadFile(in.ca); err != nil {
			return opt, old, err
		}
	}
	return opt, old, nil
}

// trust returns the fingerprint of a certificate that nobody vouches for, once somebody has confirmed it; "" if none is needed.
func (p *program) trust(ctx context.Context, opt client.Options, old session.Session) (string, error) {
	shown, err := client.Untrusted(ctx, opt)
	if err != nil || shown == "" {
		return "", err
	}
	known := backstay.Errorf(backstay.Failed, "nobody vouches for the certificate of %s, with the fingerprint %s", opt.URL, shown)
	if old.Fingerprint == shown {
		return shown, nil
	}
	if old.Fingerprint != "" {
		known = backstay.Errorf(backstay.Failed, "the certificate of %s is another one than before: its fingerprint is %s", opt.URL, shown)
	}
	if !isTerminal(p.sys.Stdin) {
		return "", refusedCertificate(known, "Compare it with what the server's console shows, then give it: --fingerprint "+shown)
	}
	p.notice(known.Msg)
	answer, err := p.askLine("Is that what the console of the server shows? Type yes, or the fingerprint")
	if err != nil {
		return "", err
	}
	typed, err := client.ParseFingerprint(answer)
	if strings.EqualFold(answer, "yes") || err == nil && typed == shown {
		return shown, nil
	}
	return "", refusedCertificate(known, "You did not confirm it, so nothing was sent to it.")
}

func refusedCertificate(e *backstay.Error, hint string) error {
	return doctor.Mark(e.WithHint(hint), "certificate-refused")
}

// enter signs in. Where no address is typed it is that of the last time.
func (p *program) enter(ctx context.Context, c *client.Client, in signIn, last string) (signed client.SignedIn, err error) {
	if in.email == "" {
		prompt := "E-mail address"
		if last != "" {
			prompt += " [" + last + "]"
		}
		if in.email, err = p.askLine(prompt); err != nil {
			return signed, err
		}
		if in.email == "" {
			in.email = last
		}
	}
	password, err := p.accountPassword(ctx, "Password of "+in.email, false)
	if err != nil {
		return signed, err
	}
	if signed, err = c.SignIn(ctx, client.Credentials{Email: in.email, Password: password}); err != nil || !signed.NeedsCode {
		return signed, err
	}
	code, err := p.askLine("Code of your authenticator app")
	if err != nil {
		return signed, err
	}
	return c.With(signed.Cookie).ShowCode(ctx, code)
}

func (p *program) claim(ctx context.Context, c *client.Client, in signIn, _ string) (signed client.SignedIn, err error) {
	account := client.Account{Name: in.name, Email: in.email}
	for _, q := range []struct {
		value  *string
		prompt string
	}{{&account.Code, "Code that the console of the server shows"}, {&account.Name, "Your name"}, {&account.Email, "E-mail address"}} {
		if *q.value == "" {
			if *q.value, err = p.askLine(q.prompt); err != nil {
				return signed, err
			}
		}
	}
	if account.Password, err = p.accountPassword(ctx, "New password for "+account.Email, true); err != nil {
		return signed, err
	}
	return c.Claim(ctx, account)
}

// useTicket chooses a password.
func (p *program) useTicket(ctx context.Context, c *client.Client, _ signIn, _ string) (signed client.SignedIn, err error) {
	ticket, err := p.askLine("Ticket that you were given")
	if err != nil {
		return signed, err
	}
	password, err := p.accountPassword(ctx, "New password", true)
	if err != nil {
		return signed, err
	}
	return c.UseLink(ctx, ticket, password)
}

// forgotten has a ticket mailed.
func (p *program) forgotten(ctx context.Context, c *client.Client, in signIn, last string) (err error) {
	email := cmp.Or(in.email, last)
	if email == "" {
		if email, err = p.askLine("E-mail address"); err != nil {
			return err
		}
	}
	if err := c.Do(ctx, client.ForgotPassword, client.Request{Body: map[string]string{"email": email}}, nil); err != nil {
		return err
	}
	return p.say("if %s has an account at %s, a link is on its way to it. What follows the # in it is the ticket: backstay login %s --ticket", p.name(email), c.URL(), c.URL())
}

func (p *program) newLogout() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "logout",
		Short:   "End the session at the server",
		Long:    `End the session at the server, and forget it here.`,
		Example: `  backstay logout`,
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.logout(cmd.Context()) },
	}
	return withCodes(cmd, 0, 1, 2)
}

func (p *program) logout(ctx context.Context) error {
	s, found, err := session.Load(p.sessionFile())
	if err != nil {
		return err
	}
	if !found {
		return p.say("you are signed in at no server")
	}
	c, err := client.New(client.Options{URL: s.Server, CA: []byte(s.CA), Fingerprint: s.Fingerprint, Cookie: s.Cookie, Agent: agent()})
	if err == nil {
		err = c.Do(ctx, client.SignOut, client.Request{}, nil)
	}
	if err := session.Remove(p.sessionFile()); err != nil {
		return err
	}
	if err != nil && explain(err).Kind != backstay.SignIn { // then it was over already
		return backstay.Errorf(backstay.Failed, "the session is forgotten here, but not ended: %w", err).WithHint("It can be ended from another session of yours, and ends by itself.")
	}
	return p.say("signed out at %s", s.Server)
}

func (p *program) newWhoami() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "whoami",
		Short:   "Show at which server you are signed in, and as whom",
		Long:    `Show at which server you are signed in, and as whom.`,
		Example: `  backstay whoami`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error {
				var me backstay.User
				if err := s.Do(ctx, client.Profile, client.Request{}, &me); err != nil {
					return err
				}
				if p.flags.json {
					return p.printJSON(map[string]any{"server": s.URL(), "user": me})
				}
				return p.printf("%s <%s> at %s\n", p.name(me.Name), p.name(me.Email), s.URL())
			})
		},
	}
	return withCodes(cmd, 0, 1, 2, 5)
}
