package kinds

import (
	"fmt"
	"os"
	"slices"

	"github.com/backstay/backstay/internal/notify"
	"github.com/backstay/backstay/internal/notify/chat"
	"github.com/backstay/backstay/internal/notify/email"
	"github.com/backstay/backstay/internal/notify/sms"
	"github.com/backstay/backstay/internal/notify/webhook"
	"github.com/backstay/backstay/settings"
)

// Channels lists every kind of channel.
func Channels() []notify.Provider {
	return []notify.Provider{
		email.Provider,
		sms.Twilio,
		sms.Form,
		webhook.Provider,
		chat.Provider,
	}
}

// OpenChannel returns the channel of a kind for settings that are as they were given. Of the options it needs Clock, Rand and Guard, which
// says which addresses may be reached. The error is a *settings.Error if it is about one of the settings.
func OpenChannel(kind string, v settings.Values, opt Options) (notify.Channel, error) {
	opt = opt.withDefaults()
	i := slices.IndexFunc(Channels(), func(p notify.Provider) bool { return p.Kind == kind })
	if i < 0 {
		return nil, fmt.Errorf("there is no kind of channel %q", kind)
	}
	p := Channels()[i]
	v, err := settings.Check(p.Fields, v)
	if err != nil {
		return nil, fmt.Errorf("open channel of kind %q: %w", kind, err)
	}
	c, err := p.Open(v, notify.Env{Clock: opt.Clock, Rand: opt.Rand, Hostname: hostname(), Dial: opt.dial()})
	if err != nil {
		return nil, fmt.Errorf("open channel of kind %q: %w", kind, err)
	}
	return c, nil
}

// hostname is what this machine calls itself to mail servers.
func hostname() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "localhost"
	}
	return name
}
