package api

import (
	"context"
	"net/http"
	"time"

	"github.com/backstay/backstay/internal/app"
)

func (a *API) registerSearch() {
	handle(a, operation{id: "search", method: http.MethodGet, path: "/search", summary: "Find files in all snapshots of what you may browse", tag: "snapshots",
		help: "Each hit is one version of a path, those that changed last come first."},
		func(ctx context.Context, in *struct {
			Text    string    `query:"text" maxLength:"1000" doc:"Any part of the name; with a slash, a part of the path. Below three letters, the beginning of the name"`
			Project string    `query:"project" maxLength:"64"`
			Source  string    `query:"source" maxLength:"64"`
			Type    string    `query:"type" enum:"file,dir,symlink"`
			From    time.Time `query:"from" doc:"Only in snapshots since then"`
			To      time.Time `query:"to"`
			Limit   int       `query:"limit" minimum:"1" maximum:"1000" default:"50"`
			Cursor  string    `query:"cursor"`
		}) (*listed[app.Found], error) {
			found, next, err := a.App.Search(ctx, actor(ctx), app.Search{Text: in.Text, Project: in.Project, Source: in.Source, Type: in.Type, From: in.From, To: in.To, Limit: in.Limit, Cursor: in.Cursor})
			return newListed(found, next), err
		})
	handle(a, operation{id: "get-history", method: http.MethodGet, path: "/sources/{id}/history", summary: "Show every version of one path of a source", tag: "snapshots"},
		func(ctx context.Context, in *struct {
			ID   string `path:"id" maxLength:"64"`
			Path string `query:"path" required:"true" maxLength:"10000"`
		}) (*listed[app.Stay], error) {
			all, err := a.App.History(ctx, actor(ctx), in.ID, in.Path)
			return newListed(all, ""), err
		})
}
