package api

import (
	"context"
	"net/http"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

func (a *API) registerOverview() {
	handle(a, operation{id: "get-overview", method: http.MethodGet, path: "/overview", summary: "Tell how everything stands that one may see", tag: "reports",
		help: "Which sources are safe, and which need attention and why; what runs, waits and comes next; how the runs of the last 12 weeks ended; how full storages are."},
		func(ctx context.Context, in *struct {
			Project string `query:"project" maxLength:"64" doc:"The id of a project; none: all that one may see"`
			Zone    string `query:"zone" maxLength:"64" doc:"Whose days the calendar has, such as Europe/Berlin; by default UTC"`
		}) (*struct{ Body app.Overview }, error) {
			zone, err := zoneOf(in.Zone)
			if err != nil {
				return nil, err
			}
			o, err := a.App.Overview(ctx, actor(ctx), in.Project, zone)
			return &struct{ Body app.Overview }{o}, err
		})
	handle(a, operation{id: "get-storage-usage", method: http.MethodGet, path: "/storages/{id}/usage", summary: "Tell how full a storage is, was, and when it is full", tag: "storages"},
		func(ctx context.Context, in *struct {
			ID   string `path:"id" maxLength:"64"`
			Days int    `query:"days" minimum:"1" maximum:"400" default:"90" doc:"Of how many days"`
		}) (*struct{ Body app.StorageUsage }, error) {
			u, err := a.App.StorageUsage(ctx, actor(ctx), in.ID, in.Days)
			return &struct{ Body app.StorageUsage }{u}, err
		})
}

// zoneOf is the time zone of a name, UTC for none. That of the server itself is nobody's business.
func zoneOf(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, backstay.Errorf(backstay.Invalid, "there is no time zone %q", name).WithHint("Give one such as Europe/Berlin or UTC.").OnField("zone")
	}
	return zone, nil
}
