package auth_test

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/auth"
)

const stolen = "correct horse battery staple"

func hashOf(password string) string { return fmt.Sprintf("%X", sha1.Sum([]byte(password))) }

// stolenPasswords is a service that answers each question with these lines, and tells what it was asked.
func stolenPasswords(t *testing.T, status int, lines ...string) (auth.Breaches, *[]http.Request) {
	t.Helper()
	asked := new([]http.Request)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, *r)
		w.WriteHeader(status)
		fmt.Fprint(w, strings.Join(lines, "\r\n"))
	}))
	t.Cleanup(server.Close)
	return auth.Breaches{Client: server.Client(), URL: server.URL + "/range/"}, asked
}

func TestAStolenPasswordIsFoundAndTheServiceLearnsFiveLetters(t *testing.T) {
	hash := hashOf(stolen)
	b, asked := stolenPasswords(t, 200, strings.Repeat("0", 35)+":3", hash[5:]+":42", strings.Repeat("F", 35)+":1")
	if err := b.Check(t.Context(), stolen); !errors.Is(err, auth.ErrPasswordBreached) {
		t.Errorf("Check of a stolen password = %v, want ErrPasswordBreached", err)
	}
	if err := b.Check(t.Context(), "another password"); err != nil {
		t.Errorf("Check of another password = %v", err)
	}
	if len(*asked) != 2 {
		t.Fatalf("the service was asked %d times, want 2", len(*asked))
	}
	r := (*asked)[0]
	if r.RequestURI != "/range/"+hash[:5] || r.Header.Get("Add-Padding") != "true" || r.ContentLength > 0 {
		t.Errorf("the service was asked %s with %v, want the first five letters, with padding", r.RequestURI, r.Header)
	}
	for name, values := range r.Header {
		if strings.Contains(strings.ToUpper(strings.Join(values, " ")), hash[5:20]) {
			t.Errorf("the header %s has more of the hash", name)
		}
	}
}

func TestPaddingIsNotAFind(t *testing.T) {
	b, _ := stolenPasswords(t, 200, hashOf(stolen)[5:]+":0")
	if err := b.Check(t.Context(), stolen); err != nil {
		t.Errorf("Check with the hash as padding = %v, want nil", err)
	}
}

func TestAServiceThatFailsIsNeitherAFindNorALeak(t *testing.T) {
	hash := hashOf(stolen)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	refuses, _ := stolenPasswords(t, 503, hash[5:]+":42")
	page, _ := stolenPasswords(t, 200, "<html>welcome to the hotel</html>")
	endless, _ := stolenPasswords(t, 200, strings.Repeat("A", 2<<20))
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(slow.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for name, b := range map[string]auth.Breaches{
		"closed": {Client: http.DefaultClient, URL: closed.URL + "/"}, "refuses": refuses, "page": page, "endless": endless,
		"slow": {Client: slow.Client(), URL: slow.URL + "/"}, "no address": {Client: http.DefaultClient, URL: ":"},
	} {
		err := b.Check(ctx, stolen)
		if err == nil || errors.Is(err, auth.ErrPasswordBreached) {
			t.Errorf("%s: Check = %v, want an error that is no find", name, err)
		} else if strings.Contains(strings.ToUpper(err.Error()), hash[:5]) {
			t.Errorf("%s: the error has a part of the hash in it: %v", name, err)
		}
	}
}
