package api

import (
	"context"
	"net/http"

	"github.com/backstay/backstay/internal/app"
)

func (a *API) registerMetrics() {
	handle(a, operation{id: "get-metrics-summary", method: http.MethodGet, path: "/metrics/summary", summary: "Sum up how backups went", tag: "reports"},
		func(ctx context.Context, in *struct {
			Project string `query:"project" maxLength:"64" doc:"The id of a project; none: all that one may read reports of"`
			Days    int    `query:"days" minimum:"1" maximum:"400" default:"30"`
		}) (*struct{ Body app.Summary }, error) {
			s, err := a.App.Summary(ctx, actor(ctx), in.Project, in.Days)
			return &struct{ Body app.Summary }{s}, err
		})
}

// Gauged answers with the numbers of the moment, as write puts them. It is for whoever signed in, or has a token, and may read all reports.
func (a *API) Gauged(write func(http.ResponseWriter, *http.Request, app.Gauges)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g, err := a.App.Gauges(r.Context(), actor(r.Context()))
		if err != nil {
			p := a.problem(r.Context(), err)
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(p.GetStatus())
			writeJSON(w, p)
			return
		}
		write(w, r, g)
	})
}
