// Package sms sends messages as short texts to a phone: by Twilio, or by any service that takes a form over HTTP.
//
// A channel has one number: if there were two, and one of them failed, another attempt would bring the text to the first one again.
package sms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/backstay/backstay/internal/notify"
	"github.com/backstay/backstay/settings"
)

// Twilio is the kind of channel that sends texts by Twilio's Messages resource (https://www.twilio.com/docs/messaging/api/message-resource).
var Twilio = notify.Provider{Kind: "sms-twilio", Title: "SMS by Twilio", Open: openTwilio, Fields: []settings.Field{
	account,
	{Name: "user", Title: "API key", Help: "The SID of an API key, which begins with SK. Without one the token is that of the account."},
	{Name: "token", Title: "Token", Kind: settings.Secret, Required: true, Help: "The secret of the API key, or the token of the account."},
	{Name: "from", Title: "From", Required: true,
		Help: "The number that you have of Twilio, as +15551234567, a sender's name, or the SID of a messaging service, which begins with MG."},
	number,
	apiAddress,
	notify.Certificate,
}}

var (
	account = settings.Field{Name: "account", Title: "Account", Required: true, Help: "The SID of the account, which begins with AC."}
	number  = settings.Field{Name: "to", Title: "To", Required: true,
		Help: "The number of the phone, with the country, as +15557654321. For another phone make another channel."}
	apiAddress = settings.Field{Name: "url", Title: "Address", Default: "https://api.twilio.com",
		Help: "Of Twilio's API; another one for another region, such as https://api.dublin.ie1.twilio.com."}
)

var (
	accountSID = regexp.MustCompile(`^AC[0-9a-fA-F]{32}$`)
	phone      = regexp.MustCompile(`^\+[1-9][0-9]{4,14}$`)
)

func openTwilio(v settings.Values, env notify.Env) (notify.Channel, error) {
	if !accountSID.MatchString(v["account"]) {
		return nil, &settings.Error{Field: account, Why: "want AC and 32 hexadecimal digits"}
	}
	if !phone.MatchString(v["to"]) {
		return nil, &settings.Error{Field: number, Why: "want a number with its country, as +15557654321"}
	}
	u, err := url.Parse(v["url"])
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, &settings.Error{Field: apiAddress, Why: "want https://HOST"} // the token goes there
	}
	config, err := notify.TLS(v)
	if err != nil {
		return nil, err
	}
	t := &twilio{address: "https://" + u.Host + "/2010-04-01/Accounts/" + v["account"] + "/Messages.json", from: v["from"], to: v["to"]}
	user := v["user"]
	if user == "" {
		user = v["account"]
	}
	t.header, t.http = form(user, v["token"]), notify.NewHTTP(env, config, v["token"], user+":"+v["token"])
	return t, nil
}

type twilio struct {
	http              *notify.HTTP
	header            http.Header
	address, from, to string
}

// Send implements notify.Channel.
func (t *twilio) Send(ctx context.Context, m notify.Message) error {
	values := url.Values{"To": {t.to}, "Body": {text(m.Clean())}}
	if strings.HasPrefix(t.from, "MG") {
		values.Set("MessagingServiceSid", t.from)
	} else {
		values.Set("From", t.from)
	}
	answer, err := t.http.Do(ctx, http.MethodPost, t.address, t.header.Clone(), values.Encode())
	if err != nil {
		return err
	}
	return t.taken(answer)
}

// taken returns the error of an answer that says that the text won't be sent.
func (t *twilio) taken(answer []byte) error {
	var sent struct {
		SID     string `json:"sid"`
		Status  string `json:"status"`
		Code    *int   `json:"error_code"`
		Message string `json:"error_message"`
	}
	if err := json.Unmarshal(answer, &sent); err != nil || sent.SID == "" {
		return errors.New("the receiver's answer isn't one of Twilio's")
	}
	if sent.Status == "failed" || sent.Status == "undelivered" || sent.Status == "canceled" {
		code := 0
		if sent.Code != nil {
			code = *sent.Code
		}
		return fmt.Errorf("%w: Twilio says %s, error %d: %q", notify.ErrRefused, t.http.Quote(sent.Status), code, t.http.Quote(sent.Message))
	}
	return nil
}

// form returns the header of a request that posts a form.
func form(user, password string) http.Header {
	h := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	if user != "" || password != "" {
		r := http.Request{Header: h}
		r.SetBasicAuth(user, password)
	}
	return h
}
