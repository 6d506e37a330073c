package client

import (
	"context"
	"iter"
	"maps"
	"net/http"
	"net/url"

	"github.com/backstay/backstay"
)

// Noun is a kind of thing that the API handles as it does all of them. T is one of the nouns of the root package, or json.RawMessage for who
// takes them as they come.
type Noun[T any] struct{ Path string }

// The nouns that are asked for by their type.
var (
	Plans = Noun[backstay.Plan]{"plans"}
	Runs  = Noun[backstay.Run]{"runs"}
)

// The operations of a noun.
func (n Noun[T]) ListOperation() Operation   { return Operation{http.MethodGet, "/" + n.Path} }
func (n Noun[T]) GetOperation() Operation    { return Operation{http.MethodGet, "/" + n.Path + "/{id}"} }
func (n Noun[T]) CreateOperation() Operation { return Operation{http.MethodPost, "/" + n.Path} }
func (n Noun[T]) UpdateOperation() Operation {
	return Operation{http.MethodPatch, "/" + n.Path + "/{id}"}
}
func (n Noun[T]) DeleteOperation() Operation {
	return Operation{http.MethodDelete, "/" + n.Path + "/{id}"}
}

// Get returns the one of an id.
func (n Noun[T]) Get(ctx context.Context, c *Client, id string) (v T, err error) {
	err = c.Do(ctx, n.GetOperation(), Request{ID: id}, &v)
	return v, err
}

// List yields all that the query selects, page by page.
func (n Noun[T]) List(ctx context.Context, c *Client, query url.Values) iter.Seq2[T, error] {
	return Pages[T](ctx, c, n.ListOperation(), query, "cursor")
}

// Create makes a new one of a value, and returns what came of it.
func (n Noun[T]) Create(ctx context.Context, c *Client, v any) (made T, err error) {
	err = c.Do(ctx, n.CreateOperation(), Request{Body: v}, &made)
	return made, err
}

// Update changes what the patch has, and returns what came of it. With a version it is refused if the thing has another one by now.
func (n Noun[T]) Update(ctx context.Context, c *Client, id string, version int64, patch any) (made T, err error) {
	err = c.Do(ctx, n.UpdateOperation(), Request{ID: id, Version: version, Body: patch}, &made)
	return made, err
}

// Delete removes the one of an id. With a version it is refused if the thing has another one by now.
func (n Noun[T]) Delete(ctx context.Context, c *Client, id string, version int64) error {
	return c.Do(ctx, n.DeleteOperation(), Request{ID: id, Version: version}, nil)
}

// Pages yields what a list has, page by page. What a page gives as the next one is told by the parameter of that name.
func Pages[T any](ctx context.Context, c *Client, op Operation, query url.Values, parameter string) iter.Seq2[T, error] {
	return PagesOf[T](ctx, c, op, Request{Query: query}, parameter)
}

// PagesOf is Pages for a list that belongs to one thing.
func PagesOf[T any](ctx context.Context, c *Client, op Operation, r Request, parameter string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		query := maps.Clone(r.Query)
		if query == nil {
			query = url.Values{}
		}
		r.Query = query
		for {
			var page struct {
				Items []T    `json:"items"`
				Next  string `json:"next"`
			}
			if err := c.Do(ctx, op, r, &page); err != nil {
				yield(*new(T), err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			query.Set(parameter, page.Next)
		}
	}
}
