package api

import (
	"context"
	"net/http"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// idOnly is a request about one thing that says nothing else.
type idOnly struct {
	ID string `path:"id" maxLength:"64"`
}

func (a *API) registerPlaces() {
	nouns(a, "sources", a.App.Sources)
	nouns(a, "modules", a.App.Modules)
	nouns(a, "storages", a.App.Storages)
	nounsBut(a, "repositories", a.App.Repositories, "create")
	handle(a, operation{id: "list-storage-kinds", method: http.MethodGet, path: "/storage-kinds", summary: "List the kinds of storages, with their settings", tag: "storages"},
		func(ctx context.Context, _ *none) (*listed[app.Kind], error) {
			return newListed(a.App.Places.StorageKinds(), ""), a.App.SignedIn(actor(ctx))
		})
	handle(a, operation{id: "list-source-kinds", method: http.MethodGet, path: "/source-kinds", summary: "List the kinds of sources, with their settings", tag: "sources"},
		func(ctx context.Context, _ *none) (*listed[app.Kind], error) {
			return newListed(a.App.Places.SourceKinds(), ""), a.App.SignedIn(actor(ctx))
		})
	handle(a, operation{id: "test-storage", method: http.MethodPost, path: "/storages/{id}/test", summary: "Save, load and remove a small file in a storage", tag: "storages"},
		func(ctx context.Context, in *idOnly) (*struct{ Body app.StorageTest }, error) {
			result, err := a.App.TestStorage(ctx, actor(ctx), in.ID)
			return &struct{ Body app.StorageTest }{result}, err
		})
	handle(a, operation{id: "test-source", method: http.MethodPost, path: "/sources/{id}/test", summary: "Begin to read a source, and show what is found first", tag: "sources"},
		func(ctx context.Context, in *idOnly) (*listed[string], error) {
			found, err := a.App.TestSource(ctx, actor(ctx), in.ID)
			return newListed(found, ""), err
		})
	handle(a, operation{id: "create-repository", method: http.MethodPost, path: "/repositories", summary: "Create a repository in a storage, or take over one that is there", tag: "repositories", status: http.StatusCreated},
		func(ctx context.Context, in *struct{ Body backstay.Repository }) (*one[backstay.Repository], error) {
			r, err := a.App.CreateRepository(ctx, actor(ctx), in.Body)
			return newOne(r), err
		})
}

func (a *API) registerRuns() {
	nouns(a, "plans", a.App.Plans)
	nounsBut(a, "runs", a.App.Runs, "create", "update", "delete")
	nounsBut(a, "snapshots", a.App.Snapshots, "create", "update", "delete")
	handle(a, operation{id: "start-plan", method: http.MethodPost, path: "/plans/{id}/start", summary: "Start a run of a plan now", tag: "plans", status: http.StatusCreated},
		func(ctx context.Context, in *struct {
			ID   string      `path:"id" maxLength:"64"`
			Body *app.RunNow `required:"false"`
		}) (*one[backstay.Run], error) {
			var now app.RunNow
			if in.Body != nil {
				now = *in.Body
			}
			run, err := a.App.StartPlan(ctx, actor(ctx), in.ID, now)
			return newOne(run), err
		})
	runOf := func(id, path, summary string, status int, do func(context.Context, backstay.Actor, string) (backstay.Run, error)) {
		handle(a, operation{id: id, method: http.MethodPost, path: path, summary: summary, tag: "runs", status: status},
			func(ctx context.Context, in *idOnly) (*one[backstay.Run], error) {
				run, err := do(ctx, actor(ctx), in.ID)
				return newOne(run), err
			})
	}
	runOf("cancel-run", "/runs/{id}/cancel", "End a run", http.StatusOK, a.App.CancelRun)
	runOf("retry-run", "/runs/{id}/retry", "Do a run again that did not succeed", http.StatusCreated, a.App.RetryRun)
	runOf("prune-repository", "/repositories/{id}/prune", "Free the space that no snapshot needs", http.StatusCreated, a.App.StartPrune)
	runOf("scan-repository", "/repositories/{id}/scan", "List what is in a repository anew", http.StatusCreated, a.App.StartCatalogue)
	handle(a, operation{id: "verify-repository", method: http.MethodPost, path: "/repositories/{id}/verify", summary: "Verify a repository", tag: "runs", status: http.StatusCreated},
		func(ctx context.Context, in *struct {
			ID   string `path:"id" maxLength:"64"`
			Body struct {
				Level string `json:"level" enum:"structure,sample,full" default:"structure" doc:"How much is read"`
			}
		}) (*one[backstay.Run], error) {
			run, err := a.App.StartVerification(ctx, actor(ctx), in.ID, in.Body.Level)
			return newOne(run), err
		})
	handle(a, operation{id: "get-run-log", method: http.MethodGet, path: "/runs/{id}/log", summary: "Read the log of a run", tag: "runs"},
		func(ctx context.Context, in *struct {
			ID    string `path:"id" maxLength:"64"`
			After int64  `query:"after" minimum:"0" doc:"Only lines after this one"`
			Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"1000"`
		}) (*listed[backstay.RunLine], error) {
			lines, err := a.App.RunLines(ctx, actor(ctx), in.ID, in.After, in.Limit)
			return newListed(lines, ""), err
		})
	a.registerProtection()
}

func (a *API) registerProtection() {
	protect := func(id, path, summary string, on bool) {
		handle(a, operation{id: id, method: http.MethodPost, path: path, summary: summary, tag: "snapshots"},
			func(ctx context.Context, in *idOnly) (*one[backstay.Snapshot], error) {
				s, err := a.App.ProtectSnapshot(ctx, actor(ctx), in.ID, on)
				return newOne(s), err
			})
	}
	protect("protect-snapshot", "/snapshots/{id}/protect", "Keep a snapshot from every retention", true)
	protect("unprotect-snapshot", "/snapshots/{id}/unprotect", "Let retention decide about a snapshot again", false)
	handle(a, operation{id: "tag-snapshot", method: http.MethodPost, path: "/snapshots/{id}/tags", summary: "Add tags to a snapshot, and remove some", tag: "snapshots",
		help: "In the repository another snapshot takes its place, so that its handle is another one. The server's own tags stay as they are."},
		func(ctx context.Context, in *struct {
			ID   string `path:"id" maxLength:"64"`
			Body struct {
				Add    []string `json:"add,omitempty" maxItems:"100"`
				Remove []string `json:"remove,omitempty" maxItems:"100"`
			}
		}) (*one[backstay.Snapshot], error) {
			s, err := a.App.TagSnapshot(ctx, actor(ctx), in.ID, in.Body.Add, in.Body.Remove)
			return newOne(s), err
		})
}
