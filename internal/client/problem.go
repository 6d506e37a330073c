package client

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/backstay/backstay"
)

// problem is an error as RFC 9457 has it.
type problem struct {
	Detail  string        `json:"detail"`
	Kind    backstay.Kind `json:"kind"`
	Hint    string        `json:"hint"`
	Field   string        `json:"field"`
	Code    string        `json:"code"`
	Request string        `json:"request"`
}

// problem turns an answer that is none of the good ones into an error.
func (c *Client) problem(answer *http.Response, content []byte) error {
	var p problem
	if err := json.Unmarshal(content, &p); err != nil || p.Detail == "" {
		return backstay.Errorf(backstay.Failed, "%s answered %s, and not as a Backstay server does", c.base, answer.Status).WithHint("Is the address that of a Backstay server?")
	}
	e := &backstay.Error{Kind: p.Kind, Msg: p.Detail, Hint: p.Hint, Field: p.Field, Code: p.Code}
	switch {
	case answer.StatusCode == http.StatusUnauthorized:
		e.Kind = backstay.SignIn
	case e.Kind == "":
		e.Kind = backstay.Failed
	}
	if e.Kind == backstay.Failed && e.Hint == "" && p.Request != "" {
		e.Hint = "The log of the server has more, under the request " + p.Request + "."
	}
	return e
}

// failed is about a server that could not be asked. What the library says shows addresses, which may tell what was asked for.
func (c *Client) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	e := backstay.Errorf(backstay.Failed, "ask %s: %w", c.base, err)
	var unknown x509.UnknownAuthorityError
	var otherName x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.Is(err, ErrFingerprint):
		return e.WithHint("Somebody may be between you and the server. If its certificate is new, compare the fingerprint with what its console shows, then: backstay login")
	case errors.As(err, &unknown), errors.As(err, &otherName), errors.As(err, &invalid):
		return e.WithHint("If it is the server's own certificate, sign in with its fingerprint: backstay login")
	}
	return e.WithHint("Is the server running, and reached from here at that address?")
}
