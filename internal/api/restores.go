package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/app"
)

func (a *API) registerRestores() {
	nounsBut(a, "restores", a.App.Restores, "create", "update", "delete")
	handle(a, operation{id: "plan-restore", method: http.MethodPost, path: "/restores", summary: "Plan a restore", tag: "restores", status: http.StatusCreated,
		help: "Nothing is changed. Once its state is planned, look at the changes, decide about them, and apply it. A plan that nobody applies is discarded after a week."},
		func(ctx context.Context, in *struct{ Body backstay.Restore }) (*one[backstay.Restore], error) {
			r, err := a.App.PlanRestore(ctx, actor(ctx), in.Body)
			return newOne(r), err
		})
	handle(a, operation{id: "list-restore-changes", method: http.MethodGet, path: "/restores/{id}/changes", summary: "List what a restore would do", tag: "restores"},
		func(ctx context.Context, in *struct {
			ID     string       `path:"id" maxLength:"64"`
			Action entry.Action `query:"action" enum:"create,overwrite,update,skip,unchanged,delete,conflict,failed" doc:"Only these"`
			Limit  int          `query:"limit" minimum:"1" maximum:"1000" default:"100"`
			Cursor string       `query:"cursor" doc:"What the page before gave as next"`
		}) (*listed[entry.Change], error) {
			page, next, err := a.App.RestoreChanges(ctx, actor(ctx), in.ID, app.ChangesOf{Action: in.Action}, in.Cursor, in.Limit)
			return newListed(page, next), err
		})
	handle(a, operation{id: "decide-restore", method: http.MethodPatch, path: "/restores/{id}/changes", summary: "Decide about changes of a restore", tag: "restores"},
		func(ctx context.Context, in *struct {
			Named
			Body app.Choice
		}) (*one[backstay.Restore], error) {
			version, err := in.version()
			if err != nil {
				return nil, err
			}
			r, err := a.App.DecideRestore(ctx, actor(ctx), in.ID, version, in.Body)
			return newOne(r), err
		})
	handle(a, operation{id: "apply-restore", method: http.MethodPost, path: "/restores/{id}/apply", summary: "Do what a restore has planned", tag: "restores",
		help: "Just the plan is done, as If-Match has seen it. Over the original it needs the permission restore.overwrite, and a confirmed sign-in."},
		func(ctx context.Context, in *Named) (*one[backstay.Restore], error) {
			version, err := in.version()
			if err != nil {
				return nil, err
			}
			r, err := a.App.ApplyRestore(ctx, actor(ctx), in.ID, version)
			return newOne(r), err
		})
	handle(a, operation{id: "discard-restore", method: http.MethodPost, path: "/restores/{id}/discard", summary: "Give up a restore that was not applied", tag: "restores"},
		func(ctx context.Context, in *idOnly) (*one[backstay.Restore], error) {
			r, err := a.App.DiscardRestore(ctx, actor(ctx), in.ID)
			return newOne(r), err
		})
	handle(a, operation{id: "get-restore-report", method: http.MethodGet, path: "/restores/{id}/report", summary: "Download what a restore has done, change by change", tag: "restores"},
		func(_ context.Context, in *struct {
			ID     string `path:"id" maxLength:"64"`
			Format string `query:"format" enum:"ndjson,csv" default:"ndjson" doc:"One JSON object a line, or a table"`
		}) (*huma.StreamResponse, error) {
			types := map[string]string{"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
			return a.attach(types[in.Format], func(ctx context.Context, begin app.Begin) error {
				return a.App.RestoreReport(ctx, actor(ctx), in.ID, in.Format, begin)
			}), nil
		})
}
