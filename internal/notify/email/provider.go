package email

import (
	"net"
	"net/mail"
	"strconv"

	gomail "github.com/wneessen/go-mail"

	"github.com/backstay/backstay/internal/notify"
	"github.com/backstay/backstay/settings"
)

// The ways in which a connection is secured.
const (
	startTLS    = "starttls"
	implicitTLS = "tls"
	none        = "none"
)

// Provider is the kind of channel that is mail.
var Provider = notify.Provider{Kind: "email", Title: "E-mail", Open: open, Fields: []settings.Field{
	host,
	port,
	security,
	{Name: "user", Title: "User", Help: "With which Backstay signs in at the server; often the whole address. Empty: it doesn't."},
	{Name: "password", Title: "Password", Kind: settings.Secret, Help: "Of the user; some providers want one made for a single program."},
	from,
	to,
	notify.Certificate,
}}

var (
	host     = settings.Field{Name: "host", Title: "Server", Required: true, Help: "The name of the mail server, such as smtp.example.com."}
	port     = settings.Field{Name: "port", Title: "Port", Kind: settings.Number, Help: "Default 587, with TLS from the start 465, without encryption 25."}
	security = settings.Field{Name: "security", Title: "Security", Kind: settings.Choice, Choices: []string{startTLS, implicitTLS, none}, Default: startTLS,
		Help: "How the connection is encrypted: by the command STARTTLS, or with TLS from its start. Without encryption mail goes to this machine only."}
	from = settings.Field{Name: "from", Title: "From", Required: true, Help: "The sender's address, such as Backstay <backup@example.com>."}
	to   = settings.Field{Name: "to", Title: "To", Required: true, Help: "Who gets the mail: addresses with commas between."}
)

// maxTo is how many people a channel reaches at most: mail servers let no more than 100 through.
const maxTo = 100

func open(v settings.Values, env notify.Env) (notify.Channel, error) {
	c := &channel{env: env}
	var err error
	if c.from, err = mail.ParseAddress(v["from"]); err != nil {
		return nil, &settings.Error{Field: from, Why: "want an address such as backup@example.com"}
	}
	if c.to, err = mail.ParseAddressList(v["to"]); err != nil || len(c.to) > maxTo {
		return nil, &settings.Error{Field: to, Why: "want up to 100 addresses such as admin@example.com, with commas between"}
	}
	number := int(min(v.Int("port"), 1<<16))
	if number == 0 {
		number = map[string]int{startTLS: 587, implicitTLS: 465, none: 25}[v["security"]]
	}
	if number >= 1<<16 {
		return nil, &settings.Error{Field: port, Why: "want a port: 1 to 65535"}
	}
	config, err := notify.TLS(v)
	if err != nil {
		return nil, err
	}
	config.ServerName = v["host"]
	c.server = &server{host: v["host"], address: net.JoinHostPort(v["host"], strconv.Itoa(number)), security: v["security"], dial: env.Dial, config: config,
		hidden: notify.Hide(v["password"], "\x00"+v["user"]+"\x00"+v["password"])}
	c.server.options = []gomail.Option{gomail.WithPort(number), gomail.WithHELO(env.Hostname), gomail.WithTLSConfig(config),
		gomail.WithTLSPolicy(policy(v["security"]))}
	if v["user"] != "" {
		c.server.options = append(c.server.options, gomail.WithUsername(v["user"]), gomail.WithPassword(v["password"]),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
	}
	return c, nil
}

// policy returns what go-mail is to do by itself: TLS from the start is ours.
func policy(security string) gomail.TLSPolicy {
	if security == startTLS {
		return gomail.TLSMandatory
	}
	return gomail.NoTLS
}
