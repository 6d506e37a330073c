package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/door"
)

func (a *API) registerBrowse() {
	a.registerModuleSnapshots()
	handle(a, operation{id: "list-snapshot-entries", method: http.MethodGet, path: "/snapshots/{id}/entries", summary: "List what is in a folder of a snapshot", tag: "snapshots"},
		func(ctx context.Context, in *struct {
			ID     string `path:"id" maxLength:"64"`
			Path   string `query:"path" maxLength:"32768" default:"/" doc:"The folder, from the root of the snapshot"`
			Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"1000"`
			Cursor string `query:"cursor" doc:"What the page before gave as next"`
		}) (*listed[app.SnapshotEntry], error) {
			page, next, err := a.App.BrowseSnapshot(ctx, actor(ctx), in.ID, in.Path, in.Cursor, in.Limit)
			return newListed(page, next), err
		})
	handle(a, operation{id: "get-snapshot-content", method: http.MethodGet, path: "/snapshots/{id}/content", summary: "Download a file of a snapshot", tag: "snapshots"},
		func(_ context.Context, in *struct {
			ID   string `path:"id" maxLength:"64"`
			Path string `query:"path" required:"true" maxLength:"32768" doc:"The file, from the root of the snapshot"`
		}) (*huma.StreamResponse, error) {
			return a.attach("application/octet-stream", func(ctx context.Context, begin app.Begin) error {
				return a.App.DownloadFile(ctx, actor(ctx), in.ID, in.Path, begin)
			}), nil
		})
	handle(a, operation{id: "download-snapshot", method: http.MethodGet, path: "/snapshots/{id}/download", summary: "Download files and folders of a snapshot as one archive", tag: "snapshots",
		help: "What can't be read is named in the file NOT-COMPLETE.txt at the end of the archive."},
		func(_ context.Context, in *struct {
			ID     string   `path:"id" maxLength:"64"`
			Paths  []string `query:"path,explode" maxItems:"1000" doc:"What to put into it; may be repeated. None: the whole snapshot"`
			Format string   `query:"format" enum:"zip,tar" default:"zip" doc:"tar keeps owners, links and attributes"`
		}) (*huma.StreamResponse, error) {
			return a.attach(archiveTypes[in.Format], func(ctx context.Context, begin app.Begin) error {
				return a.App.DownloadArchive(ctx, actor(ctx), in.ID, in.Paths, in.Format, "", begin)
			}), nil
		})
	handle(a, operation{id: "diff-snapshots", method: http.MethodGet, path: "/snapshots/{id}/diff/{other}", summary: "Compare two snapshots, from the first to the other", tag: "snapshots"},
		func(ctx context.Context, in *struct {
			ID       string `path:"id" maxLength:"64"`
			Other    string `path:"other" maxLength:"64"`
			Metadata bool   `query:"metadata" doc:"Paths too of which only times, mode, owner or attributes differ"`
			Limit    int    `query:"limit" minimum:"1" maximum:"10000" default:"1000"`
		}) (*struct{ Body app.Comparison }, error) {
			c, err := a.App.DiffSnapshots(ctx, actor(ctx), in.ID, in.Other, in.Metadata, in.Limit)
			return &struct{ Body app.Comparison }{c}, err
		})
	handle(a, operation{id: "delete-snapshot", method: http.MethodDelete, path: "/snapshots/{id}", summary: "Delete a snapshot in its repository", tag: "snapshots", status: http.StatusNoContent,
		help: "What is protected, or kept by object lock, is refused. The next prune frees its space."},
		func(ctx context.Context, in *idOnly) (*none, error) {
			return nil, a.App.DeleteSnapshot(ctx, actor(ctx), in.ID)
		})
}

// registerModuleSnapshots is for who has a role in a module and nothing else.
func (a *API) registerModuleSnapshots() {
	handle(a, operation{id: "list-module-snapshots", method: http.MethodGet, path: "/modules/{id}/snapshots", summary: "List the snapshots of a module's source, the newest first", tag: "snapshots"},
		func(ctx context.Context, in *struct {
			ID     string `path:"id" maxLength:"64"`
			Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
			Cursor string `query:"cursor" doc:"What the page before gave as next"`
		}) (*listed[backstay.Snapshot], error) {
			page, next, err := a.App.ModuleSnapshots(ctx, actor(ctx), in.ID, app.List{Limit: in.Limit, Cursor: in.Cursor})
			return newListed(page, next), err
		})
}

var archiveTypes = map[string]string{"zip": "application/zip", "tar": "application/x-tar"}

// attach answers with a download. What goes wrong before its first byte is a problem; after that the connection is broken off, so that
// nobody takes a part for the whole.
func (a *API) attach(contentType string, send func(context.Context, app.Begin) error) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		_, w := humago.Unwrap(ctx)
		begun, err := door.Attach(w, a.App.Clock, contentType, func(begin app.Begin) error { return send(ctx.Context(), begin) })
		switch {
		case err == nil:
		case begun:
			a.Log.WarnContext(ctx.Context(), "a download broke off", "request", actor(ctx.Context()).From.Request, "error", err)
			panic(http.ErrAbortHandler)
		default:
			a.writeError(ctx.Context(), w, err)
		}
	}}
}

// writeError answers an error of a use case where huma doesn't.
func (a *API) writeError(ctx context.Context, w http.ResponseWriter, err error) {
	p := a.problem(ctx, err)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.GetStatus())
	writeJSON(w, p)
}
