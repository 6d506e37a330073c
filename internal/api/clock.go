package api

import (
	"context"
	"net/http"

	"github.com/backstay/backstay/internal/app"
)

// clockAnswer is what is known of the server's time.
type clockAnswer struct{ Body app.ClockState }

func (a *API) registerClock() {
	handle(a, operation{id: "get-clock", method: http.MethodGet, path: "/clock", summary: "Show whether the server's time is trusted", tag: "server",
		help: "After a jump nothing is forgotten or pruned, until the time has moved on by itself for an hour or a person confirms it."},
		func(ctx context.Context, _ *none) (*clockAnswer, error) {
			c, err := a.App.ServerClock(ctx, actor(ctx))
			return &clockAnswer{c}, err
		})
	handle(a, operation{id: "confirm-clock", method: http.MethodPost, path: "/clock/confirm", summary: "Say that the server's time is right", tag: "server"},
		func(ctx context.Context, _ *none) (*clockAnswer, error) {
			c, err := a.App.ConfirmClock(ctx, actor(ctx))
			return &clockAnswer{c}, err
		})
}
