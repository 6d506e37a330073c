package chat

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/signal"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/opsgenie"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/pagerduty"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/gotify"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ntfy"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushover"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/specialized/generic"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"github.com/backstay/backstay/internal/notify"
)

// pushServices are those that bring messages to phones, wake people, or are none in particular.
func pushServices() []service {
	return []service{
		{"generic", "generic://HOST/PATH?template=json", 16000, readGeneric, nil},
		{"gotify", "gotify://HOST/TOKEN", 16000, readGotify, nil},
		{"ntfy", "ntfy://USER:PASSWORD@HOST/TOPIC", 3900, readNtfy, nil},
		{"opsgenie", "opsgenie://api.opsgenie.com/KEY", 14000, readOpsgenie, nil},
		{"pagerduty", "pagerduty://events.pagerduty.com/KEY", 1000, readPagerDuty, nil},
		{"pushover", "pushover://shoutrrr:TOKEN@USER/?devices=DEVICE", 1000, readPushover, nil},
		{"signal", "signal://USER:PASSWORD@HOST:PORT/FROM/TO", 2000, readSignal, nil},
	}
}

// readGeneric reads the address of any receiver. Shoutrrr doesn't give out the headers that may stand in one.
func readGeneric(u *url.URL) (compose, error) {
	if strings.Contains(u.Scheme, "+") {
		var err error
		if u, err = new(generic.Service).GetConfigURLFromCustom(u); err != nil {
			return nil, errUnread
		}
	}
	c, _ := generic.DefaultConfig()
	if c.SetURL(u) != nil || u.Host == "" || strings.Contains(u.RawQuery, "@") || strings.Contains(u.RawQuery, "%40") {
		return nil, errUnread
	}
	s := &generic.Service{Config: c}
	return func(m notify.Message, text string) (request, error) {
		payload, err := s.GetPayload(c, types.Params{c.TitleKey: m.Subject, c.MessageKey: text})
		if err != nil {
			return request{}, errUnread // of the template
		}
		body, err := io.ReadAll(payload)
		kind := c.ContentType
		if c.Template == "" {
			kind = "text/plain; charset=utf-8"
		}
		r := post(c.WebhookURL().String(), nil, kind, string(body))
		r.method = strings.ToUpper(c.RequestMethod)
		return r, err
	}, nil
}

func readGotify(u *url.URL) (compose, error) {
	var c gotify.Config
	if c.SetURL(u) != nil || c.Host == "" || c.Token == "" || c.InsecureSkipVerify {
		return nil, errUnread
	}
	to := &url.URL{Scheme: scheme(c.DisableTLS), Host: c.Host, Path: strings.TrimSuffix(c.Path, "/") + "/message"}
	return func(m notify.Message, text string) (request, error) {
		// The token is in the header: in an address it would stand in logs.
		return postJSON(to.String(), http.Header{"X-Gotify-Key": {c.Token}}, map[string]any{"title": m.Subject, "message": text, "priority": level(m, 2, 4, 6, 9)})
	}, nil
}

func readNtfy(u *url.URL) (compose, error) {
	c := ntfy.Config{Scheme: "https", Cache: true, Firebase: true}
	if c.SetURL(u) != nil || c.DisableTLSVerification || strings.Contains(c.Topic, "/") {
		return nil, errUnread
	}
	if c.Host == "" {
		c.Host = "ntfy.sh"
	}
	to := &url.URL{Scheme: scheme(c.DisableTLS || c.Scheme == "http"), Host: c.Host, Path: "/"}
	return func(m notify.Message, text string) (request, error) {
		payload := map[string]any{"topic": c.Topic, "title": m.Subject, "message": text, "priority": level(m, 3, 3, 4, 5), "tags": append([]string{}, c.Tags...)}
		if m.Link != "" {
			payload["click"] = m.Link
		}
		return postJSON(to.String(), basic(c.Username, c.Password), payload)
	}, nil
}

func readOpsgenie(u *url.URL) (compose, error) {
	var c opsgenie.Config
	if c.SetURL(u) != nil || c.Host == "" || c.APIKey == "" {
		return nil, errUnread
	}
	to := fmt.Sprintf("https://%s:%d/v2/alerts", c.Host, c.Port)
	return func(m notify.Message, text string) (request, error) {
		return postJSON(to, bearer("GenieKey", c.APIKey), map[string]any{"message": notify.Cut(m.Subject, 130), "alias": thread(m), "description": text,
			"source": "Backstay", "tags": append([]string{}, c.Tags...), "priority": level(m, "P5", "P4", "P3", "P1")})
	}, nil
}

func readPagerDuty(u *url.URL) (compose, error) {
	c := pagerduty.Config{Host: "events.pagerduty.com", Port: 443}
	if c.SetURL(u) != nil {
		return nil, errUnread
	}
	to := fmt.Sprintf("https://%s:%d/v2/enqueue", c.Host, c.Port)
	return func(m notify.Message, text string) (request, error) {
		return postJSON(to, nil, map[string]any{"routing_key": c.IntegrationKey, "event_action": "trigger", "dedup_key": thread(m),
			"payload": map[string]any{"summary": text, "source": "Backstay", "severity": level(m, "info", "warning", "error", "critical")}})
	}, nil
}

func readPushover(u *url.URL) (compose, error) {
	var c pushover.Config
	if c.SetURL(u) != nil {
		return nil, errUnread
	}
	return func(m notify.Message, text string) (request, error) {
		values := url.Values{"token": {c.Token}, "user": {c.User}, "title": {m.Subject}, "message": {text}, "priority": {level(m, "-1", "0", "0", "1")}}
		if len(c.Devices) > 0 {
			values.Set("device", strings.Join(c.Devices, ","))
		}
		return postForm("https://api.pushover.net/1/messages.json", nil, values), nil
	}, nil
}

func readSignal(u *url.URL) (compose, error) {
	var c signal.Config
	if c.SetURL(u) != nil || c.Host == "" || len(c.Recipients) != 1 {
		return nil, errUnread
	}
	header := basic(c.User, c.Password)
	if c.Token != "" {
		header = bearer("Bearer", c.Token)
	}
	to := scheme(c.DisableTLS) + "://" + net.JoinHostPort(strings.Trim(c.Host, "[]"), strconv.Itoa(c.Port)) + "/v2/send"
	return func(_ notify.Message, text string) (request, error) {
		return postJSON(to, header, map[string]any{"message": text, "number": c.Source, "recipients": c.Recipients})
	}, nil
}
