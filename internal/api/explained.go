package api

import (
	"context"
	"net/http"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

func (a *API) registerExplained() {
	handle(a, operation{id: "explain-rights", method: http.MethodGet, path: "/users/{id}/rights", summary: "Explain what a person may do at a place, and why", tag: "users",
		help: "People may ask about themselves; about others, who may see people at that place."},
		func(ctx context.Context, in *struct {
			ID    string         `path:"id" maxLength:"64"`
			Scope backstay.Scope `query:"scope" maxLength:"1000" default:"/" doc:"The place: / is everywhere, /system the server, /project/ID, /project/ID/source/ID"`
		}) (*struct{ Body app.Explained }, error) {
			e, err := a.App.ExplainRights(ctx, actor(ctx), in.ID, in.Scope)
			return &struct{ Body app.Explained }{e}, err
		})
}
