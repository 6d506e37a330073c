package chat

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/backstay/backstay/internal/guard"
	"github.com/backstay/backstay/internal/notify/notifytest"
	"github.com/backstay/backstay/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// token is in every address.
const token = "TOKEN123secret456TOKEN789"

// cases are one address of each service, where the request is to go, and the field of the body in which the text is.
var cases = []struct {
	scheme, address, host, request, text, answer string
	secrets                                      []string
}{
	{"discord", "discord://" + token + "@1234567890", "discord.com", "POST /api/webhooks/1234567890/" + token, "content", "", nil},
	{"googlechat", "googlechat://chat.googleapis.com/v1/spaces/FOO/messages?key=KEY-" + token + "&token=" + token, "chat.googleapis.com",
		"POST /v1/spaces/FOO/messages?key=KEY-" + token + "&token=" + token, "text", "{}", nil},
	{"matrix", "matrix://:" + token + "@matrix.example:8448/?rooms=!abc:matrix.example", "matrix.example:8448",
		"PUT /_matrix/client/v3/rooms/!abc:matrix.example/send/m.room.message/backstay-ca0df2c9-m1", "body", `{"event_id":"x"}`, nil},
	{"mattermost", "mattermost://bot@chat.example/" + token + "/town-square", "chat.example", "POST /hooks/" + token, "text", "ok", nil},
	{"rocketchat", "rocketchat://chat.example/" + token + "/B" + token + "/general", "chat.example", "POST /hooks/" + token + "/B" + token, "text", `{"success":true}`, nil},
	{"slack", "slack://hook:T00000000-B00000000-abcdefghijklmnopqrstuvwx@webhook", "hooks.slack.com", "POST /services/T00000000/B00000000/abcdefghijklmnopqrstuvwx",
		"text", "ok", []string{"abcdefghijklmnopqrstuvwx"}},
	{"slack", "slack://xoxb:123456789012-1234567890123-4mt0t4l1YL3g1T5L4cK70k3N@C001CH4NN3L", "slack.com", "POST /api/chat.postMessage", "text", `{"ok":true}`,
		[]string{"4mt0t4l1YL3g1T5L4cK70k3N", "1234567890123"}},
	{"teams", "teams://11111111-4444-4444-8444-cccccccccccc@22222222-4444-4444-8444-cccccccccccc/33333333012222222222333333333344/44444444-4444-4444-8444-cccccccccccc/" +
		token + "?host=org.webhook.office.com", "org.webhook.office.com", "POST /webhookb2/11111111-4444-4444-8444-cccccccccccc@22222222-4444-4444-8444-cccccccccccc/" +
		"IncomingWebhook/33333333012222222222333333333344/44444444-4444-4444-8444-cccccccccccc/" + token, "sections.0.text", "1", nil},
	{"telegram", "telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=-1001234", "api.telegram.org",
		"POST /bot110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/sendMessage", "text", `{"ok":true}`, []string{"AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"}},
	{"zulip", "zulip://bot@chat.example:" + token + "@chat.example/?stream=backups&topic=all", "chat.example", "POST /api/v1/messages", "content", `{"result":"success"}`, nil},
	{"generic", "generic://hooks.example/in?template=json&x=" + token, "hooks.example", "POST /in?x=" + token, "message", "", nil},
	{"generic", "generic+https://hooks.example:444/in/" + token + "?template=json", "hooks.example:444", "POST /in/" + token, "message", "", nil},
	{"gotify", "gotify://push.example/sub/A23secret4567890", "push.example", "POST /sub/message", "message", "{}", []string{"A23secret4567890"}},
	{"ntfy", "ntfy://user:" + token + "@push.example/topic1", "push.example", "POST /", "message", "{}", nil},
	{"opsgenie", "opsgenie://api.eu.opsgenie.com/" + token, "api.eu.opsgenie.com:443", "POST /v2/alerts", "description", "{}", nil},
	{"pagerduty", "pagerduty://events.pagerduty.com/eb243592faa24ba2a5511afdf565c889", "events.pagerduty.com:443", "POST /v2/enqueue", "payload.summary", "{}",
		[]string{"eb243592faa24ba2a5511afdf565c889"}},
	{"pushover", "pushover://shoutrrr:" + token + "@USER" + token + "/?devices=phone", "api.pushover.net", "POST /1/messages.json", "message", `{"status":1}`, nil},
	{"signal", "signal://user:" + token + "@signal.example:8443/+15551234567/+15557654321", "signal.example:8443", "POST /v2/send", "message", "{}", nil},
}

// escaped returns an address in which a @ of the user is as it has to be.
func escaped(address string) string {
	return strings.Replace(address, "zulip://bot@", "zulip://bot%40", 1)
}

func TestChannel(t *testing.T) {
	for i, c := range cases {
		t.Run(c.scheme+c.host, func(t *testing.T) {
			notifytest.Run(t, func(t *testing.T, mood notifytest.Mood) notifytest.Bench {
				host, _, _ := strings.Cut(c.host, ":")
				r := notifytest.NewReceiver(t, mood, c.answer, host)
				channel, err := open(settings.Values{"url": escaped(c.address), "ca-certificate": r.CA}, r.Env)
				if err != nil {
					t.Fatal(err)
				}
				secrets := append([]string{token}, cases[i].secrets...)
				return notifytest.Bench{Channel: channel, Secrets: secrets, Received: func() []notifytest.Received { return received(t, r, c.text) }}
			})
		})
	}
}

var ref = regexp.MustCompile(`#[0-9a-f]{8}`)

func received(t *testing.T, r *notifytest.Receiver, field string) (all []notifytest.Received) {
	for _, request := range r.Requests() {
		text := textOf(t, request, field)
		all = append(all, notifytest.Received{ID: ref.FindString(text), Header: request.Header, Size: request.Size(),
			Text: strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)})
	}
	return all
}

// textOf returns what stands in a field of the body, such as "payload.summary".
func textOf(t *testing.T, request notifytest.Request, field string) string {
	t.Helper()
	if strings.HasPrefix(request.Header.Get("Content-Type"), "application/x-www-form") {
		values, err := url.ParseQuery(string(request.Body))
		if err != nil {
			t.Errorf("the body is no form: %v", err)
		}
		return values.Get(field)
	}
	var v any
	if err := json.Unmarshal(request.Body, &v); err != nil {
		t.Errorf("the body is no JSON: %v", err)
	}
	for name := range strings.SplitSeq(field, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[name]
		case []any:
			v = in[0]
		}
	}
	text, _ := v.(string)
	return text
}

func TestRequestsGoWhereTheServicesHaveThem(t *testing.T) {
	for _, c := range cases {
		host, _, _ := strings.Cut(c.host, ":")
		r := notifytest.NewReceiver(t, notifytest.Takes, c.answer, host)
		channel, err := open(settings.Values{"url": escaped(c.address), "ca-certificate": r.CA}, r.Env)
		if err != nil {
			t.Errorf("%s: %v", c.address, err)
			continue
		}
		if err := channel.Send(t.Context(), notifytest.Message("m1")); err != nil {
			t.Errorf("%s: %v", c.address, err)
			continue
		}
		got := r.Requests()[0]
		line := got.Method + " " + got.Path
		if got.Query != "" {
			line += "?" + got.Query
		}
		if got.Host != c.host || line != c.request {
			t.Errorf("%s asks %s for\n%s, want %s\n%s", c.scheme, got.Host, line, c.host, c.request)
		}
	}
}

func TestEveryServiceIsTested(t *testing.T) {
	tested := map[string]bool{}
	for _, c := range cases {
		tested[c.scheme] = true
	}
	for _, s := range services() {
		if !tested[s.scheme] {
			t.Errorf("%s is not tested", s.scheme)
		}
	}
}

func TestEveryServiceIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range services() {
		for form := range strings.SplitSeq(s.form, " or ") {
			if !strings.Contains(string(page), "`"+form+"`") {
				t.Errorf("the page doesn't show %s", form)
			}
		}
	}
}

func TestAnAddressThatIsNotRightIsRefusedAndNotShown(t *testing.T) {
	for _, address := range []string{
		token, "://" + token, "slack://" + token, "slack://hook:" + token + "@webhook", "discord://" + token, "discord://" + token + "@1/raw", "telegram://" + token + "@telegram",
		"telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=1,2&x=" + token, "matrix://user:" + token + "@host/?rooms=!a:b",
		"matrix://:" + token + "@host/?rooms=a", "matrix://:" + token + "@host/?rooms=", "matrix://:" + token + "@host/", "googlechat://internal.example/?key=a&token=" + token,
		"teams://" + token + "@x/y", "gotify://host/" + token + "?insecureskipverify=yes", "ntfy://u:" + token + "@host/a/b", "ntfy://u:" + token + "@host/a?disabletlsverification=yes",
		"signal://host/1/2/3?token=" + token, "generic:///" + token, "generic://host/?@Authorization=" + token, "generic://host/?template=" + token, "pushover://x/" + token,
		"smtp://u:" + token + "@host/?from=a@b&to=c@d", "logger://" + token, "slack+https://hooks.slack.com/" + token, "pagerduty://" + token + "/x", "zulip://" + token + "/",
		"mattermost:///" + token, "rocketchat://" + token, "generic://%zz" + token, "opsgenie://h", "unknown://" + token, "generic+ftp://h/" + token, "generic+://" + token,
	} {
		_, err := open(settings.Values{"url": address}, notifytest.Env(notifytest.Takes, ""))
		var wrong *settings.Error
		if !errors.As(err, &wrong) || strings.Contains(err.Error(), token) {
			t.Errorf("open of %q = %v, want a *settings.Error that doesn't show it", address, err)
		}
	}
}

// An address that people give can't reach into the network of the server: neither directly, nor by a redirection.
func TestAnAddressOfAPrivateNetworkIsNotReached(t *testing.T) {
	env := notifytest.Env(notifytest.Takes, "")
	env.Dial = guard.Guard{}.Dial
	for _, host := range []string{"169.254.169.254", "127.0.0.1", "[::1]", "localhost", "10.0.0.1", "[::ffff:169.254.169.254]"} {
		for _, address := range []string{"generic://" + host + "/latest/meta-data?disabletls=yes", "generic+http://" + host + "/", "matrix://:token@" + host + "/?rooms=!a:b&disableTLS=yes",
			"mattermost://" + host + "/token?disabletls=yes", "rocketchat://" + host + "/a/b", "gotify://" + host + "/Aaaaaaaaaaaaaaa?disabletls=yes",
			"ntfy://" + host + "/topic?scheme=http", "signal://" + host + ":80/+15551234567/+15557654321?disabletls=yes", "zulip://a:b@" + host + "/?stream=x"} {
			c, err := open(settings.Values{"url": address}, env)
			if err != nil {
				t.Errorf("open of %s = %v", address, err)
				continue
			}
			if err := c.Send(t.Context(), notifytest.Message("m1")); !errors.Is(err, guard.ErrForbidden) {
				t.Errorf("Send to %s = %v, want ErrForbidden", address, err)
			}
		}
	}
}

func TestNobodyIsCalledByName(t *testing.T) {
	m := notifytest.Message("m1")
	m.Subject = "@everyone @all <!channel> <users/all> @room"
	for _, c := range cases {
		if c.scheme == "generic" || c.scheme == "opsgenie" || c.scheme == "pagerduty" || c.scheme == "telegram" {
			continue // they call nobody for such words; a bot of Telegram can't
		}
		host, _, _ := strings.Cut(c.host, ":")
		r := notifytest.NewReceiver(t, notifytest.Takes, c.answer, host)
		channel, err := open(settings.Values{"url": escaped(c.address), "ca-certificate": r.CA}, r.Env)
		if err == nil {
			err = channel.Send(t.Context(), m)
		}
		if err != nil {
			t.Errorf("%s: %v", c.scheme, err)
			continue
		}
		body, text := string(r.Requests()[0].Body), textOf(t, r.Requests()[0], c.text)
		switch c.scheme {
		case "discord":
			if !strings.Contains(body, `"allowed_mentions":{"parse":[]}`) {
				t.Errorf("discord: %s", body)
			}
		case "slack":
			if strings.Contains(text, "<!channel>") {
				t.Errorf("slack: %s", text)
			}
		case "googlechat":
			if strings.Contains(text, "<users/all>") {
				t.Errorf("googlechat: %s", text)
			}
		case "matrix":
			if !strings.Contains(body, `"m.mentions":{}`) {
				t.Errorf("matrix: %s", body)
			}
		case "mattermost", "rocketchat", "teams", "zulip":
			if strings.Contains(text, "@all") {
				t.Errorf("%s: %s", c.scheme, text)
			}
		}
	}
}

func TestAnErrorInAnAnswerOfSuccessIsOne(t *testing.T) {
	r := notifytest.NewReceiver(t, notifytest.Takes, `{"ok":false,"error":"channel_not_found"}`, "slack.com")
	c, err := open(settings.Values{"url": "slack://xoxb:123456789012-1234567890123-4mt0t4l1YL3g1T5L4cK70k3N@C001CH4NN3L", "ca-certificate": r.CA}, r.Env)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(t.Context(), notifytest.Message("m1")); err == nil || !strings.Contains(err.Error(), "channel_not_found") {
		t.Errorf("Send = %v, want Slack's error", err)
	}
}

func TestARedirectionIsNotFollowed(t *testing.T) {
	for _, s := range cases {
		host, _, _ := strings.Cut(s.host, ":")
		r := notifytest.NewReceiver(t, notifytest.Redirects, s.answer, host)
		c, err := open(settings.Values{"url": escaped(s.address), "ca-certificate": r.CA}, r.Env)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Send(t.Context(), notifytest.Message("m1")); err == nil || !strings.Contains(err.Error(), http.StatusText(http.StatusTemporaryRedirect)) {
			t.Errorf("%s: Send = %v, want an error about the redirection", s.scheme, err)
		}
		if n := len(r.Requests()); n != 1 {
			t.Errorf("%s: %d requests arrived, want 1", s.scheme, n)
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, c := range cases {
		f.Add(escaped(c.address))
	}
	env := notifytest.Env(notifytest.Takes, "")
	env.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errNowhere }
	f.Fuzz(func(t *testing.T, address string) {
		c, err := open(settings.Values{"url": address}, env)
		var wrong *settings.Error
		if err != nil && !errors.As(err, &wrong) {
			t.Errorf("open of %q = %v, want a *settings.Error", address, err)
		}
		if err != nil {
			return
		}
		err = c.Send(t.Context(), notifytest.Message("m1"))
		if err == nil || len(address) > 30 && strings.Contains(err.Error(), address) {
			t.Errorf("Send to %q = %v", address, err)
		}
	})
}

var errNowhere = errors.New("there is nowhere to go")
