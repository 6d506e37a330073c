package api

import (
	"context"
	"net/http"

	"github.com/backstay/backstay/internal/app"
)

func (a *API) registerKeys() {
	handle(a, operation{id: "list-repository-keys", method: http.MethodGet, path: "/repositories/{id}/keys", summary: "List the passwords that open a repository, but not what they are", tag: "repositories"},
		func(ctx context.Context, in *idOnly) (*listed[app.RepositoryKey], error) {
			keys, err := a.App.RepositoryKeys(ctx, actor(ctx), in.ID)
			return newListed(keys, ""), err
		})
	handle(a, operation{id: "add-repository-key", method: http.MethodPost, path: "/repositories/{id}/keys", summary: "Add a password that opens a repository too", tag: "repositories", status: http.StatusCreated},
		func(ctx context.Context, in *struct {
			ID   string `path:"id" maxLength:"64"`
			Body struct {
				Password string `json:"password" maxLength:"1000"`
				User     string `json:"user,omitempty" minLength:"1" maxLength:"100" doc:"Whose it is, as the list shows it; by default yours"`
			}
		}) (*struct{ Body app.RepositoryKey }, error) {
			key, err := a.App.AddRepositoryKey(ctx, actor(ctx), in.ID, in.Body.Password, in.Body.User)
			return &struct{ Body app.RepositoryKey }{key}, err
		})
	handle(a, operation{id: "remove-repository-key", method: http.MethodDelete, path: "/repositories/{id}/keys/{other}", summary: "Remove a password of a repository", tag: "repositories", status: http.StatusNoContent,
		help: "That of the server stays. Who has opened the repository with the password may have kept its master key: against that only a new repository helps."},
		func(ctx context.Context, in *struct {
			ID  string `path:"id" maxLength:"64"`
			Key string `path:"other" maxLength:"64" doc:"The id of the key"`
		}) (*none, error) {
			return nil, a.App.RemoveRepositoryKey(ctx, actor(ctx), in.ID, in.Key)
		})
}
