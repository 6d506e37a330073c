package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/backstay/backstay"
)

// Health is whether a server can do its work.
type Health struct {
	Status   string `json:"status"`             // ok or failing
	Database string `json:"database,omitempty"` // what is wrong with it
}

// Health asks the server whether it can do its work, without saying who asks. That it can't is no error.
func (c *Client) Health(ctx context.Context) (h Health, err error) {
	u := *c.base
	u.Path = "/health"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return h, err
	}
	request.Header.Set("User-Agent", c.opt.Agent)
	answer, err := c.http.Do(request)
	if err != nil {
		return h, c.failed(ctx, err)
	}
	content, err := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return h, c.failed(ctx, err)
	}
	if json.Unmarshal(content, &h) != nil || h.Status == "" {
		return h, c.problem(answer, nil)
	}
	return h, nil
}

// OK reports whether the server can.
func (h Health) OK() bool { return h.Status == "ok" }

// Failing is the error of a server that can't.
func (h Health) Failing(server string) *backstay.Error {
	return backstay.Errorf(backstay.Failed, "%s can't do its work: database: %s", server, h.Database).WithHint("The log of the server has more.")
}
