package api

import (
	"context"
	"net/http"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// secrets are stored secrets, by the names of their settings.
type secrets struct {
	Body struct {
		Secrets map[string]string `json:"secrets"`
	}
}

// kitFile is a recovery kit as a file.
type kitFile struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

func (a *API) registerVault() {
	handle(a, operation{id: "reveal-repository-password", method: http.MethodGet, path: "/repositories/{id}/password", summary: "Show the password of a repository", tag: "vault"},
		func(ctx context.Context, in *idOnly) (*struct {
			Body struct {
				Password string `json:"password"`
			}
		}, error) {
			var out struct {
				Body struct {
					Password string `json:"password"`
				}
			}
			var err error
			out.Body.Password, err = a.App.RevealPassword(ctx, actor(ctx), in.ID)
			return &out, err
		})
	show := func(id, path, summary string, reveal func(context.Context, backstay.Actor, string) (map[string]string, error)) {
		handle(a, operation{id: id, method: http.MethodGet, path: path, summary: summary, tag: "vault"},
			func(ctx context.Context, in *idOnly) (*secrets, error) {
				var out secrets
				var err error
				if out.Body.Secrets, err = reveal(ctx, actor(ctx), in.ID); out.Body.Secrets == nil {
					out.Body.Secrets = map[string]string{}
				}
				return &out, err
			})
	}
	show("reveal-storage-secrets", "/storages/{id}/secrets", "Show the secret settings of a storage", a.App.RevealStorage)
	show("reveal-source-secrets", "/sources/{id}/secrets", "Show the secret settings of a source", a.App.RevealSource)
	a.registerKit()
}

func (a *API) registerKit() {
	handle(a, operation{id: "get-recovery-kit-state", method: http.MethodGet, path: "/recovery-kit", summary: "Tell whether there is a recovery kit that is up to date", tag: "vault"},
		func(ctx context.Context, _ *none) (*struct{ Body app.KitState }, error) {
			state, err := a.App.RecoveryKitState(ctx, actor(ctx))
			return &struct{ Body app.KitState }{state}, err
		})
	handle(a, operation{id: "accept-kit-risk", method: http.MethodPost, path: "/recovery-kit/risk", summary: "Take the risk of being without a recovery kit for what it lacks", tag: "vault", status: http.StatusNoContent,
		help: "It is noted in the audit trail with the reason. What is new afterwards has to be in a kit again."},
		func(ctx context.Context, in *struct {
			Body struct {
				Reason string `json:"reason" required:"true" maxLength:"500" doc:"Why there is to be no recovery kit"`
			}
		}) (*none, error) {
			return nil, a.App.AcceptKitRisk(ctx, actor(ctx), in.Body.Reason)
		})
	handle(a, operation{id: "export-recovery-kit", method: http.MethodPost, path: "/recovery-kit", summary: "Make a recovery kit, to print or to keep", tag: "vault",
		help: "It says where each repository is, its password, and how to restore from it without this server."},
		func(ctx context.Context, in *struct {
			Format  string `query:"format" enum:"html,txt" default:"html"`
			Secrets bool   `query:"secrets" doc:"The secrets of storages are in it, too"`
		}) (*kitFile, error) {
			kit, err := a.App.ExportRecoveryKit(ctx, actor(ctx), in.Secrets)
			if err != nil {
				return nil, err
			}
			if in.Format == "txt" {
				return &kitFile{"text/plain; charset=utf-8", `attachment; filename="recovery-kit.txt"`, []byte(kit.Text())}, nil
			}
			page, err := kit.Page()
			return &kitFile{"text/html; charset=utf-8", `attachment; filename="recovery-kit.html"`, []byte(page)}, err
		})
}
