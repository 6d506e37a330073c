package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backstay/backstay/internal/app"
)

// CompatPrefix is the path of the short routes for programs that know backups, logs and schedules only.
const CompatPrefix = "/api/backup"

func (a *API) registerCompat() {
	handle(a, operation{id: "backup-download", method: http.MethodGet, path: CompatPrefix + "/download", summary: "Download a backup as ZIP", tag: "backup",
		help: "A snapshot, or the newest one of a plan or of modules that is not known to be damaged. It is named APPLICATION_TYPE_MODULES_TIME.zip."},
		func(_ context.Context, in *struct {
			Snapshot string `query:"snapshot" maxLength:"64" doc:"The id of a snapshot"`
			Plan     string `query:"plan" maxLength:"64" doc:"The id of a plan"`
			Modules  string `query:"modules" maxLength:"4096" doc:"Ids or names, with commas between them: only these parts"`
		}) (*huma.StreamResponse, error) {
			want := app.Package{Snapshot: in.Snapshot, Plan: in.Plan}
			if in.Modules != "" {
				want.Modules = strings.Split(in.Modules, ",")
			}
			return a.attach(archiveTypes["zip"], func(ctx context.Context, begin app.Begin) error {
				return a.App.DownloadPackage(ctx, actor(ctx), want, begin)
			}), nil
		})
	handle(a, operation{id: "backup-logs", method: http.MethodGet, path: CompatPrefix + "/logs", summary: "List the backups, the newest first", tag: "backup"},
		func(ctx context.Context, in *page) (*listed[app.LogEntry], error) {
			items, next, err := a.App.BackupLog(ctx, actor(ctx), in.list())
			return newListed(items, next), err
		})
	handle(a, operation{id: "backup-schedules", method: http.MethodGet, path: CompatPrefix + "/schedules", summary: "List the schedules", tag: "backup"},
		func(ctx context.Context, in *page) (*listed[app.BackupSchedule], error) {
			items, next, err := a.App.Schedules(ctx, actor(ctx), in.list())
			return newListed(items, next), err
		})
	handle(a, operation{id: "backup-create-schedule", method: http.MethodPost, path: CompatPrefix + "/schedules", summary: "Create a schedule", tag: "backup", status: http.StatusCreated},
		func(ctx context.Context, in *struct{ Body app.BackupSchedule }) (*struct{ Body app.BackupSchedule }, error) {
			s, err := a.App.CreateSchedule(ctx, actor(ctx), in.Body)
			return &struct{ Body app.BackupSchedule }{s}, err
		})
	handle(a, operation{id: "backup-delete-schedule", method: http.MethodDelete, path: CompatPrefix + "/schedules/{id}", summary: "Delete a schedule", tag: "backup", status: http.StatusNoContent,
		help: "It is the plan that is deleted. Its snapshots stay."},
		func(ctx context.Context, in *Named) (*none, error) {
			version, err := in.version()
			if err != nil {
				return nil, err
			}
			return nil, a.App.Plans.Delete(ctx, actor(ctx), in.ID, version)
		})
	handle(a, operation{id: "backup-verify", method: http.MethodGet, path: CompatPrefix + "/verify/{backupId}", summary: "Say whether a backup is good", tag: "backup",
		help: "Answers what its last verification has found. One that was never verified is verified now: ask again until there is no run any more."},
		func(ctx context.Context, in *struct {
			ID    string `path:"backupId" maxLength:"64" doc:"The id of a snapshot, or of the run that made it"`
			Level string `query:"level" enum:"structure,sample,full" default:"structure" doc:"How much is read, if it is verified now"`
			Again bool   `query:"again" doc:"Verify it once more"`
		}) (*struct{ Body app.Verdict }, error) {
			v, err := a.App.VerifyBackup(ctx, actor(ctx), in.ID, in.Level, in.Again)
			return &struct{ Body app.Verdict }{v}, err
		})
}
