package sms

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/backstay/backstay/internal/notify"
	"github.com/backstay/backstay/settings"
)

// Form is the kind of channel that posts a form to a service, as most that send texts take it.
var Form = notify.Provider{Kind: "sms-form", Title: "SMS by a form over HTTP", Open: openForm, Fields: []settings.Field{
	formAddress, formFields,
	{Name: "to", Title: "To", Required: true, Help: "The number of the phone, as the service wants it. For another phone make another channel."},
	{Name: "user", Title: "User", Help: "For HTTP basic authentication, if the service wants it."},
	{Name: "password", Title: "Password", Kind: settings.Secret, Help: "For HTTP basic authentication, if the service wants it."},
	{Name: "authorization", Title: "Authorization", Kind: settings.Secret,
		Help: "The header Authorization as the service wants it, such as Bearer and a token; then without user and password."},
	notify.Certificate,
}}

var (
	formAddress = settings.Field{Name: "url", Title: "Address", Required: true, Kind: settings.Secret,
		Help: "Where the form is posted to, such as https://sms.example/send. It is kept secret, since some hold a token."}
	formFields = settings.Field{Name: "form", Title: "Form", Required: true, Kind: settings.Pages,
		Help: "The fields, one a line, such as message={text}. In a value {to} stands for the number, {text} for the text, {id} for what is the " +
			"same if a text is sent again. It is kept secret, since there may be a key in it."}
)

func openForm(v settings.Values, env notify.Env) (notify.Channel, error) {
	u, err := url.Parse(v["url"])
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		return nil, &settings.Error{Field: formAddress, Why: "want https://HOST/PATH, with user and password in their own settings"}
	}
	f := &formChannel{address: v["url"], to: v["to"]}
	secrets := []string{v["url"], u.Path, u.RawQuery, v["password"], v["user"] + ":" + v["password"], v["authorization"],
		strings.TrimPrefix(v["authorization"], "Bearer ")}
	for line := range strings.Lines(v["form"]) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		if !found || name == "" {
			return nil, &settings.Error{Field: formFields, Why: "want NAME=VALUE on each line"}
		}
		f.fields = append(f.fields, [2]string{name, value})
		if !strings.Contains(value, "{") {
			secrets = append(secrets, value)
		}
	}
	if !strings.Contains(v["form"], "{text}") {
		return nil, &settings.Error{Field: formFields, Why: "no value has {text} in it, so the message would not arrive"}
	}
	config, err := notify.TLS(v)
	if err != nil {
		return nil, err
	}
	f.header = form(v["user"], v["password"])
	if v["authorization"] != "" {
		f.header.Set("Authorization", v["authorization"])
	}
	f.http = notify.NewHTTP(env, config, secrets...)
	return f, nil
}

type formChannel struct {
	http        *notify.HTTP
	header      http.Header
	address, to string
	fields      [][2]string // names and templates
}

// Send implements notify.Channel.
func (f *formChannel) Send(ctx context.Context, m notify.Message) error {
	m = m.Clean()
	fill := strings.NewReplacer("{to}", f.to, "{text}", text(m), "{id}", m.Ref())
	values := url.Values{}
	for _, field := range f.fields {
		values.Add(field[0], fill.Replace(field[1]))
	}
	_, err := f.http.Do(ctx, http.MethodPost, f.address, f.header.Clone(), values.Encode())
	return err
}
