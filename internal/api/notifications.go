package api

import (
	"context"
	"net/http"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

func (a *API) registerNotifications() {
	nouns(a, "channels", a.App.Channels)
	nouns(a, "notification-rules", a.App.Rules)
	nounsBut(a, "deliveries", a.App.Deliveries, "create", "update", "delete")
	nounsBut(a, "alerts", a.App.Alerts, "create", "update", "delete")
	handle(a, operation{id: "list-channel-kinds", method: http.MethodGet, path: "/channel-kinds", summary: "List the kinds of channels, with their settings", tag: "channels"},
		func(ctx context.Context, _ *none) (*listed[app.Kind], error) {
			return newListed(a.App.Speakers.ChannelKinds(), ""), a.App.SignedIn(actor(ctx))
		})
	handle(a, operation{id: "test-channel", method: http.MethodPost, path: "/channels/{id}/test", summary: "Send a message that says that it is a test", tag: "channels", status: http.StatusNoContent},
		func(ctx context.Context, in *idOnly) (*none, error) {
			return nil, a.App.TestChannel(ctx, actor(ctx), in.ID)
		})
	handle(a, operation{id: "acknowledge-alert", method: http.MethodPost, path: "/alerts/{id}/acknowledge", summary: "Say that one takes care of an alert", tag: "alerts",
		help: "Nobody is reminded of it from then on. It stays open until what it says is no longer so."},
		func(ctx context.Context, in *idOnly) (*one[backstay.Alert], error) {
			v, err := a.App.AcknowledgeAlert(ctx, actor(ctx), in.ID)
			return newOne(v), err
		})
}
