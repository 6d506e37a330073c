package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"golang.org/x/oauth2"
)

const (
	maxReply  = 1 << 20 // bytes; real ones have some kB
	replyTime = 15 * time.Second
)

// careful returns a client like c for a server that somebody named: it follows no redirects, which could lead a secret elsewhere,
// reads no endless replies, and waits for none.
func careful(c *http.Client) *http.Client {
	next := c.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	timeout := c.Timeout
	if timeout == 0 || timeout > replyTime {
		timeout = replyTime
	}
	return &http.Client{
		Transport: limited{next},
		Timeout:   timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the server wants to redirect, which isn't followed")
		},
	}
}

type limited struct{ next http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxReply)
	}
	return resp, err
}

func mustBeHTTPS(address string) error {
	if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return errors.New("one of its addresses isn't https with a host and without a user")
	}
	return nil
}

// brief shortens an error that may have a whole page of the other server in it, or a URL, and keeps what it wraps.
func brief(err error) error {
	text := withoutURL(err).Error()
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		text = "it answered " + refused.Response.Status
		if refused.ErrorCode != "" {
			text += fmt.Sprintf(", %q", refused.ErrorCode)
		}
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	return &briefError{strings.ToValidUTF8(text[:min(len(text), 200)], ""), err}
}

type briefError struct {
	text string
	err  error
}

func (e *briefError) Error() string { return e.text }
func (e *briefError) Unwrap() error { return e.err }
