package client

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/backstay/backstay"
)

// answering starts a server and returns a client with a token.
func answering(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := New(Options{URL: s.URL, Token: "bst_secret", Agent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAProblemBecomesAnError(t *testing.T) {
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, `{"detail":"no","kind":"invalid","hint":"Do this.","field":"name","code":"BST-6008"}`)
	})
	err := c.Do(t.Context(), Profile, Request{}, nil)
	var e *backstay.Error
	if !errors.As(err, &e) || e.Kind != backstay.Invalid || e.Msg != "no" || e.Hint != "Do this." || e.Field != "name" || e.Code != "BST-6008" {
		t.Errorf("Do = %#v", err)
	}
}

func TestTheHealthOfAServerIsAskedForByNobody(t *testing.T) {
	for answer, want := range map[string]Health{`{"status":"ok"}`: {Status: "ok"}, `{"status":"failing","database":"no answer"}`: {"failing", "no answer"}} {
		c := answering(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/health" || r.Header.Get("Authorization") != "" {
				t.Errorf("%s was asked for with %v", r.URL, r.Header)
			}
			if want.Status != "ok" {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_, _ = io.WriteString(w, answer)
		})
		if h, err := c.Health(t.Context()); err != nil || h != want || h.OK() != (want.Status == "ok") {
			t.Errorf("Health = %+v, %v, want %+v", h, err, want)
		}
	}
	c := answering(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	if h, err := c.Health(t.Context()); err == nil {
		t.Errorf("Health of another server = %+v, nil error", h)
	}
}

func TestWhatIsNoAnswerOfAServerIsAnErrorWithoutSecrets(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"a page":        func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"another error": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "bst_secret", http.StatusBadGateway) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/?t=bst_secret", http.StatusFound)
		},
		"a cut": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"half": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"name":"x"`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out struct{ Name string }
			err := answering(t, h).Do(t.Context(), Profile, Request{Query: url.Values{"q": {"bst_secret"}}}, &out)
			var e *backstay.Error
			if !errors.As(err, &e) || e.Kind != backstay.Failed || e.Hint == "" || strings.Contains(fmt.Sprint(err, e.Err, e.Hint), "bst_secret") {
				t.Errorf("Do = %#v", err)
			}
		})
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	heard := 0
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { heard++; _, _ = io.WriteString(w, "{}") }))
	t.Cleanup(other.Close)
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	if err := c.Do(t.Context(), SignIn, Request{Body: Credentials{"a", "b"}}, nil); err == nil || heard != 0 {
		t.Errorf("Do = %v, and the other server was asked %d times", err, heard)
	}
}

func TestARequestSaysWhoAsksAndWhatItChanges(t *testing.T) {
	var got *http.Request
	c := answering(t, func(w http.ResponseWriter, r *http.Request) { got = r; _, _ = io.WriteString(w, "{}") })
	if _, err := Plans.Update(t.Context(), c, "a/b?c", 7, map[string]any{"active": true}); err != nil {
		t.Fatal(err)
	}
	if got.Method != http.MethodPatch || got.URL.EscapedPath() != "/api/v1/plans/a%2Fb%3Fc" || got.Header.Get("If-Match") != `"7"` || got.Header.Get("Authorization") != "Bearer bst_secret" ||
		got.Header.Get("Content-Type") != "application/json" || len(got.Cookies()) != 0 {
		t.Errorf("request = %s %s %v", got.Method, got.URL, got.Header)
	}
	if err := c.With(Cookie{"backstay", "v"}).Do(t.Context(), Profile, Request{}, nil); err != nil || len(got.Cookies()) != 0 {
		t.Errorf("beside a token cookies %v were sent, %v", got.Cookies(), err)
	}
}

func TestAListIsReadPageByPage(t *testing.T) {
	asked := 0
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Query().Get("cursor") == "" {
			_, _ = io.WriteString(w, `{"items":[{"name":"a"},{"name":"b"}],"next":"2"}`)
			return
		}
		_, _ = io.WriteString(w, `{"items":[{"name":"c"}]}`)
	})
	names := ""
	for p, err := range Plans.List(t.Context(), c, nil) {
		if err != nil {
			t.Fatal(err)
		}
		names += p.Name
	}
	if names != "abc" || asked != 2 {
		t.Errorf("listed %q in %d requests, want abc in 2", names, asked)
	}
	for range Plans.List(t.Context(), c, nil) {
		break
	}
	if asked != 3 {
		t.Errorf("who stops at the first has asked %d times, want once", asked-2)
	}
}

func TestOnlyTheTrustedCertificateIsTalkedTo(t *testing.T) {
	heard := 0
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { heard++; _, _ = io.WriteString(w, "{}") }))
	t.Cleanup(s.Close)
	s.Config.ErrorLog = nil
	shown, err := Untrusted(t.Context(), Options{URL: s.URL})
	if err != nil || shown != fingerprint(s.Certificate()) {
		t.Fatalf("Untrusted = %q, %v", shown, err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if shown, err := Untrusted(t.Context(), Options{URL: s.URL, CA: ca}); shown != "" || err != nil {
		t.Errorf("with its CA: Untrusted = %q, %v", shown, err)
	}
	if heard != 0 {
		t.Errorf("before it was trusted it was asked %d times", heard)
	}
	for _, c := range []struct {
		name string
		opt  Options
		good bool
	}{
		{"nothing", Options{}, false},
		{"its fingerprint", Options{Fingerprint: strings.ToLower(strings.ReplaceAll(shown, ":", ""))}, true},
		{"its CA", Options{CA: ca}, true},
		{"another fingerprint", Options{Fingerprint: strings.Repeat("00", 32)}, false},
		{"its CA and another fingerprint", Options{CA: ca, Fingerprint: strings.Repeat("00", 32)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			heard, c.opt.URL, c.opt.Token = 0, s.URL, "t"
			client, err := New(c.opt)
			if err != nil {
				t.Fatal(err)
			}
			err = client.Do(t.Context(), Profile, Request{}, nil)
			if (err == nil) != c.good || (heard == 1) != c.good {
				t.Errorf("Do = %v, asked %d times; want good: %v", err, heard, c.good)
			}
		})
	}
}

func TestAnAddressIsThatOfAServer(t *testing.T) {
	for _, bad := range []string{"", "backup.example.org", "http://backup.example.org", "http://10.0.0.1", "https://", "https://u:p@x", "https://x/path", "https://x?a", "ftp://x", "https://x#f"} {
		if _, err := New(Options{URL: bad}); err == nil || strings.Contains(err.Error(), "u:p") {
			t.Errorf("New(%q) = %v, want an error without secrets", bad, err)
		}
	}
	for _, good := range []string{"http://localhost:8484", "http://127.0.0.1", "http://[::1]:1", "https://backup.example.org/"} {
		if _, err := New(Options{URL: good}); err != nil {
			t.Errorf("New(%q) = %v", good, err)
		}
	}
	if _, err := New(Options{URL: "https://x", CA: []byte("nothing")}); err == nil {
		t.Error("New with a CA that is none = nil error")
	}
}

func TestACancelledRequestEndsWithItsCause(t *testing.T) {
	begun := make(chan struct{})
	c := answering(t, func(_ http.ResponseWriter, r *http.Request) { close(begun); <-r.Context().Done() })
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	go func() { <-begun; cancel(cause) }()
	if err := c.Do(ctx, Profile, Request{}, nil); !errors.Is(err, cause) {
		t.Errorf("Do = %v, want %v", err, cause)
	}
}
