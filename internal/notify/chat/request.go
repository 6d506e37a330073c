package chat

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/notify"
)

// postJSON returns a request that posts v.
func postJSON(to string, header http.Header, v any) (request, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return request{}, err
	}
	return post(to, header, "application/json", string(body)), nil
}

// postForm returns a request that posts a form.
func postForm(to string, header http.Header, values url.Values) request {
	return post(to, header, "application/x-www-form-urlencoded", values.Encode())
}

func post(to string, header http.Header, kind, body string) request {
	if header = header.Clone(); header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", kind)
	return request{method: http.MethodPost, url: to, header: header, body: body}
}

// basic returns the header of HTTP basic authentication.
func basic(user, password string) http.Header {
	r := http.Request{Header: http.Header{}}
	if user != "" || password != "" {
		r.SetBasicAuth(user, password)
	}
	return r.Header
}

// bearer returns a header with a token.
func bearer(scheme, token string) http.Header {
	return http.Header{"Authorization": {scheme + " " + token}}
}

// scheme is that of a server's address.
func scheme(plain bool) string {
	if plain {
		return "http"
	}
	return "https"
}

// calm returns text in which no name is called: a character without width keeps @ from being the start of one.
func calm(text string) string { return strings.ReplaceAll(text, "@", "@\u200b") }

// level returns the value for a severity: that of info, warning, error or critical.
func level[T any](m notify.Message, info, warning, failure, critical T) T {
	switch m.Severity {
	case backstay.SeverityWarning:
		return warning
	case backstay.SeverityError:
		return failure
	case backstay.SeverityCritical:
		return critical
	}
	return info
}

// thread is the same for messages that are about the same thing.
func thread(m notify.Message) string {
	if m.Thread != "" {
		return m.Thread
	}
	return m.ID
}
