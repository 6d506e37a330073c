// Package api is the door for programs: everything that Backstay can do over HTTP, as JSON, described by OpenAPI 3.1.
//
// An operation reads the request, calls one use case of app with the Actor of the request, and writes the answer; it decides nothing. An
// error is a problem (RFC 9457) with its kind, what to do next, and the field that it is about. The description at /openapi.json is made from
// the code, so that it is never out of date.
package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/doctor"
	"github.com/backstay/backstay/internal/door"
)

// Prefix is the path that all operations are below.
const Prefix = "/api/v1"

// maxBody is how many bytes a request may have. What people set up is small; files go another way.
const maxBody = 1 << 20

// Options are what the API is handed.
type Options struct {
	door.Identity
	Watches *door.Watches
	Log     *slog.Logger
	Version string // of the program, for the description
}

// API is the door. It serves HTTP.
type API struct {
	Options
	huma   huma.API
	mux    *http.ServeMux
	routes []Route
}

// Route is one operation, as tests and pages read it.
type Route struct {
	ID, Method, Path string
	Open             bool // it answers people who have not signed in
	Right            Right
}

// New registers all operations.
func New(opt Options) *API {
	takeOverErrors()
	a := &API{Options: opt, mux: http.NewServeMux()}
	config := huma.DefaultConfig("Backstay", opt.Version)
	config.Info.Description = "Everything that Backstay can do. Sign in with POST /api/v1/session, or give an API token as a bearer token."
	config.DocsPath = "" // its page would load a script from elsewhere
	config.SchemasPath = ""
	config.OpenAPIPath = "/openapi"
	config.CreateHooks = nil // no $schema links in answers
	config.FieldsOptionalByDefault = true
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"session": {Type: "apiKey", In: "cookie", Name: opt.CookieName(), Description: "Set by signing in"},
		"token":   {Type: "http", Scheme: "bearer", Description: "An API token"},
	}
	a.huma = humago.New(a.mux, config)
	a.register()
	a.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		WriteProblem(w, http.StatusNotFound, backstay.NotFound, "there is no such operation: "+r.Method+" "+r.URL.Path, "GET /openapi.json describes all there are.", actor(r.Context()).From.Request)
	})
	return a
}

// ServeHTTP answers a request. Whoever calls it has put the actor into the context: see door.Identity.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), connection{}, http.NewResponseController(w))))
}

// connection is the key of the connection in the context of a request.
type connection struct{}

// received takes back the time limit for the body of a request. It would end the request if its work takes longer than that.
func received(ctx context.Context) {
	if c, ok := ctx.Value(connection{}).(*http.ResponseController); ok {
		_ = c.SetReadDeadline(time.Time{}) // a connection that has none needs none
	}
}

// Routes lists all operations.
func (a *API) Routes() []Route { return a.routes }

// Description is the OpenAPI document.
func (a *API) Description() ([]byte, error) { return json.MarshalIndent(a.huma.OpenAPI(), "", "  ") }

// operation is what is said of one beside its handler.
type operation struct {
	id, method, path string
	summary, help    string
	tag              string
	open             bool // people who have not signed in may ask
	status           int  // by default 200, or 204 without an answer
	filters          []string
	returned         bool // a browser comes back to it from another server, which adds what it likes to the address
}

// full is the path of the operation. One that begins with /api is so already.
func (op operation) full() string {
	if strings.HasPrefix(op.path, "/api/") {
		return op.path
	}
	return Prefix + op.path
}

// onlyKnown refuses whoever has not signed in before anything of the request is read.
func onlyKnown(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if who := actor(r.Context()); who.Kind == backstay.ActorNobody {
		e := backstay.Errorf(backstay.SignIn, "nobody is signed in")
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
		writeJSON(w, &Problem{Title: http.StatusText(http.StatusUnauthorized), Status: http.StatusUnauthorized, Detail: e.Msg, Code: doctor.Find(e).Code, Kind: e.Kind,
			Hint: "Sign in, or give an API token.", Request: who.From.Request})
		return
	}
	next(ctx)
}

// none is an answer without a body.
type none struct{}

// handle registers one operation.
func handle[I, O any](a *API, op operation, fn func(ctx context.Context, in *I) (*O, error)) {
	o := huma.Operation{OperationID: op.id, Method: op.method, Path: op.full(), Summary: op.summary, Description: op.help, Tags: []string{op.tag},
		DefaultStatus: op.status, MaxBodyBytes: maxBody, BodyReadTimeout: -1, RejectUnknownQueryParameters: len(op.filters) == 0 && !op.returned, Metadata: map[string]any{"filters": op.filters}, Extensions: rights[op.id].describe()}
	if !op.open {
		o.Security = []map[string][]string{{"session": {}}, {"token": {}}}
		o.Middlewares = huma.Middlewares{onlyKnown}
	}
	for _, name := range op.filters {
		o.Parameters = append(o.Parameters, &huma.Param{Name: name, In: "query", Description: "Only those with this " + name, Schema: &huma.Schema{Type: "string"}})
	}
	a.routes = append(a.routes, Route{ID: op.id, Method: op.method, Path: o.Path, Open: op.open, Right: rights[op.id]})
	huma.Register(a.huma, o, func(ctx context.Context, in *I) (*O, error) {
		received(ctx)
		out, err := fn(ctx, in)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		return out, nil
	})
}
