// Package chat sends messages to chat and push services, whose addresses are written as shoutrrr has them (https://shoutrrr.nickfedor.com).
//
// Shoutrrr reads the addresses, and builds the bodies of those services where it lets others do so. It doesn't send: its services connect by
// http.DefaultClient and the like, follow redirections, know no context, and retry by themselves, so that nothing would keep an address
// that somebody gave from reaching into the network of the server. Requests are made by notify.HTTP instead, as those of all channels.
//
// One channel reaches one chat: if there were two, and one of them failed, another attempt would bring the message to the first one again.
// In a message nobody is called by name: what would ring for all members of a chat, such as @everyone, is written so that it doesn't.
package chat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/backstay/backstay/internal/notify"
	"github.com/backstay/backstay/settings"
)

// Provider is the kind of channel that is a chat.
var Provider = notify.Provider{Kind: "chat", Title: "Chat or push service", Open: open, Fields: []settings.Field{address, notify.Certificate}}

var address = settings.Field{Name: "url", Title: "Address", Required: true, Kind: settings.Secret,
	Help: "As shoutrrr has it, such as slack://hook:TOKEN@webhook. It is kept secret, since the service's token is in it. Known are " + known() + "."}

// request is one that brings a message to a service.
type request struct {
	method, url string
	header      http.Header
	body        string
}

// service is one that has addresses of a scheme.
type service struct {
	scheme string
	form   string // how its addresses are written
	limit  int    // how many bytes of text it takes
	// read returns what makes the request for a text, for an address that shoutrrr understands. Its errors say nothing of the address.
	read func(u *url.URL) (compose, error)
	// check returns the error that stands in an answer of success; nil: there is none.
	check func(answer []byte) error
}

// compose makes the request that brings a message, whose text is cut to the service's size.
type compose func(m notify.Message, text string) (request, error)

func known() string {
	var all []string
	for _, s := range services() {
		all = append(all, s.scheme)
	}
	return strings.Join(all, ", ")
}

func open(v settings.Values, env notify.Env) (notify.Channel, error) {
	wrong := func(why string) error { return &settings.Error{Field: address, Why: why} }
	u, err := url.Parse(v["url"])
	if err != nil {
		return nil, wrong("it can't be read: special characters in it are percent-encoded") // the error shows it
	}
	name, inner, custom := strings.Cut(u.Scheme, "+")
	i := slices.IndexFunc(services(), func(s service) bool { return s.scheme == name })
	if i < 0 || custom && (name != "generic" || inner != "https" && inner != "http") {
		return nil, wrong("the service isn't known: want one of " + known())
	}
	s := services()[i]
	c, err := read(s, u)
	if err != nil {
		return nil, wrong(err.Error())
	}
	config, err := notify.TLS(v)
	if err != nil {
		return nil, err
	}
	to, err := target(c)
	if err != nil {
		return nil, wrong(err.Error())
	}
	return &channel{service: s, compose: c, http: notify.NewHTTP(env, config, secrets(u, to)...)}, nil
}

// read has a service read an address. Shoutrrr's readers show the address in their errors, and some of them panic at odd ones.
func read(s service, u *url.URL) (c compose, err error) {
	defer func() {
		if recover() != nil {
			err = errUnread
		}
	}()
	if c, err = s.read(u); errors.Is(err, errUnread) {
		err = fmt.Errorf("%w for %s: want %s", errUnread, s.scheme, s.form)
	}
	return c, err
}

var errUnread = errors.New("the address isn't right")

// target returns where requests go.
func target(c compose) (*url.URL, error) {
	r, err := c(notify.Message{}, "")
	if err != nil {
		return nil, err
	}
	to, err := url.Parse(r.url)
	if err != nil || to.Hostname() == "" || to.Scheme != "https" && to.Scheme != "http" {
		return nil, errUnread
	}
	return to, nil
}

// minToken is how short a token of a service is at least. What is shorter is a word such as "json", or the name of a user.
const minToken = 8

// secrets returns what of an address is not to be shown: also its host if that isn't the service's, and what requests are made of from it.
func secrets(u, to *url.URL) []string {
	user := u.User.Username()
	password, _ := u.User.Password()
	all := []string{u.String(), to.String(), password, user + ":" + password}
	parts := append(strings.Split(u.Path, "/"), user, u.RawQuery, to.RawQuery)
	for _, values := range u.Query() {
		parts = append(parts, values...)
	}
	if u.Hostname() != to.Hostname() {
		parts = append(parts, u.Host)
	}
	for part := range strings.SplitSeq(to.Path, "/") {
		if strings.Contains(u.String(), part) {
			parts = append(parts, part)
		}
	}
	for _, part := range parts {
		if len(part) >= minToken {
			all = append(all, part)
		}
	}
	return all
}

type channel struct {
	service service
	compose compose
	http    *notify.HTTP
}

// Send implements notify.Channel.
func (c *channel) Send(ctx context.Context, m notify.Message) error {
	m = m.Clean()
	r, err := c.compose(m, m.Plain(c.service.limit))
	if err != nil {
		return err
	}
	answer, err := c.http.Do(ctx, r.method, r.url, r.header, r.body)
	if err != nil || c.service.check == nil {
		return err
	}
	if err := c.service.check(answer); err != nil {
		return fmt.Errorf("%s says: %s", c.service.scheme, c.http.Quote(err.Error()))
	}
	return nil
}
