package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/chain"
)

func (a *API) registerServer() {
	handle(a, operation{id: "get-settings", method: http.MethodGet, path: "/settings", summary: "Show the settings of the server", tag: "server"},
		func(ctx context.Context, _ *none) (*one[backstay.Settings], error) {
			s, err := a.App.Settings(ctx, actor(ctx))
			return &one[backstay.Settings]{ETag: strconv.Quote(strconv.FormatInt(s.Version, 10)), Body: s}, err
		})
	handle(a, operation{id: "update-settings", method: http.MethodPatch, path: "/settings", summary: "Change the settings of the server", tag: "server"},
		func(ctx context.Context, in *struct {
			IfMatch string `header:"If-Match"`
			Body    backstay.Settings
			RawBody []byte
		}) (*one[backstay.Settings], error) {
			version, err := Named{IfMatch: in.IfMatch}.version()
			if err != nil {
				return nil, err
			}
			s, err := a.App.UpdateSettings(ctx, actor(ctx), version, in.RawBody)
			return &one[backstay.Settings]{ETag: strconv.Quote(strconv.FormatInt(s.Version, 10)), Body: s}, err
		})
	handle(a, operation{id: "list-permissions", method: http.MethodGet, path: "/permissions", summary: "List the permissions there are", tag: "roles"},
		func(ctx context.Context, _ *none) (*listed[permission], error) {
			var all []permission
			for _, row := range backstay.Permissions() {
				all = append(all, permission{row.Permission, row.Title, row.Dangerous()})
			}
			return newListed(all, ""), a.App.SignedIn(actor(ctx))
		})
}

// auditPage says which events are wanted.
type auditPage struct {
	Limit   int             `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Before  int64           `query:"before" minimum:"0" doc:"Only events with a lower number, for the next page"`
	Actor   string          `query:"actor" maxLength:"64" doc:"The id of a person"`
	Action  string          `query:"action" maxLength:"100" doc:"Such as plan.updated, or plan. for all about plans"`
	Object  string          `query:"object_id" maxLength:"64"`
	Project string          `query:"project" maxLength:"64"`
	Result  backstay.Result `query:"result" enum:"allowed,denied,failed"`
	Since   time.Time       `query:"since"`
	Until   time.Time       `query:"until"`
}

func (a *API) registerAudit() {
	handle(a, operation{id: "list-audit-events", method: http.MethodGet, path: "/audit-events", summary: "List what was done, the newest first", tag: "audit"},
		func(ctx context.Context, in *auditPage) (*listed[backstay.AuditEvent], error) {
			page, err := a.App.AuditEvents(ctx, actor(ctx), app.AuditQuery{Before: in.Before, Limit: in.Limit, Actor: in.Actor, Action: in.Action, ObjectID: in.Object,
				Project: in.Project, Result: in.Result, Since: in.Since, Until: in.Until})
			next := ""
			if len(page) == in.Limit {
				next = strconv.FormatInt(page[len(page)-1].Seq, 10)
			}
			return newListed(page, next), err
		})
	handle(a, operation{id: "verify-audit", method: http.MethodPost, path: "/audit-events/verify", summary: "Check that nobody has changed or cut the audit trail", tag: "audit",
		help: "Give signed heads that were kept elsewhere: without them a trail that was cut together with its own heads looks whole."},
		func(ctx context.Context, in *struct {
			Body struct {
				Heads []chain.Head `json:"heads,omitempty"`
			}
		}) (*auditVerdict, error) {
			report, err := a.App.VerifyAudit(ctx, actor(ctx), in.Body.Heads)
			var out auditVerdict
			out.Body.Good, out.Body.Events, out.Body.Signed = report.Problem == nil, report.Entries, report.Signed.Seq
			if report.Problem != nil {
				out.Body.Problem = report.Problem.Text
			}
			return &out, err
		})
}

// auditVerdict is what a verification found.
type auditVerdict struct {
	Body struct {
		Good    bool   `json:"good" doc:"Nothing is wrong"`
		Events  uint64 `json:"events" doc:"How many were read and found right"`
		Signed  uint64 `json:"signed" doc:"Up to this event a signed head vouches that nothing was cut off"`
		Problem string `json:"problem,omitempty" doc:"The first place that is wrong, and what it means"`
	}
}

// permission is one that a role can have.
type permission struct {
	Permission backstay.Permission `json:"permission"`
	Title      string              `json:"title" doc:"What one may do with it"`
	Dangerous  bool                `json:"dangerous" doc:"It asks for a confirmed sign-in, and no token has it"`
}
