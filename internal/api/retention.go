package api

import (
	"context"
	"net/http"

	"github.com/backstay/backstay/internal/app"
)

func (a *API) registerRetention() {
	handle(a, operation{id: "preview-retention", method: http.MethodPost, path: "/retention/preview", summary: "Show what a policy would remove, and what it comes to with time", tag: "plans",
		help: "Nothing is removed. With days, a schedule is played forward for so long, and the policy is applied after each backup."},
		func(ctx context.Context, in *struct{ Body app.RetentionQuestion }) (*struct{ Body app.RetentionPreview }, error) {
			p, err := a.App.PreviewRetention(ctx, actor(ctx), in.Body)
			return &struct{ Body app.RetentionPreview }{p}, err
		})
}
