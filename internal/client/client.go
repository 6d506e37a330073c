// Package client asks a server over its REST API, for the command line.
//
// A Client is one server and one way of being signed in: the cookie of a session, or an API token. An Operation is one thing that the API
// can do; all that the command line uses stand in operations.go, so that a test can compare them with the description that the server gives
// of itself. A Noun is what the API lists, shows and changes alike. An answer that is a problem becomes a backstay.Error with its kind, its hint
// and its field. It follows no redirects, and what proves who asks never is in an error.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/backstay/backstay"
)

// maxAnswer is how many bytes an answer may have that is held in memory. A page of a list is far smaller.
const maxAnswer = 64 << 20

// headerTimeout is how long a server may take before it begins to answer. Some operations try out a storage.
const headerTimeout = 5 * time.Minute

// Options say which server is asked, and as whom.
type Options struct {
	URL         string // such as https://backup.example.org; plain http is for this machine only
	CA          []byte // PEM: the certificates to trust instead of the system's
	Fingerprint string // SHA-256 of the server's own certificate, which then is the only one that is trusted
	Token       string // an API token; without one the cookie counts
	Cookie      Cookie
	Agent       string // what the audit trail says was used
}

// Cookie is what proves a session.
type Cookie struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Client asks one server. Its methods may be called from any goroutine.
type Client struct {
	opt  Options
	base *url.URL
	http *http.Client
}

// New returns a client; it does no I/O.
func New(opt Options) (*Client, error) {
	base, err := ParseURL(opt.URL)
	if err != nil {
		return nil, err
	}
	config, err := opt.tls()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, ResponseHeaderTimeout: headerTimeout}
	never := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // what signs in is for this server only
	return &Client{opt: opt, base: base, http: &http.Client{Transport: transport, CheckRedirect: never}}, nil
}

// ParseURL reads the address of a server.
func ParseURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, backstay.Errorf(backstay.Invalid, "that is not the address of a server").WithHint("Write it as https://backup.example.org:8484.")
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, backstay.Errorf(backstay.Invalid, "%s would be asked without encryption", u.Host).WithHint("Write https:// before its name. Plain http is for this machine only.")
	}
	u.Path = ""
	return u, nil
}

// URL is the address of the server.
func (c *Client) URL() string { return c.base.String() }

// Request is what an operation is told.
type Request struct {
	ID      string     // for {id} in its path
	Other   string     // for {other} in its path
	Query   url.Values // may be nil
	Version int64      // of what is changed: it is refused if that has another one by now; 0: whatever it has
	Body    any        // sent as JSON; may be nil
}

// Do does an operation, and decodes its answer into out unless that is nil.
func (c *Client) Do(ctx context.Context, op Operation, r Request, out any) error {
	answer, err := c.send(ctx, op, r)
	if err != nil {
		return err
	}
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return c.failed(ctx, err)
	}
	if len(content) > maxAnswer {
		return c.failed(ctx, errors.New("the answer is too long"))
	}
	if out == nil || len(content) == 0 {
		return nil
	}
	if err := json.Unmarshal(content, out); err != nil {
		return backstay.Errorf(backstay.Failed, "the answer of %s can't be read: %w", c.base, err).WithHint("Its version may be another one than that of this program.")
	}
	return nil
}

// Copy writes the answer of an operation to w as it comes.
func (c *Client) Copy(ctx context.Context, op Operation, r Request, w io.Writer) error {
	answer, err := c.send(ctx, op, r)
	if err != nil {
		return err
	}
	read := &reader{Reader: answer.Body}
	_, err = io.Copy(w, read)
	err = errors.Join(err, answer.Body.Close())
	if read.err != nil {
		return c.failed(ctx, err)
	}
	return err
}

// reader notes that it was the reading which failed.
type reader struct {
	io.Reader
	err error
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// send returns a good answer, whose body is yet to be read and closed.
func (c *Client) send(ctx context.Context, op Operation, r Request) (*http.Response, error) {
	request, err := c.request(ctx, op, r)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, c.failed(ctx, err)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		content, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			return nil, c.failed(ctx, err)
		}
		return nil, c.problem(answer, content)
	}
	return answer, nil
}

func (c *Client) request(ctx context.Context, op Operation, r Request) (*http.Request, error) {
	u := *c.base
	u.RawPath = Prefix + strings.NewReplacer("{id}", url.PathEscape(r.ID), "{other}", url.PathEscape(r.Other)).Replace(op.Path)
	path, err := url.PathUnescape(u.RawPath)
	if err != nil {
		return nil, err
	}
	u.Path, u.RawQuery = path, r.Query.Encode()
	var body io.Reader
	if r.Body != nil {
		text, err := json.Marshal(r.Body)
		if err != nil {
			return nil, fmt.Errorf("write request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, op.Method, u.String(), body)
	if err != nil {
		return nil, err
	}
	h := request.Header
	h.Set("User-Agent", c.opt.Agent)
	if body != nil {
		h.Set("Content-Type", "application/json")
	}
	if r.Version != 0 {
		h.Set("If-Match", strconv.Quote(strconv.FormatInt(r.Version, 10)))
	}
	if c.opt.Token != "" {
		h.Set("Authorization", "Bearer "+c.opt.Token)
	} else if c.opt.Cookie.Value != "" {
		request.AddCookie(&http.Cookie{Name: c.opt.Cookie.Name, Value: c.opt.Cookie.Value})
	}
	return request, nil
}
