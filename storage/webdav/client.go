package webdav

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/backstay/backstay/storage"
)

// client sends requests with what they need to be let in.
type client struct {
	http      *http.Client
	authorize func(*http.Request)
}

var errNoCertificate = errors.New("setting ca-certificate: there is no certificate in it: want PEM, that begins with -----BEGIN CERTIFICATE-----")

func newTransport(env storage.Env, ca string) (*http.Transport, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(ca)) {
			return nil, errNoCertificate
		}
	}
	return &http.Transport{
		DialContext:         env.Dial,
		TLSClientConfig:     config,
		TLSHandshakeTimeout: 30 * time.Second,
		ForceAttemptHTTP2:   true,
		DisableCompression:  true,
		MaxIdleConnsPerHost: 32, // more than a backup uses at once
		IdleConnTimeout:     time.Minute,
	}, nil
}

func newClient(t *http.Transport, user, password, token string) client {
	c := client{http: &http.Client{Transport: t, CheckRedirect: redirect}, authorize: func(*http.Request) {}}
	switch {
	case token != "":
		c.authorize = func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	case user != "" || password != "":
		c.authorize = func(r *http.Request) { r.SetBasicAuth(user, password) }
	}
	return c
}

// redirect lets a file be read from elsewhere, where it goes without a password if that is another host, but never without TLS.
func redirect(next *http.Request, before []*http.Request) error {
	if first := before[0]; first.Method != http.MethodGet || first.URL.Scheme == "https" && next.URL.Scheme != "https" || len(before) > 5 {
		return http.ErrUseLastResponse
	}
	return nil
}

// do sends a request. An answer that isn't one of success is an error; else its body has to be closed.
func (c client) do(r *http.Request) (*http.Response, error) {
	r.Header.Set("User-Agent", "backstay")
	c.authorize(r)
	answer, err := c.http.Do(r)
	if err != nil {
		if ctx := r.Context(); ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if outer := (*url.Error)(nil); errors.As(err, &outer) {
			err = outer.Err // without the address, which may be one with a signature
		}
		return nil, fmt.Errorf("%s: %w", r.Method, err)
	}
	if answer.StatusCode/100 == 2 {
		return answer, nil
	}
	defer done(answer)
	return nil, newRefusal(r, answer)
}

// ask sends a request whose answer is of no interest beyond that it is one of success.
func (c client) ask(r *http.Request) error {
	answer, err := c.do(r)
	if err == nil {
		done(answer)
	}
	return err
}

// done reads what is left of an answer, so that its connection is used again, unless that is much.
func done(answer *http.Response) {
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10)
	_ = answer.Body.Close()
}

// refusal is an answer that isn't one of success.
type refusal struct {
	method  string
	status  int
	message string        // the server's own words; "": none
	after   time.Duration // when to ask again, if it said so
	folder  bool          // it sends to the same address with a slash: that is a folder
}

func newRefusal(r *http.Request, answer *http.Response) *refusal {
	f := &refusal{method: r.Method, status: answer.StatusCode}
	if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && seconds > 0 {
		f.after = time.Duration(seconds) * time.Second
	}
	if to, err := answer.Location(); err == nil {
		f.folder = to.Path == r.URL.Path+"/"
	}
	var said struct {
		Message string `xml:"message"`
	}
	if xml.NewDecoder(io.LimitReader(answer.Body, 4<<10)).Decode(&said) == nil {
		f.message = said.Message
	}
	return f
}

func (f *refusal) Error() string {
	text := fmt.Sprintf("%s: the server answers %d %s", f.method, f.status, http.StatusText(f.status))
	if f.message != "" {
		text += ": " + f.message
	}
	return text
}

// status is what the server answered; 0 if the error isn't an answer.
func status(err error) int {
	if f := (*refusal)(nil); errors.As(err, &f) {
		return f.status
	}
	return 0
}
