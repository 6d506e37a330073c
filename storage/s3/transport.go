package s3

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/backstay/backstay/storage"
)

// connections is how many are open to a store at a time: more than the engine has uploads and downloads under way, and few enough for
// a home router. Calls beyond wait.
const connections = 64

// newTransport returns what makes the requests. It speaks HTTP/1.1, in which a slow transfer doesn't hold up the others. There is no
// proxy: each connection goes through dial, which says what may be reached.
func newTransport(env storage.Env, ca string) (*http.Transport, error) {
	t := &http.Transport{
		DialContext:           env.Dial,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		MaxConnsPerHost:       connections,
		MaxIdleConnsPerHost:   connections,
		IdleConnTimeout:       time.Minute,
		TLSHandshakeTimeout:   30 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
		DisableCompression:    true,
		WriteBufferSize:       256 << 10, // of a pack few writes, and few TLS records are begun and not filled
		ReadBufferSize:        64 << 10,
	}
	if ca != "" {
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM([]byte(ca)) {
			return nil, errors.New(`setting "ca-certificate": there is no certificate in it that can be read`)
		}
	}
	return t, nil
}

// answers sees to what the client library doesn't of the answers.
type answers struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := a.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	switch query := r.URL.Query(); {
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusServiceUnavailable:
		_ = res.Body.Close()
		err = busy(res)
	case res.StatusCode != http.StatusOK || r.Method != http.MethodGet:
	case query.Has("list-type"), query.Has("versions"):
		err = checkListing(res)
	case query.Has("retention"):
		err = nameRetention(res)
	}
	if err != nil {
		return nil, err
	}
	return res, nil
}

// busy is the error of an answer that says to come back later. The library would drop when.
func busy(res *http.Response) error {
	err := fmt.Errorf("the server is busy: %s", res.Status)
	seconds, _ := strconv.Atoi(res.Header.Get("Retry-After")) // 0 where it says none, or a date
	return &storage.BusyError{After: time.Duration(max(0, seconds)) * time.Second, Err: err}
}

// checkListing returns an error for a page that is no listing, such as that of a proxy which wants a login. The library would take any
// XML for an empty listing.
func checkListing(res *http.Response) error {
	r := bufio.NewReader(res.Body)
	start, err := r.Peek(512)
	if bytes.Contains(start, []byte("<ListBucketResult")) || bytes.Contains(start, []byte("<ListVersionsResult")) {
		res.Body = struct {
			io.Reader
			io.Closer
		}{r, res.Body}
		return nil
	}
	_ = res.Body.Close()
	if err != nil && err != io.EOF {
		return fmt.Errorf("read listing: %w", err)
	}
	return errors.New("the answer is no listing")
}

// nameRetention gives the answer of Versity S3 Gateway about a retention the name that the protocol has for it.
func nameRetention(res *http.Response) error {
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(bytes.ReplaceAll(answer, []byte("ObjectLockRetention>"), []byte("Retention>"))))
	return err
}
