package api

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backstay/backstay"
)

func (a *API) registerExport() {
	handle(a, operation{id: "export-audit-events", method: http.MethodGet, path: "/audit-events/export", summary: "Export the audit trail, the oldest event first", tag: "audit",
		help: "As JSON lines, with all that verifies the chain, or as CSV for spreadsheets. That it was exported is an event itself."},
		func(ctx context.Context, in *struct {
			Format string `query:"format" enum:"jsonl,csv" default:"jsonl"`
			Since  int64  `query:"since" minimum:"0" doc:"Only events with a higher number"`
		}) (*huma.StreamResponse, error) {
			events, err := a.App.ExportAudit(ctx, actor(ctx), in.Since)
			if err != nil {
				return nil, err
			}
			return &huma.StreamResponse{Body: func(h huma.Context) { a.export(h, in.Format, events) }}, nil
		})
}

// export writes the events. What goes wrong in the middle ends the connection, so that half a trail doesn't look like a whole one.
func (a *API) export(h huma.Context, format string, events iter.Seq2[backstay.AuditEvent, error]) {
	write, kind := writeJSONLines, "application/jsonl"
	if format == "csv" {
		write, kind = writeCSV, "text/csv; charset=utf-8"
	}
	h.SetHeader("Content-Type", kind)
	h.SetHeader("Content-Disposition", `attachment; filename="audit.`+format+`"`)
	if err := write(h.BodyWriter(), events); err != nil {
		a.Log.WarnContext(h.Context(), "export of the audit trail broke off", "error", err)
		panic(http.ErrAbortHandler)
	}
}

func writeJSONLines(w io.Writer, events iter.Seq2[backstay.AuditEvent, error]) error {
	lines := json.NewEncoder(w)
	for e, err := range events {
		if err != nil {
			return err
		}
		if err := lines.Encode(e); err != nil {
			return err
		}
	}
	return nil
}

func writeCSV(w io.Writer, events iter.Seq2[backstay.AuditEvent, error]) error {
	table := csv.NewWriter(w)
	if err := table.Write([]string{"seq", "time", "actor_kind", "actor", "actor_name", "token", "method", "mfa", "ip", "user_agent", "request", "project",
		"action", "object", "object_id", "name", "result", "reason", "before", "after", "run", "hash"}); err != nil {
		return err
	}
	for e, err := range events {
		if err != nil {
			return err
		}
		row := []string{strconv.FormatInt(e.Seq, 10), e.Time.UTC().Format(time.RFC3339Nano), string(e.ActorKind), e.Actor, e.ActorName, e.Token, e.Method, strconv.FormatBool(e.MFA), e.IP, e.UserAgent,
			e.Request, e.Project, e.Action, e.Object, e.ObjectID, e.Name, string(e.Result), e.Reason, string(e.Before), string(e.After), e.Run, e.Hash}
		for i := range row {
			row[i] = harmless(row[i])
		}
		if err := table.Write(row); err != nil {
			return err
		}
	}
	table.Flush()
	return table.Error()
}

// harmless puts an apostrophe before what spreadsheets would take for a formula: https://owasp.org/www-community/attacks/CSV_Injection
func harmless(cell string) string {
	begin, _ := utf8.DecodeRuneInString(strings.TrimLeft(cell, " \u00a0\u3000\ufeff"))
	if strings.ContainsRune("=+-@\t\r\n|%＝＋－＠", begin) {
		return "'" + cell
	}
	return cell
}
