package server

import (
	"io"
	"slices"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/kinds"
	"github.com/backstay/backstay/internal/sink"
	"github.com/backstay/backstay/settings"
)

// receivers are the kinds of sinks of the audit trail that this program knows. It is an app.Receivers.
type receivers struct {
	clock clock.Clock
	rand  io.Reader
}

func (r receivers) SinkKinds() (all []app.Kind) {
	for _, p := range kinds.Sinks() {
		all = append(all, app.Kind{Kind: p.Kind, Title: p.Title, Fields: p.Fields})
	}
	return all
}

func (r receivers) CheckSink(at app.Place) ([]settings.Field, error) {
	if _, err := r.OpenSink(at); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(kinds.Sinks(), func(p sink.Provider) bool { return p.Kind == at.Kind })
	return kinds.Sinks()[i].Fields, nil
}

func (r receivers) OpenSink(at app.Place) (sink.Sink, error) {
	return kinds.OpenSink(at.Kind, at.Settings, kinds.Options{Clock: r.clock, Rand: r.rand, Guard: at.Guard})
}
