package web

import (
	"slices"
	"strconv"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

const channelsPath = "/settings/channels"

// registerChannels registers the pages of the ways by which people are told.
func (s *Site) registerChannels() {
	n := s.channelPages()
	registerNoun(s, n)
	s.post(channelsPath+"/{id}/test", func(v *visit) error {
		return v.tested(n.showWith, v.App.TestChannel(v.ctx, v.who, v.id()), "A message that says that it is a test is at its receiver.")
	})
}

func (s *Site) channelPages() nounPages[backstay.Channel, *backstay.Channel] {
	return nounPages[backstay.Channel, *backstay.Channel]{
		noun: s.App.Channels, path: channelsPath, icon: "bell", one: "channel", many: "channels", order: "name",
		lead:    "How people and programs are told: mail, a phone, a chat, a program. Rules say who is told of what.",
		filters: []string{"kind"},
		columns: []string{"Kind", "Of", "Limit"},
		kinds:   func(v *visit) []app.Kind { return v.App.Speakers.ChannelKinds() },
		row: func(v *visit, c *backstay.Channel) row {
			return row{Name: c.Name, Cells: []cell{{Text: kindNamed(v.App.Speakers.ChannelKinds(), c.Kind).Title}, {Text: v.names().project(c.Project)}, {Text: limitWords(c.HourlyLimit)}}}
		},
		fields: channelFields,
		facts: func(v *visit, c *backstay.Channel) ([]fact, error) {
			kind := kindNamed(v.App.Speakers.ChannelKinds(), c.Kind)
			facts := []fact{{Name: "Kind", Text: kind.Title}, {Name: "Of", Text: v.names().project(c.Project)}, {Name: "Limit", Text: limitWords(c.HourlyLimit)}}
			if c.Links {
				facts = append(facts, fact{Name: "Links", Text: "Links by which people choose a password are mailed by it"})
			}
			return append(facts, settingsFacts(kind, c.Settings, c.Secrets)...), nil
		},
		acts: func(_ *visit, c *backstay.Channel) []act {
			return []act{{Word: "Test it", Icon: "play", Href: channelsPath + "/" + c.ID + "/test", Post: true, Tone: "primary"},
				{Word: "Its messages", Icon: "report", Href: address(deliveriesPath, queryOf("channel", c.ID))}}
		},
		goes: func(*visit, *backstay.Channel) string {
			return "Rules that use it go, too, and messages that wait for it are not sent."
		},
	}
}

// limitWords is how many messages a channel takes.
func limitWords(n int) string {
	if n == 0 {
		return "any number"
	}
	return counted(n, "message", "messages") + " an hour"
}

func channelFields(v *visit, c *backstay.Channel) ([]group, error) {
	kind := kindNamed(v.App.Speakers.ChannelKinds(), v.kindAsked(c.Kind))
	if kind.Kind == "" {
		return nil, errNoKind
	}
	about := []*field{{Name: "name", Title: "Name", Kind: textField, Value: c.Name}, {Name: "kind", Kind: hiddenField, Value: kind.Kind}}
	if c.ID == "" {
		about = append(about, v.homeField(backstay.ManageChannels))
	}
	about = append(about, &field{Name: "hourly_limit", Title: "At most", Unit: "messages an hour", Kind: numberField, Value: strconv.Itoa(c.HourlyLimit), Help: "0: any number. What exceeds it comes together as one message; critical ones don't wait."})
	if kind.Kind == backstay.ChannelEmail && (c.ID == "" || c.Project == "") && v.may(backstay.ManageUsers, backstay.System, "") {
		about = append(about, &field{Name: "links", Title: "Mail links by which people choose a password", Kind: switchField, Value: strconv.FormatBool(c.Links), Help: "Only of the server's own e-mail: invitations, and for those who have forgotten theirs."})
	}
	return []group{{Fields: about}, {Title: kind.Title, Help: kind.Help, Fields: settingsFields(kind.Fields, c.Settings, c.Secrets, v.may(backstay.ManageStorages, backstay.Everywhere, ""))}}, nil
}

// homeField asks whether a new thing is to belong to a project or to the server itself.
func (v *visit) homeField(p backstay.Permission) *field {
	f := v.projectField(p)
	if !v.may(p, backstay.System, "") {
		return f
	}
	f.Title, f.Kind = "For", selectField
	f.Choices = append(slices.Clone(f.Choices), choice{Title: "The server: all projects"})
	if f.Value == "" && v.r.Method == "GET" && len(f.Choices) > 1 {
		f.Value = f.Choices[0].Value
	}
	return f
}
