package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// record is a noun that has a backstay.Record.
type record[T any] interface {
	*T
	Base() *backstay.Record
}

// page is how a list is asked for.
type page struct {
	Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most"`
	Cursor  string `query:"cursor" doc:"What the page before gave as next"`
	Sort    string `query:"sort" doc:"A field to sort by; with - before it, the largest first. By default the newest come first"`
	Project string `query:"project" doc:"Only those of this project"`
	Search  string `query:"search" maxLength:"200" doc:"Only those whose name holds this text"`
	filters map[string]string
}

// Resolve reads the filters that the operation has.
func (p *page) Resolve(ctx huma.Context) []error {
	names, _ := ctx.Operation().Metadata["filters"].([]string)
	p.filters = map[string]string{}
	for _, name := range names {
		if value := ctx.Query(name); value != "" {
			p.filters[name] = value
		}
	}
	url := ctx.URL()
	for name := range url.Query() {
		if !slices.Contains(names, name) && !slices.Contains([]string{"limit", "cursor", "sort", "project", "search"}, name) {
			return []error{&huma.ErrorDetail{Location: name, Message: "there is nothing called so to filter by; known are " + strings.Join(names, ", ")}} // all would look as if they had it
		}
	}
	return nil
}

func (p *page) list() app.List {
	return app.List{Limit: p.Limit, Cursor: p.Cursor, Sort: p.Sort, Project: p.Project, Search: p.Search, Filters: p.filters}
}

// listed is a page of a list.
type listed[T any] struct {
	Body struct {
		Items []T    `json:"items"`
		Next  string `json:"next,omitempty" doc:"Give it as cursor for the next page; none on the last one"`
	}
}

func newListed[T any](items []T, next string) *listed[T] {
	var l listed[T]
	l.Body.Items, l.Body.Next = items, next
	if items == nil {
		l.Body.Items = []T{}
	}
	return &l
}

// one is a single thing. Its ETag is its version.
type one[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

func newOne[T any, P record[T]](v T) *one[T] {
	return &one[T]{ETag: strconv.Quote(strconv.FormatInt(P(&v).Base().Version, 10)), Body: v}
}

// Named is a request about one thing.
type Named struct {
	ID      string `path:"id" maxLength:"64"`
	IfMatch string `header:"If-Match" doc:"The ETag it was read with: the change is refused if somebody else has changed it since"`
}

func (n Named) version() (int64, error) {
	if n.IfMatch == "" || n.IfMatch == "*" {
		return 0, nil
	}
	v, err := strconv.ParseInt(strings.Trim(strings.TrimPrefix(n.IfMatch, "W/"), `"`), 10, 64)
	if err != nil || v <= 0 {
		return 0, backstay.Errorf(backstay.Invalid, "If-Match is not an ETag of this server")
	}
	return v, nil
}

// nouns registers the five operations that all nouns have alike. many is the noun's plural, as in paths.
func nouns[T any, P record[T]](a *API, many string, n *app.Noun[T, P]) { nounsBut(a, many, n) }

// nounsBut registers those of the five that are not named: a noun may have others in their place.
func nounsBut[T any, P record[T]](a *API, many string, n *app.Noun[T, P], but ...string) {
	registerReading(a, many, n)
	for verb, register := range map[string]func(*API, string, *app.Noun[T, P]){"create": registerCreate[T, P], "update": registerUpdate[T, P], "delete": registerDelete[T, P]} {
		if !slices.Contains(but, verb) {
			register(a, many, n)
		}
	}
}

func registerReading[T any, P record[T]](a *API, many string, n *app.Noun[T, P]) {
	handle(a, operation{id: "list-" + many, method: http.MethodGet, path: "/" + many, summary: "List " + many, tag: many, filters: append([]string{"name"}, n.Filters...)},
		func(ctx context.Context, in *page) (*listed[T], error) {
			items, next, err := n.List(ctx, actor(ctx), in.list())
			return newListed(items, next), err
		})
	handle(a, operation{id: "get-" + n.Kind, method: http.MethodGet, path: "/" + many + "/{id}", summary: "Show a " + n.Kind, tag: many},
		func(ctx context.Context, in *idOnly) (*one[T], error) {
			v, err := n.Find(ctx, actor(ctx), in.ID)
			return newOne[T, P](v), err
		})
}

func registerCreate[T any, P record[T]](a *API, many string, n *app.Noun[T, P]) {
	handle(a, operation{id: "create-" + n.Kind, method: http.MethodPost, path: "/" + many, summary: "Create a " + n.Kind, tag: many, status: http.StatusCreated},
		func(ctx context.Context, in *struct{ Body T }) (*one[T], error) {
			v, err := n.Create(ctx, actor(ctx), in.Body)
			return newOne[T, P](v), err
		})
}

func registerUpdate[T any, P record[T]](a *API, many string, n *app.Noun[T, P]) {
	handle(a, operation{id: "update-" + n.Kind, method: http.MethodPatch, path: "/" + many + "/{id}", summary: "Change a " + n.Kind, tag: many, help: "What is left out stays as it is."},
		func(ctx context.Context, in *struct {
			Named
			Body    T
			RawBody []byte
		}) (*one[T], error) {
			version, err := in.version()
			if err != nil {
				return nil, err
			}
			v, err := n.Update(ctx, actor(ctx), in.ID, version, in.RawBody)
			return newOne[T, P](v), err
		})
}

func registerDelete[T any, P record[T]](a *API, many string, n *app.Noun[T, P]) {
	handle(a, operation{id: "delete-" + n.Kind, method: http.MethodDelete, path: "/" + many + "/{id}", summary: "Delete a " + n.Kind, tag: many, status: http.StatusNoContent},
		func(ctx context.Context, in *Named) (*none, error) {
			version, err := in.version()
			if err != nil {
				return nil, err
			}
			return nil, n.Delete(ctx, actor(ctx), in.ID, version)
		})
}
