package api

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/chain"
)

func (a *API) registerAuditExport() {
	handle(a, operation{id: "export-audit", method: http.MethodGet, path: "/audit-events/export", summary: "Read the whole audit trail, the oldest event first", tag: "audit",
		help: "As JSON lines it can be verified anew; as CSV it is for spreadsheets: a text that one would take for a formula has an apostrophe before it."},
		func(ctx context.Context, in *struct {
			Format string `query:"format" enum:"jsonl,csv" default:"jsonl"`
			After  int64  `query:"after" minimum:"0" doc:"Only events with a higher number"`
		}) (*huma.StreamResponse, error) {
			events, err := a.App.ExportAudit(ctx, actor(ctx), in.After)
			if err != nil {
				return nil, err
			}
			return &huma.StreamResponse{Body: func(h huma.Context) {
				write, kind := writeLines, "application/jsonl"
				if in.Format == "csv" {
					write, kind = writeTable, "text/csv; charset=utf-8"
				}
				h.SetHeader("Content-Type", kind)
				if err := write(h.BodyWriter(), events); err != nil {
					a.Log.WarnContext(ctx, "export of the audit trail ended early", "request", actor(ctx).From.Request, "error", err)
					panic(http.ErrAbortHandler) // what came so far must not look whole
				}
			}}, nil
		})
	handle(a, operation{id: "sign-audit", method: http.MethodPost, path: "/audit-events/head", summary: "Sign how far the audit trail has come", tag: "audit",
		help: "Keep what is answered elsewhere. Given to a verification it shows whether the trail was cut or changed since."},
		func(ctx context.Context, _ *none) (*struct{ Body chain.Head }, error) {
			head, err := a.App.AuditHead(ctx, actor(ctx))
			return &struct{ Body chain.Head }{head}, err
		})
}

func writeLines(w io.Writer, events iter.Seq2[backstay.AuditEvent, error]) error {
	out := json.NewEncoder(w)
	for e, err := range events {
		if err != nil {
			return err
		}
		if err := out.Encode(e); err != nil {
			return err
		}
	}
	return nil
}

func writeTable(w io.Writer, events iter.Seq2[backstay.AuditEvent, error]) error {
	out := csv.NewWriter(w)
	rows := func(yield func([]string, error) bool) {
		if !yield([]string{"seq", "time", "actor_kind", "actor", "actor_name", "token", "method", "mfa", "ip", "user_agent", "request", "project", "action", "object",
			"object_id", "name", "result", "reason", "before", "after", "run", "hash"}, nil) {
			return
		}
		for e, err := range events {
			row := []string{strconv.FormatInt(e.Seq, 10), e.Time.Format(time.RFC3339Nano), string(e.ActorKind), e.Actor, e.ActorName, e.Token, e.Method, strconv.FormatBool(e.MFA), e.IP,
				e.UserAgent, e.Request, e.Project, e.Action, e.Object, e.ObjectID, e.Name, string(e.Result), e.Reason, string(e.Before), string(e.After), e.Run, e.Hash}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
	for row, err := range rows {
		if err != nil {
			return err
		}
		for i, cell := range row {
			row[i] = app.HarmlessCell(cell)
		}
		if err := out.Write(row); err != nil {
			return fmt.Errorf("write row: %w", err)
		}
	}
	out.Flush()
	return out.Error()
}
