package auth_test

import (
	"context"
	"crypto/hmac"
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
)

func TestAnotherServersWordIsTaken(t *testing.T) {
	i := newIssuer(t)
	i.claims = map[string]any{"email": "ada@example.com", "email_verified": true, "name": "Ada Lovelace", "groups": []string{"ops", "dba"},
		"acr": "phr", "amr": []string{"pwd", "hwk"}, "auth_time": noon.Unix() - 7, "at_hash": "oFYf1knNtrqnhAVfBRuteQ"}
	o := i.discovered()
	want := auth.Identity{Issuer: i.url, Subject: "4711", Email: "ada@example.com", Verified: true, Name: "Ada Lovelace", Groups: []string{"ops", "dba"},
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
	if n := i.asked.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times for three sign-ins, want once", n)
	}
	if i.basic.Load() != 3 {
		t.Errorf("the client named itself by the header %d times, want 3", i.basic.Load())
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
		if q.Get("state") != a.State || q.Get("nonce") != a.Nonce || strings.Contains(address, a.Verifier) || strings.Contains(address, clientSecret) {
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
		"another nonce":                    func(i *issuer) { i.claims["nonce"] = "another" },
		"no nonce":                         func(i *issuer) { i.claims["nonce"] = nil },
		"another audience":                 func(i *issuer) { i.claims["aud"] = "another-client" },
		"no audience":                      func(i *issuer) { i.claims["aud"] = nil },
		"two audiences, and for nobody":    func(i *issuer) { i.claims["aud"] = []string{clientID, "another-client"} },
		"two audiences, and for the other": func(i *issuer) { i.claims["aud"] = []string{clientID, "b"}; i.claims["azp"] = "b" },
		"one audience, and for another":    func(i *issuer) { i.claims["azp"] = "another-client" },
		"another issuer":                   func(i *issuer) { i.claims["iss"] = "https://evil.example" },
		"the issuer with a slash":          func(i *issuer) { i.claims["iss"] = i.url + "/" },
		"no issuer":                        func(i *issuer) { i.claims["iss"] = nil },
		"run out":                          func(i *issuer) { i.claims["exp"] = noon.Unix() - 1 },
		"without an end":                   func(i *issuer) { i.claims["exp"] = nil },
		"not yet valid":                    func(i *issuer) { i.claims["nbf"] = noon.Add(time.Hour).Unix() },
		"nobody's name":                    func(i *issuer) { i.claims["sub"] = "" },
		"the hash of another access token": func(i *issuer) { i.claims["at_hash"] = b64url(make([]byte, 16)) },
		"signed by a key of somebody else": func(i *issuer) {
			other := newKey(i.t)
			i.sign = func(c map[string]any) string { return i.signWith("one", other, c) }
		},
		"signed by a key nobody knows": func(i *issuer) {
			other := newKey(i.t)
			i.sign = func(c map[string]any) string { return i.signWith("two", other, c) }
		},
		"not signed": func(i *issuer) {
			i.sign = func(c map[string]any) string { return jwt(map[string]string{"alg": "none"}, c) + "." }
		},
		"not signed, and so it says beforehand": func(i *issuer) {
			i.discover["id_token_signing_alg_values_supported"] = []string{"none"}
			i.sign = func(c map[string]any) string { return jwt(map[string]string{"alg": "none", "kid": "one"}, c) + "." }
		},
		"signed with the client's secret": func(i *issuer) {
			i.discover["id_token_signing_alg_values_supported"] = []string{"RS256", "HS256"}
			i.sign = func(c map[string]any) string { return signHS256(c, []byte(clientSecret)) }
		},
		"signed with the public key as a secret": func(i *issuer) {
			i.sign = func(c map[string]any) string {
				return signHS256(c, x509.MarshalPKCS1PublicKey(&i.keys["one"].PublicKey))
			}
		},
		"changed after it was signed": func(i *issuer) {
			i.sign = func(c map[string]any) string {
				parts := strings.Split(i.signWith("one", i.keys["one"], c), ".")
				c["sub"] = "root"
				return jwt(map[string]string{"alg": "RS256", "kid": "one"}, c) + "." + parts[2]
			}
		},
		"no token at all": func(i *issuer) {
			i.token = func(w http.ResponseWriter, _ string) {
				reply(w, map[string]any{"access_token": "a", "token_type": "Bearer"})
			}
		},
		"a token that is none": func(i *issuer) { i.sign = func(map[string]any) string { return "hunter2" } },
		"a page":               func(i *issuer) { i.token = func(w http.ResponseWriter, _ string) { w.Write([]byte("<html>")) } },
		"an endless answer": func(i *issuer) {
			i.token = func(w http.ResponseWriter, _ string) { w.Write(make([]byte, 2<<20)) }
		},
		"an answer that leads elsewhere": func(i *issuer) {
			i.token = func(w http.ResponseWriter, _ string) {
				w.Header().Set("Location", i.url+"/keys")
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
		if text := err.Error(); len(text) > 400 || strings.Contains(text, clientSecret) || strings.ContainsAny(text, "\n\r\x00") {
			t.Errorf("a token with %s: the error is long, many lines or has the secret: %.600s", name, text)
		}
		t.Logf("%s: %v", name, err)
	}
}

func signHS256(claims map[string]any, key []byte) string {
	body := jwt(map[string]string{"alg": "HS256", "kid": "one"}, claims)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(body))
	return body + "." + b64url(mac.Sum(nil))
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
	answer := i.authorize(address)
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
	if _, err := o.Finish(t.Context(), kept, with("iss", i.url)); err != nil {
		t.Errorf("the answer that names its issuer = %v", err)
	}
	if _, err := o.Finish(t.Context(), kept, answer); err == nil || strings.Contains(err.Error(), clientSecret) || strings.Contains(err.Error(), "<b>") || !strings.Contains(err.Error(), "invalid_grant") {
		t.Errorf("a code again = %v, want the other server's reason without its page", err)
	}
}

func TestWhoGoesAwayDoesNotWaitForASlowServer(t *testing.T) {
	for name, slow := range map[string]func(i *issuer, wait func()){
		"token": func(i *issuer, wait func()) { i.token = func(http.ResponseWriter, string) { wait() } },
		"keys":  func(i *issuer, wait func()) { i.beforeKeys = wait },
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
		if _, err := o.Finish(ctx, kept, i.authorize(address)); !errors.Is(err, context.Canceled) {
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
	if who, err := two.discovered().Finish(t.Context(), kept, one.authorize(address)); !errors.Is(err, auth.ErrOIDCState) {
		t.Errorf("the answer of one server at another = %+v, %v, want ErrOIDCState", who, err)
	}
}

func TestTheClientsSecretIsNotPrinted(t *testing.T) {
	i := newIssuer(t)
	if text := fmt.Sprintf("%v %+v %#v %s %v %+v", i.discovered(), i.discovered(), i.discovered(), i.discovered(), i.options(), i.options()); strings.Contains(text, clientSecret) {
		t.Errorf("the secret of the client is printed: %s", text)
	}
}

func TestAPromisedIssuerMustBeNamed(t *testing.T) {
	i := newIssuer(t)
	i.discover["authorization_response_iss_parameter_supported"] = true
	if _, err := i.signIn(i.discovered()); !errors.Is(err, auth.ErrOIDCState) {
		t.Errorf("an answer without the issuer that was promised = %v, want ErrOIDCState", err)
	}
}

func TestACaughtCodeIsOfNoUseWithoutTheVerifier(t *testing.T) {
	i := newIssuer(t)
	o := i.discovered()
	address, _, err := o.Begin()
	if err != nil {
		t.Fatal(err)
	}
	caught := i.authorize(address).Get("code")
	address, kept, err := o.Begin() // the attacker's own sign-in, with the code of somebody else
	if err != nil {
		t.Fatal(err)
	}
	answer := i.authorize(address)
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
	old := i.keys["one"]
	i.keys["two"] = newKey(t)
	delete(i.keys, "one")
	i.sign = func(c map[string]any) string { return i.signWith("two", i.keys["two"], c) }
	if _, err := i.signIn(o); err != nil {
		t.Errorf("a token by a new key = %v", err)
	}
	i.sign = func(c map[string]any) string { return i.signWith("one", old, c) }
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
		{map[string]any{"email": "a@b", "email_verified": false, "groups": []string{}}, false, []string{}},
	} {
		i.claims = c.claims
		who, err := i.signIn(o)
		if err != nil || who.Verified != c.verified || !cmp.Equal(who.Groups, c.groups) {
			t.Errorf("of %v: verified %v, groups %q, %v; want %v, %q", c.claims, who.Verified, who.Groups, err, c.verified, c.groups)
		}
	}
	i.claims = map[string]any{"groups": []any{"ops", 7}}
	if who, err := i.signIn(o); err == nil {
		t.Errorf("groups that are no texts were read: %q", who.Groups)
	}
}

func TestTheSecretGoesIntoTheFormWhereTheServerWantsIt(t *testing.T) {
	i := newIssuer(t)
	i.discover["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"}
	if _, err := i.signIn(i.discovered()); err != nil || i.basic.Load() != 0 {
		t.Errorf("sign-in by client_secret_post = %v, %d times by header", err, i.basic.Load())
	}
}

func TestWhichIssuersAreRefused(t *testing.T) {
	for name, breakIt := range map[string]func(i *issuer, o *auth.OIDCOptions){
		"names itself otherwise":       func(i *issuer, _ *auth.OIDCOptions) { i.discover["issuer"] = "https://evil.example" },
		"names itself with a slash":    func(i *issuer, _ *auth.OIDCOptions) { i.discover["issuer"] = i.url + "/" },
		"takes codes in the clear":     func(i *issuer, _ *auth.OIDCOptions) { i.discover["token_endpoint"] = "http://127.0.0.1/token" },
		"signs people in in the clear": func(i *issuer, _ *auth.OIDCOptions) { i.discover["authorization_endpoint"] = "http://127.0.0.1/" },
		"has keys in the clear":        func(i *issuer, _ *auth.OIDCOptions) { i.discover["jwks_uri"] = "http://127.0.0.1/keys" },
		"has a script for a page":      func(i *issuer, _ *auth.OIDCOptions) { i.discover["authorization_endpoint"] = "javascript:alert(1)" },
		"has no keys":                  func(i *issuer, _ *auth.OIDCOptions) { i.discover["jwks_uri"] = nil },
		"has a file of keys":           func(i *issuer, _ *auth.OIDCOptions) { i.discover["jwks_uri"] = "file:///etc/passwd" },
		"is asked in the clear":        func(i *issuer, o *auth.OIDCOptions) { o.Issuer = strings.Replace(i.url, "https", "http", 1) },
		"has a certificate of nobody":  func(_ *issuer, o *auth.OIDCOptions) { o.Client = &http.Client{} },
		"is not there":                 func(i *issuer, o *auth.OIDCOptions) { o.Issuer = i.url + "/nothing" },
		"has a name in its address":    func(i *issuer, o *auth.OIDCOptions) { o.Issuer = strings.Replace(i.url, "://", "://user:canary@", 1) },
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
