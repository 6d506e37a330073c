package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/doctor"
	"github.com/backstay/backstay/internal/door"
)

// Problem is an error as RFC 9457 has it, with what a person can do about it.
type Problem struct {
	Type    string         `json:"type,omitempty" doc:"Where the kind of error is described"`
	Title   string         `json:"title" doc:"The status in words"`
	Status  int            `json:"status"`
	Detail  string         `json:"detail,omitempty" doc:"What went wrong, on which thing"`
	Code    string         `json:"code,omitempty" doc:"Of the kind of error, such as BST-6005: docs/errors.md says what it means and what to do"`
	Kind    backstay.Kind  `json:"kind" doc:"What sort of error it is, for programs"`
	Hint    string         `json:"hint,omitempty" doc:"What to do next"`
	Field   string         `json:"field,omitempty" doc:"The field of the request that is wrong"`
	Request string         `json:"request,omitempty" doc:"The id of the request, as in the log of the server"`
	Fields  []FieldProblem `json:"fields,omitempty" doc:"Each field that is wrong"`
}

// FieldProblem is what is wrong with one field.
type FieldProblem struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

func (p *Problem) Error() string { return p.Detail }

// GetStatus is the status of the answer.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is that of problems.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// problem answers an error of a use case. The cause of what went wrong on the server goes to the log, under the id of the request.
func (a *API) problem(ctx context.Context, err error) huma.StatusError {
	e, status := door.Failure(err)
	p := &Problem{Title: http.StatusText(status), Status: status, Detail: e.Msg, Code: doctor.Find(e).Code, Kind: e.Kind, Hint: e.Hint, Field: e.Field, Request: actor(ctx).From.Request}
	if status == http.StatusInternalServerError {
		a.Log.ErrorContext(ctx, "request failed", "request", p.Request, "error", errors.Join(e, e.Err))
	}
	return p
}

var once sync.Once

// takeOverErrors makes what huma itself refuses a Problem. It is huma's one global; it is the same for all of its APIs in a process.
func takeOverErrors() {
	once.Do(func() {
		huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
			p := &Problem{Title: http.StatusText(status), Status: status, Detail: msg, Kind: backstay.Invalid}
			if status >= http.StatusInternalServerError {
				p.Kind, p.Detail = backstay.Failed, "something went wrong on the server" // the cause may say too much
				return p
			}
			for _, err := range errs {
				var d *huma.ErrorDetail
				if errors.As(err, &d) {
					p.Fields = append(p.Fields, FieldProblem{Field: strings.TrimPrefix(d.Location, "body."), Detail: d.Message})
				}
			}
			p.Code = doctor.Named("invalid-request").Code
			if len(p.Fields) > 0 {
				p.Code = doctor.Named("invalid-field").Code
				p.Field, p.Detail = p.Fields[0].Field, strconv.Quote(p.Fields[0].Field)+": "+p.Fields[0].Detail
			}
			return p
		}
	})
}

// Fail answers a request whose asker can't be found out.
func (a *API) Fail(w http.ResponseWriter, r *http.Request, err error) {
	p := a.problem(r.Context(), err)
	WriteProblem(w, p.GetStatus(), backstay.Failed, p.Error(), "", actor(r.Context()).From.Request)
}

// WriteProblem answers a request that never came to an operation.
func WriteProblem(w http.ResponseWriter, status int, kind backstay.Kind, detail, hint, request string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	writeJSON(w, &Problem{Title: http.StatusText(status), Status: status, Detail: detail, Kind: kind, Hint: hint, Request: request})
}
