package api

import (
	"context"
	"net/http"

	"github.com/backstay/backstay/internal/app"
)

func (a *API) registerAuditSinks() {
	nouns(a, "audit-sinks", a.App.Sinks)
	handle(a, operation{id: "list-audit-sink-kinds", method: http.MethodGet, path: "/audit-sink-kinds", summary: "List the kinds of receivers of the audit trail, with their settings", tag: "audit-sinks"},
		func(ctx context.Context, _ *none) (*listed[app.Kind], error) {
			return newListed(a.App.Receivers.SinkKinds(), ""), a.App.SignedIn(actor(ctx))
		})
	handle(a, operation{id: "test-audit-sink", method: http.MethodPost, path: "/audit-sinks/{id}/test", summary: "Send a signed head of the audit trail now", tag: "audit-sinks", status: http.StatusNoContent},
		func(ctx context.Context, in *idOnly) (*none, error) {
			return nil, a.App.TestSink(ctx, actor(ctx), in.ID)
		})
}
