package auth_test

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/internal/auth"
	"github.com/backstay/backstay/internal/auth/authtest"
)

// issuer is another server, at a time that stands still.
type issuer struct {
	*authtest.Issuer
	t     *testing.T
	clock *stopped
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	c := &stopped{noon}
	return &issuer{authtest.NewIssuer(t, c.Now), t, c}
}

func (i *issuer) options() auth.OIDCOptions {
	return auth.OIDCOptions{Issuer: i.URL, ClientID: authtest.ClientID, Secret: authtest.ClientSecret, Redirect: "https://backup.example.com/signin/oidc",
		Scopes: []string{"email", "profile"}, Client: i.Client, Clock: i.clock, Random: rand.Reader}
}

func (i *issuer) discovered() *auth.OIDC {
	i.t.Helper()
	o, err := auth.DiscoverOIDC(i.t.Context(), i.options())
	if err != nil {
		i.t.Fatal(err)
	}
	return o
}

// signIn goes all the way with o.
func (i *issuer) signIn(o *auth.OIDC) (auth.Identity, error) {
	i.t.Helper()
	address, kept, err := o.Begin()
	if err != nil {
		i.t.Fatal(err)
	}
	return o.Finish(i.t.Context(), kept, i.Authorize(address))
}

func TestAnotherServersWordIsTaken(t *testing.T) {
	i := newIssuer(t)
	i.Claims = map[string]any{"email": "ada@example.com", "email_verified": true, "name": "Ada Lovelace", "groups": []string{"ops", "dba"},
		"acr": "phr", "amr": []string{"pwd", "hwk"}, "auth_time": noon.Unix() - 7, "at_hash": "oFYf1knNtrqnhAVfBRuteQ"}
	o := i.discovered()
	want := auth.Identity{Issuer: i.URL, Subject: "4711", Email: "ada@example.com", Verified: true, Name: "Ada Lovelace", Groups: []string{"ops", "dba"},
		ACR: "phr", AMR: []string{"pwd", "hwk"}, At: noon.Add(-7 * time.Second)}
	for range 3 {
		got, err := i.signIn(o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Finish (-want +got):\n%s", diff)
		}
	}
	if n := i.Asked.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times for three sign-ins, want once", n)
	}
	if i.Basic.Load() != 3 {
		t.Errorf("the client named itself by the header %d times, want 3", i.Basic.Load())
	}
}

func TestTheBrowserIsSentWithStateNonceAndChallenge(t *testing.T) {
	i := newIssuer(t)
	o := i.discovered()
	seen := map[string]bool{}
	for range 10 {
		address, kept, err := o.Begin()
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if q.Get("scope") != "openid email profile" || q.Get("redirect_uri") != "https://backup.example.com/signin/oidc" {
			t.Errorf("the browser is sent with %v", q)
		}
		var a struct{ State, Nonce, Verifier string }
		if err := json.Unmarshal(kept, &a); err != nil {
			t.Fatal(err)
		}
		if q.Get("state") != a.State || q.Get("nonce") != a.Nonce || strings.Contains(address, a.Verifier) || strings.Contains(address, authtest.ClientSecret) {
			t.Error("what is kept isn't what the browser is sent with, or the browser gets the verifier or the secret")
		}
		for _, random := range []string{a.State, a.Nonce, a.Verifier} {
			if len(random) != 43 || seen[random] {
				t.Errorf("%q is no 256 random bits, or was there before", random)
			}
			seen[random] = true
		}
	}
}

// Each test breaks one thing of what the issuer says. The unbroken one is TestAnotherServersWordIsTaken.
func TestWhichTokensAreRefused(t *testing.T) {
	for name, breakIt := range map[string]func(i *issuer){
		"another nonce":                    func(i *issuer) { i.Claims["nonce"] = "another" },
		"no nonce":                         func(i *issuer) { i.Claims["nonce"] = nil },
		"another audience":                 func(i *issuer) { i.Claims["aud"] = "another-client" },
		"no audience":                      func(i *issuer) { i.Claims["aud"] = nil },
		"two audiences, and for nobody":    func(i *issuer) { i.Claims["aud"] = []string{authtest.ClientID, "another-client"} },
		"two audiences, and for the other": func(i *issuer) { i.Claims["aud"] = []string{authtest.ClientID, "b"}; i.Claims["azp"] = "b" },
		"one audience, and for another":    func(i *issuer) { i.Claims["azp"] = "another-client" },
		"another issuer":                   func(i *issuer) { i.Claims["iss"] = "https://evil.example" },
		"the issuer with a slash":          func(i *issuer) { i.Claims["iss"] = i.URL + "/" },
		"no issuer":                        func(i *issuer) { i.Claims["iss"] = nil },
		"run out":                          func(i *issuer) { i.Claims["exp"] = noon.Unix() - 1 },
		"without an end":                   func(i *issuer) { i.Claims["exp"] = nil },
		"not yet valid":                    func(i *issuer) { i.Claims["nbf"] = noon.Add(time.Hour).Unix() },
		"nobody's name":                    func(i *issuer) { i.Claims["sub"] = "" },
		"a name without an end":            func(i *issuer) { i.Claims["sub"] = strings.Repeat("x", 256) },
		"a name that can't be stored":      func(i *issuer) { i.Claims["sub"] = "a\x00b" },
		"the hash of another access token": func(i *issuer) { i.Claims["at_hash"] = authtest.Base64(make([]byte, 16)) },
		"signed by a key of somebody else": func(i *issuer) {
			other := authtest.NewKey(i.t)
			i.Sign = func(c map[string]any) string { return i.SignWith("one", other, c) }
		},
		"signed by a key nobody knows": func(i *issuer) {
			other := authtest.NewKey(i.t)
			i.Sign = func(c map[string]any) string { return i.SignWith("two", other, c) }
		},
		"not signed": func(i *issuer) {
			i.Sign = func(c map[string]any) string { return authtest.JWT(map[string]string{"alg": "none"}, c) + "." }
		},
		"not signed, and so it says beforehand": func(i *issuer) {
			i.Discovery["id_token_signing_alg_values_supported"] = []string{"none"}
			i.Sign = func(c map[string]any) string {
				return authtest.JWT(map[string]string{"alg": "none", "kid": "one"}, c) + "."
			}
		},
		"signed with the client's secret": func(i *issuer) {
			i.Discovery["id_token_signing_alg_values_supported"] = []string{"RS256", "HS256"}
			i.Sign = func(c map[string]any) string { return signHS256(c, []byte(authtest.ClientSecret)) }
		},
		"signed with the public key as a secret": func(i *issuer) {
			i.Sign = func(c map[string]any) string {
				return signHS256(c, x509.MarshalPKCS1PublicKey(&i.Keys["one"].PublicKey))
			}
		},
		"changed after it was signed": func(i *issuer) {
			i.Sign = func(c map[string]any) string {
				parts := strings.Split(i.SignWith("one", i.Keys["one"], c), ".")
				c["sub"] = "root"
				return authtest.JWT(map[string]string{"alg": "RS256", "kid": "one"}, c) + "." + parts[2]
			}
		},
		"no token at all": func(i *issuer) {
			i.Token = func(w http.ResponseWriter, _ string) {
				authtest.Reply(w, map[string]any{"access_token": "a", "token_type": "Bearer"})
			}
		},
		"a token that is none": func(i *issuer) { i.Sign = func(map[string]any) string { return "hunter2" } },
		"a page":               func(i *issuer) { i.Token = func(w http.ResponseWriter, _ string) { w.Write([]byte("<html>")) } },
		"an endless answer": func(i *issuer) {
			i.Token = func(w http.ResponseWriter, _ string) { w.Write(make([]byte, 2<<20)) }
		},
		"an answer that leads elsewhere": func(i *issuer) {
			i.Token = func(w http.ResponseWriter, _ string) {
				w.Header().Set("Location", i.URL+"/keys")
				w.WriteHeader(http.StatusTemporaryRedirect)
			}
		},
	} {
		i := newIssuer(t)
		breakIt(i)
		who, err := i.signIn(i.discovered())
		if err == nil {
			t.Errorf("a token with %s was taken: %+v", name, who)
			continue
		}
		if text := err.Error(); len(text) > 400 || strings.Contains(text, authtest.ClientSecret) || strings.ContainsAny(text, "\n\r\x00") {
			t.Errorf("a token with %s: the error is long, many lines or has the secret: %.600s", name, text)
		}
		t.Logf("%s: %v", name, err)
	}
}

func signHS256(claims map[string]any, key []byte) string {
	body := authtest.JWT(map[string]string{"alg": "HS256", "kid": "one"}, claims)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(body))
	return body + "." + authtest.Base64(mac.Sum(nil))
}

func TestAnAnswerIsTakenInTheBrowserThatAskedAndOnce(t *testing.T) {
	i := newIssuer(t)
	o := i.discovered()
	address, kept, err := o.Begin()
	if err != nil {
		t.Fatal(err)
	}
	_, othersKept, err := o.Begin()
	if err != nil {
		t.Fatal(err)
	}
	answer := i.Authorize(address)
	with := func(name, value string) url.Values {
		changed := url.Values{name: {value}}
		for n, v := range answer {
			if n != name {
				changed[n] = v
			}
		}
		return changed
	}
	for name, c := range map[string]struct {
		kept   []byte
		answer url.Values
	}{
		"of another browser":        {othersKept, answer},
		"of none":                   {nil, answer},
		"of an empty attempt":       {[]byte("{}"), url.Values{"code": {"x"}, "state": {""}}},
		"with another state":        {kept, with("state", "x")},
		"without a state":           {kept, with("state", "")},
		"of another issuer":         {kept, with("iss", "https://evil.example")},
		"without a code":            {kept, with("code", "")},
		"of nothing":                {kept, nil},
		"of another one with state": {othersKept, with("state", answer.Get("state"))},
	} {
		if who, err := o.Finish(t.Context(), c.kept, c.answer); !errors.Is(err, auth.ErrOIDCState) {
			t.Errorf("an answer %s = %+v, %v, want ErrOIDCState", name, who, err)
		}
	}
	i.clock.now = noon.Add(10*time.Minute + time.Second)
	if _, err := o.Finish(t.Context(), kept, answer); !errors.Is(err, auth.ErrOIDCState) {
		t.Errorf("an answer after ten minutes = %v, want ErrOIDCState", err)
	}
	i.clock.now = noon
	if _, err := o.Finish(t.Context(), kept, with("error", "access_denied\n"+strings.Repeat("x", 1000))); !errors.Is(err, auth.ErrOIDCRefused) || len(err.Error()) > 150 {
		t.Errorf("a refusal = %v, want ErrOIDCRefused in short", err)
	}
	if _, err := o.Finish(t.Context(), kept, with("iss", i.URL)); err != nil {
		t.Errorf("the answer that names its issuer = %v", err)
	}
	if _, err := o.Finish(t.Context(), kept, answer); err == nil || strings.Contains(err.Error(), authtest.ClientSecret) || strings.Contains(err.Error(), "<b>") || !strings.Contains(err.Error(), "invalid_grant") {
		t.Errorf("a code again = %v, want the other server's reason without its page", err)
	}
}

func TestWhoGoesAwayDoesNotWaitForASlowServer(t *testing.T) {
	for name, slow := range map[string]func(i *issuer, wait func()){
		"token": func(i *issuer, wait func()) { i.Token = func(http.ResponseWriter, string) { wait() } },
		"keys":  func(i *issuer, wait func()) { i.BeforeKeys = wait },
	} {
		i := newIssuer(t)
		o := i.discovered()
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		slow(i, func() { cancel(); <-release })
		address, kept, err := o.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Finish(ctx, kept, i.Authorize(address)); !errors.Is(err, context.Canceled) {
			t.Errorf("a slow answer with the %s, and the person goes away: %v, want context.Canceled", name, err)
		}
		close(release)
	}
}

func TestAnAnswerIsTakenByTheServerThatWasAsked(t *testing.T) {
	one, two := newIssuer(t), newIssuer(t)
	address, kept, err := one.discovered().Begin()
	if err != nil {
		t.Fatal(err)
	}
	if who, err := two.discovered().Finish(t.Context(), kept, one.Authorize(address)); !errors.Is(err, auth.ErrOIDCState) {
		t.Errorf("the answer of one server at another = %+v, %v, want ErrOIDCState", who, err)
	}
}

func TestTheClientsSecretIsNotPrinted(t *testing.T) {
	i := newIssuer(t)
	if text := fmt.Sprintf("%v %+v %#v %s %v %+v", i.discovered(), i.discovered(), i.discovered(), i.discovered(), i.options(), i.options()); strings.Contains(text, authtest.ClientSecret) {
		t.Errorf("the secret of the client is printed: %s", text)
	}
}

func TestAPromisedIssuerMustBeNamed(t *testing.T) {
	i := newIssuer(t)
	i.Discovery["authorization_response_iss_parameter_supported"] = true
	if _, err := i.signIn(i.discovered()); !errors.Is(err, auth.ErrOIDCState) {
		t.Errorf("an answer without the issuer that was promised = %v, want ErrOIDCState", err)
	}
}

func TestThePersonIsAskedToSignInAgainIfThatWasLongAgo(t *testing.T) {
	i := newIssuer(t)
	opts := i.options()
	opts.MaxAge = 10 * time.Minute
	o, err := auth.DiscoverOIDC(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	for o, want := range map[*auth.OIDC]string{o: "600", i.discovered(): ""} {
		address, _, err := o.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if u, err := url.Parse(address); err != nil || u.Query().Get("max_age") != want {
			t.Errorf("the browser is sent with max_age %q, %v, want %q", u.Query().Get("max_age"), err, want)
		}
	}
}

func TestACaughtCodeIsOfNoUseWithoutTheVerifier(t *testing.T) {
	i := newIssuer(t)
	o := i.discovered()
	address, _, err := o.Begin()
	if err != nil {
		t.Fatal(err)
	}
	caught := i.Authorize(address).Get("code")
	address, kept, err := o.Begin() // the attacker's own sign-in, with the code of somebody else
	if err != nil {
		t.Fatal(err)
	}
	answer := i.Authorize(address)
	answer.Set("code", caught)
	if who, err := o.Finish(t.Context(), kept, answer); err == nil {
		t.Errorf("a code of another sign-in was taken: %+v", who)
	}
}

func TestNewKeysAreFetchedAndOldOnesAreDropped(t *testing.T) {
	i := newIssuer(t)
	o := i.discovered()
	if _, err := i.signIn(o); err != nil {
		t.Fatal(err)
	}
	old := i.Keys["one"]
	i.Keys["two"] = authtest.NewKey(t)
	delete(i.Keys, "one")
	i.Sign = func(c map[string]any) string { return i.SignWith("two", i.Keys["two"], c) }
	if _, err := i.signIn(o); err != nil {
		t.Errorf("a token by a new key = %v", err)
	}
	i.Sign = func(c map[string]any) string { return i.SignWith("one", old, c) }
	if _, err := i.signIn(o); err == nil {
		t.Error("a token by a key that was taken back is taken")
	}
}

func TestClaimsAreReadAsServersWriteThem(t *testing.T) {
	i := newIssuer(t)
	o := i.discovered()
	for _, c := range []struct {
		claims   map[string]any
		verified bool
		groups   []string
	}{
		{map[string]any{"email": "a@b", "email_verified": "true", "groups": "ops"}, true, []string{"ops"}},
		{map[string]any{"email": "a@b", "email_verified": "TRUE"}, false, nil},
		{map[string]any{"email": "a@b", "email_verified": 1}, false, nil},
		{map[string]any{"email": "a@b"}, false, nil},
		{map[string]any{"email_verified": true}, false, nil},
		{map[string]any{"email": "a\x00@b", "email_verified": true}, false, nil},
		{map[string]any{"email": "a@b", "email_verified": false, "groups": []string{}}, false, []string{}},
	} {
		i.Claims = c.claims
		who, err := i.signIn(o)
		if err != nil || who.Verified != c.verified || !cmp.Equal(who.Groups, c.groups) {
			t.Errorf("of %v: verified %v, groups %q, %v; want %v, %q", c.claims, who.Verified, who.Groups, err, c.verified, c.groups)
		}
	}
	i.Claims = map[string]any{"groups": []any{"ops", 7}}
	if who, err := i.signIn(o); err == nil {
		t.Errorf("groups that are no texts were read: %q", who.Groups)
	}
}

func TestTheSecretGoesIntoTheFormWhereTheServerWantsIt(t *testing.T) {
	i := newIssuer(t)
	i.Discovery["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"}
	if _, err := i.signIn(i.discovered()); err != nil || i.Basic.Load() != 0 {
		t.Errorf("sign-in by client_secret_post = %v, %d times by header", err, i.Basic.Load())
	}
}

func TestWhichIssuersAreRefused(t *testing.T) {
	for name, breakIt := range map[string]func(i *issuer, o *auth.OIDCOptions){
		"names itself otherwise":       func(i *issuer, _ *auth.OIDCOptions) { i.Discovery["issuer"] = "https://evil.example" },
		"names itself with a slash":    func(i *issuer, _ *auth.OIDCOptions) { i.Discovery["issuer"] = i.URL + "/" },
		"takes codes in the clear":     func(i *issuer, _ *auth.OIDCOptions) { i.Discovery["token_endpoint"] = "http://127.0.0.1/token" },
		"signs people in in the clear": func(i *issuer, _ *auth.OIDCOptions) { i.Discovery["authorization_endpoint"] = "http://127.0.0.1/" },
		"has keys in the clear":        func(i *issuer, _ *auth.OIDCOptions) { i.Discovery["jwks_uri"] = "http://127.0.0.1/keys" },
		"has a script for a page":      func(i *issuer, _ *auth.OIDCOptions) { i.Discovery["authorization_endpoint"] = "javascript:alert(1)" },
		"has no keys":                  func(i *issuer, _ *auth.OIDCOptions) { i.Discovery["jwks_uri"] = nil },
		"has a file of keys":           func(i *issuer, _ *auth.OIDCOptions) { i.Discovery["jwks_uri"] = "file:///etc/passwd" },
		"is asked in the clear":        func(i *issuer, o *auth.OIDCOptions) { o.Issuer = strings.Replace(i.URL, "https", "http", 1) },
		"has a certificate of nobody":  func(_ *issuer, o *auth.OIDCOptions) { o.Client = &http.Client{} },
		"is not there":                 func(i *issuer, o *auth.OIDCOptions) { o.Issuer = i.URL + "/nothing" },
		"has a name in its address":    func(i *issuer, o *auth.OIDCOptions) { o.Issuer = strings.Replace(i.URL, "://", "://user:canary@", 1) },
	} {
		i := newIssuer(t)
		opts := i.options()
		breakIt(i, &opts)
		_, err := auth.DiscoverOIDC(t.Context(), opts)
		if err == nil {
			t.Errorf("an issuer that %s is taken", name)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("an issuer that %s: the error has a secret: %v", name, err)
		}
		t.Logf("%s: %v", name, err)
	}
}

func TestAnIssuerThatAnswersWithoutEndOrLeadsElsewhereIsRefused(t *testing.T) {
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	for name, serve := range map[string]http.HandlerFunc{
		"a page of 2 MiB": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(strings.Repeat("<p>canary\n", 200_000))) },
		"an error page": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			w.Write([]byte(strings.Repeat("trace\n", 10_000)))
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
	} {
		server := httptest.NewTLSServer(serve)
		t.Cleanup(server.Close)
		i := newIssuer(t)
		opts := i.options()
		opts.Issuer, opts.Client = server.URL, server.Client()
		_, err := auth.DiscoverOIDC(t.Context(), opts)
		if err == nil || len(err.Error()) > 400 || strings.Contains(err.Error(), "\n") {
			t.Errorf("discovery with %s = %.600v, want a short error", name, err)
		}
	}
}

func TestAnEndlessAnswerIsNotReadToItsEnd(t *testing.T) {
	var sent atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		part := []byte(strings.Repeat(" ", 64<<10))
		for sent.Load() < 64<<20 {
			n, err := w.Write(part)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	opts := newIssuer(t).options()
	opts.Issuer, opts.Client = server.URL, server.Client()
	if _, err := auth.DiscoverOIDC(t.Context(), opts); err == nil {
		t.Error("discovery with an endless answer = nil error")
	}
	server.Close() // waits for the handler
	if n := sent.Load(); n > 16<<20 {
		t.Errorf("%d MiB of an endless answer were read", n>>20)
	}
}
