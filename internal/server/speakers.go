package server

import (
	"io"
	"slices"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/kinds"
	"github.com/backstay/backstay/internal/notify"
	"github.com/backstay/backstay/settings"
)

// speakers are the kinds of channels that this program knows. It is an app.Speakers.
type speakers struct {
	clock clock.Clock
	rand  io.Reader
}

func (s speakers) ChannelKinds() (all []app.Kind) {
	for _, p := range kinds.Channels() {
		all = append(all, app.Kind{Kind: p.Kind, Title: p.Title, Fields: p.Fields})
	}
	return all
}

func (s speakers) CheckChannel(at app.Place) ([]settings.Field, error) {
	if _, err := s.OpenChannel(at); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(kinds.Channels(), func(p notify.Provider) bool { return p.Kind == at.Kind })
	return kinds.Channels()[i].Fields, nil
}

func (s speakers) OpenChannel(at app.Place) (notify.Channel, error) {
	return kinds.OpenChannel(at.Kind, at.Settings, kinds.Options{Clock: s.clock, Rand: s.rand, Guard: at.Guard})
}
