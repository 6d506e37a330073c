package app

import (
	"context"
	"maps"
	"slices"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/notify"
	"github.com/backstay/backstay/internal/secret"
	"github.com/backstay/backstay/settings"
)

// Speakers are the kinds of channels there are. Whoever puts the application together hands them to it.
type Speakers interface {
	ChannelKinds() []Kind
	// CheckChannel returns the fields of the kind, or what is wrong with the settings. It connects to nothing.
	CheckChannel(p Place) ([]settings.Field, error)
	OpenChannel(p Place) (notify.Channel, error)
}

func (a *App) channels() *Noun[backstay.Channel, *backstay.Channel] {
	return &Noun[backstay.Channel, *backstay.Channel]{app: a, Kind: "channel", Read: backstay.ManageChannels, Manage: backstay.ManageChannels, global: true,
		Filters: []string{"kind"},
		name:    func(c *backstay.Channel) string { return c.Name },
		prepare: func(t *task, c, before *backstay.Channel) error {
			if err := c.Check(); err != nil {
				return err
			}
			c.LinksBy = ""
			if before != nil && before.Links || c.Links {
				if c.Links {
					c.LinksBy = t.who.User
				}
				if err := t.allow(backstay.ManageUsers, backstay.System, ""); err != nil { // who reads the links gets the accounts
					return err
				}
			}
			c.Local = backstay.Decide(t.who, backstay.ManageStorages, backstay.Everywhere, "").Allowed
			if before != nil {
				c.Local = stillLocal(before.Local, c.Local, before.Kind != c.Kind, before.Settings, c.Settings)
			}
			old, err := a.hidden(channelPlace(c.ID), c.Sealed)
			if err != nil {
				return err
			}
			p, err := t.channelPlace(*c, old)
			if err != nil {
				return err
			}
			fields, err := a.Speakers.CheckChannel(p)
			if err != nil {
				return wrongSetting(err)
			}
			if before != nil && (before.Kind != c.Kind || !sameReceiver(fields, before.Settings, c.Settings)) {
				if err := givenAgain(old, c.Settings); err != nil {
					return err
				}
			}
			c.Settings, c.Sealed, err = a.split(fields, c.Settings, old, channelPlace(c.ID))
			return err
		},
		show: func(_ context.Context, _ *task, c *backstay.Channel) {
			if hidden, err := a.hidden(channelPlace(c.ID), c.Sealed); err == nil {
				c.Secrets = slices.Sorted(maps.Keys(hidden))
			}
		},
	}
}

// sameReceiver reports whether settings send secrets to the same server in the same way. Whom messages are from and to says nothing of that.
// An address that is a secret itself is among the settings only if it is given now.
func sameReceiver(fields []settings.Field, before, now map[string]string) bool {
	for _, f := range fields {
		_, given := now[f.Name]
		switch {
		case f.Name == "from", f.Name == "to":
		case f.IsSecret() && f.Name == "url" && given, !f.IsSecret() && before[f.Name] != now[f.Name]:
			return false
		}
	}
	return true
}

func channelPlace(id string) secret.Place {
	return secret.Place{Table: "channels", Row: id, Column: "sealed"}
}

// channelPlace is how the channel is reached, with its secrets. What is given now wins over what was hidden.
func (t *task) channelPlace(c backstay.Channel, hidden map[string]string) (p Place, err error) {
	p = Place{Kind: c.Kind, Settings: join(hidden, c.Settings)}
	p.Guard, err = t.guard(c.Local)
	return p, err
}

// openChannel opens a stored channel; an e-mail one for the people of its settings, or for to alone. Nothing is sent.
func (t *task) openChannel(id, to string) (c backstay.Channel, open notify.Channel, err error) {
	if c, err = db.Find[backstay.Channel](t.ctx, t.tx, id); err != nil {
		return c, nil, missing(err, "channel", "channel")
	}
	hidden, err := t.app.hidden(channelPlace(c.ID), c.Sealed)
	if err != nil {
		return c, nil, err
	}
	p, err := t.channelPlace(c, hidden)
	if err != nil {
		return c, nil, err
	}
	if to != "" {
		p.Settings["to"] = to
	}
	open, err = t.app.Speakers.OpenChannel(p)
	return c, open, err
}

// TestChannel sends a message that says that it is a test, and returns once the receiver has it.
func (a *App) TestChannel(ctx context.Context, who backstay.Actor, id string) error {
	var c backstay.Channel
	var open notify.Channel
	var m notify.Message
	err := a.look(ctx, who, "channel.tested", func(t *task) error {
		_, err := a.Channels.find(t, id)
		if err != nil {
			return err
		}
		if c, open, err = t.openChannel(id, ""); err != nil {
			return err
		}
		m, err = t.message(happening{id: "test-" + a.newID(), Event: notify.Event{Name: "channel.test", Severity: backstay.SeverityInfo, Project: c.Project},
			subject: "This is a test", text: "Somebody tested the channel \"" + c.Name + "\". There is nothing to do."})
		return err
	})
	if err != nil {
		return err
	}
	if err := open.Send(ctx, m); err != nil {
		return backstay.Errorf(backstay.Conflict, "channel %q: %w", c.Name, err).WithHint("Look at its settings, and whether the receiver can be reached from the server.")
	}
	return nil
}
