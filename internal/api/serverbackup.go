package api

import (
	"context"
	"net/http"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

func (a *API) registerServerBackup() {
	handle(a, operation{id: "start-server-backup", method: http.MethodPost, path: "/settings/backups", summary: "Back up the server's own settings now", tag: "server", status: http.StatusCreated,
		help: "People, rights, plans and all else that no repository knows, to the repository that the settings name as backup_repository. 'backstay server restore' brings them back."},
		func(ctx context.Context, _ *none) (*one[backstay.Run], error) {
			run, err := a.App.StartServerBackup(ctx, actor(ctx))
			return newOne(run), err
		})
	handle(a, operation{id: "list-server-backups", method: http.MethodGet, path: "/settings/backups", summary: "List the backups of the server's own settings", tag: "server"},
		func(ctx context.Context, _ *none) (*listed[app.ServerBackup], error) {
			all, err := a.App.ServerBackups(ctx, actor(ctx))
			return newListed(all, ""), err
		})
}
