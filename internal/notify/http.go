package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
)

// Timeout is how long a receiver has to take a message. Most take well below a second; mail servers that look closely take longer.
const Timeout = 30 * time.Second

const (
	// maxAnswer is how much of an answer is read: none of the services has more to say, and a hostile one could go on for ever.
	maxAnswer = 64 << 10
	// maxHeader is how large the header of an answer may be.
	maxHeader = 64 << 10
	// maxQuote is how much of an answer is quoted in an error.
	maxQuote = 200
)

// Certificate is the setting for receivers that have a certificate of an authority of their own. TLS reads it.
var Certificate = settings.Field{Name: "ca-certificate", Title: "Certificate of the authority", Kind: settings.Pages,
	Help: "The certificate, as PEM, of the authority that signed the receiver's, if that isn't one everybody trusts; then only this one is trusted."}

// TLS returns how TLS is spoken: 1.2 or newer, and always verified.
func TLS(v settings.Values) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if pages := v[Certificate.Name]; pages != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(pages)) {
			return nil, &settings.Error{Field: Certificate, Why: "there is no certificate in it: want PEM, which has a line BEGIN CERTIFICATE"}
		}
	}
	return config, nil
}

// HTTP makes requests as all channels do: no proxy, no redirection followed, no more than Timeout, answers in bounds, and errors in which
// no address and no secret stands.
type HTTP struct {
	client http.Client
	clock  clock.Clock
	hidden *strings.Replacer
}

// NewHTTP returns an HTTP that connects with env.Dial and shows none of the secrets.
func NewHTTP(env Env, config *tls.Config, secrets ...string) *HTTP {
	return &HTTP{clock: env.Clock, hidden: Hide(secrets...), client: http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		// A connection for each message: they are few, and a server that was left alone has closed it meanwhile.
		Transport: &http.Transport{DialContext: env.Dial, TLSClientConfig: config, DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeader},
	}}
}

// Hide returns what replaces secrets by stars, as they are and as they stand in addresses and in headers. Very short ones are not
// looked for: they would be found everywhere.
func Hide(secrets ...string) *strings.Replacer {
	var pairs []string
	for _, s := range secrets {
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), base64.StdEncoding.EncodeToString([]byte(s))} {
			if len(s) >= 4 {
				pairs = append(pairs, form, "***")
			}
		}
	}
	return strings.NewReplacer(pairs...)
}

// Do makes a request, and returns the answer if its status is one of success.
func (h *HTTP) Do(ctx context.Context, method, address string, header http.Header, body string) ([]byte, error) {
	within, cancel := context.WithTimeoutCause(ctx, Timeout, fmt.Errorf("no answer within %v", Timeout))
	defer cancel()
	r, err := http.NewRequestWithContext(within, method, address, strings.NewReader(body))
	if err != nil {
		return nil, errors.New("the address can't be used") // the error shows it
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("User-Agent", "Backstay")
	answer, err := h.client.Do(r)
	if err != nil {
		return nil, h.ended(within, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return nil, h.failure(answer, text)
	}
	if err != nil {
		return nil, h.ended(within, err)
	}
	return text, nil
}

// ended is the error of a request that had no whole answer.
func (h *HTTP) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var address *url.Error
	if errors.As(err, &address) {
		err = address.Err
	}
	return Masked(h.hidden, err)
}

// failure is the error that the status of an answer stands for.
func (h *HTTP) failure(answer *http.Response, text []byte) error {
	code := answer.StatusCode
	err := fmt.Errorf("the receiver answers %d %s", code, http.StatusText(code))
	if quote := h.Quote(string(text)); quote != "" && !strings.HasPrefix(quote, "<") { // pages say nothing
		err = fmt.Errorf("%w: %q", err, quote)
	}
	switch code {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusGone, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return &LaterError{After: h.after(answer.Header.Get("Retry-After")), Err: err}
	}
	if code >= 300 && code < 400 {
		return fmt.Errorf("%w: it wants the message sent to another address: give that one", err)
	}
	return err
}

// Quote returns the start of what a receiver said, as one line that shows no secrets.
func (h *HTTP) Quote(text string) string {
	return line(h.hidden.Replace(text[:min(len(text), maxAnswer)]), maxQuote)
}

// after returns the time that a Retry-After header tells to wait: 0 if it tells none.
func (h *HTTP) after(header string) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, at.Sub(h.clock.Now()))
	}
	return 0
}

// Masked returns err with its text as the replacer leaves it.
func Masked(hidden *strings.Replacer, err error) error {
	if text := err.Error(); hidden.Replace(text) != text {
		return &masked{text: hidden.Replace(text), err: err}
	}
	return err
}

// masked keeps what an error is, but not what it says.
type masked struct {
	text string
	err  error
}

func (m *masked) Error() string { return m.text }

// Is reports whether the error is target, without giving it out: whoever printed what Unwrap returns would print the secret.
func (m *masked) Is(target error) bool { return errors.Is(m.err, target) }
