package kinds

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/backstay/backstay/internal/guard"
	"github.com/backstay/backstay/internal/notify/notifytest"
	"github.com/backstay/backstay/settings"
)

// channels are the settings of one channel of each kind, to an address.
func channels(host, port string) map[string]settings.Values {
	address := net.JoinHostPort(host, port)
	return map[string]settings.Values{
		"email":      {"host": host, "port": port, "from": "a@example.com", "to": "b@example.com"},
		"sms-twilio": {"account": "AC0123456789abcdef0123456789abcdef", "token": "t", "from": "+15551234567", "to": "+15557654321", "url": "https://" + address},
		"sms-form":   {"url": "http://" + address + "/", "to": "1", "form": "text={text}"},
		"webhook":    {"url": "http://" + address + "/", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
		"chat":       {"url": "generic://" + address + "/?disabletls=yes"},
	}
}

func TestAGuardedChannelReachesNothingOfThisMachine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Errorf("%v was reached", c.LocalAddr())
			c.Close()
		}
	}()
	for _, host := range []string{"127.0.0.1", "localhost", "::1", "169.254.169.254", "10.0.0.1", "::ffff:127.0.0.1"} {
		all := channels(host, port)
		for _, p := range Channels() {
			c, err := OpenChannel(p.Kind, all[p.Kind], Options{Guard: &guard.Guard{}})
			if err != nil {
				t.Errorf("%s to %s: %v", p.Kind, host, err)
				continue
			}
			if err := c.Send(t.Context(), notifytest.Message("m1")); !errors.Is(err, guard.ErrForbidden) {
				t.Errorf("%s to %s: Send = %v, want that the address is not allowed", p.Kind, host, err)
			}
		}
	}
}

func TestEveryKindOfChannelTellsWhatItIs(t *testing.T) {
	var kinds []string
	for _, p := range Channels() {
		if p.Title == "" || p.Open == nil || slices.Contains(kinds, p.Kind) {
			t.Errorf("channel %q: title %q", p.Kind, p.Title)
		}
		kinds = append(kinds, p.Kind)
		for _, f := range p.Fields {
			if f.Title == "" || f.Help == "" || f.Local || f.Kind == settings.Choice && !slices.Contains(f.Choices, f.Default) {
				t.Errorf("channel %q: field %+v", p.Kind, f)
			}
		}
	}
}

func TestAChannelThatCannotBeOpenedIsToldOf(t *testing.T) {
	if _, err := OpenChannel("pigeon", nil, Options{}); err == nil || !strings.Contains(err.Error(), `"pigeon"`) {
		t.Errorf("OpenChannel = %v", err)
	}
	_, err := OpenChannel("webhook", settings.Values{"url": "https://h/", "secret": "hidden"}, Options{})
	var wrong *settings.Error
	if !errors.As(err, &wrong) || wrong.Field.Name != "secret" || strings.Contains(err.Error(), "hidden") {
		t.Errorf("OpenChannel = %v, want an error about the secret", err)
	}
	if _, err := OpenChannel("webhook", settings.Values{}, Options{}); !errors.As(err, &wrong) || wrong.Field.Name != "url" {
		t.Errorf("OpenChannel = %v, want an error about the url", err)
	}
}
