package auth_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/auth"
)

// issuer is a small OIDC server. Its fields are what tests break.
type issuer struct {
	t          *testing.T
	url        string
	client     *http.Client
	clock      *stopped
	keys       map[string]*rsa.PrivateKey // by kid; all are published
	sign       func(claims map[string]any) string
	claims     map[string]any                         // of the next token, beside the usual ones; nil values leave one out
	discover   map[string]any                         // what discovery says otherwise
	token      func(w http.ResponseWriter, id string) // answers with the token
	codes      map[string]url.Values                  // what was asked for, by code
	beforeKeys func()                                 // is called before the keys are sent
	asked      atomic.Int32                           // times that the keys were fetched
	basic      atomic.Int32                           // times that the client named itself by the header
}

const clientID, clientSecret = "backstay-client", "canary+secret/of=client"

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{t: t, clock: &stopped{noon}, keys: map[string]*rsa.PrivateKey{"one": firstKey()}, claims: map[string]any{}, discover: map[string]any{}, codes: map[string]url.Values{}}
	i.sign = func(claims map[string]any) string { return i.signWith("one", i.keys["one"], claims) }
	i.token = func(w http.ResponseWriter, id string) {
		reply(w, map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 60, "id_token": id})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.serveDiscovery)
	mux.HandleFunc("GET /keys", i.serveKeys)
	mux.HandleFunc("POST /token", i.serveToken)
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	i.url, i.client = server.URL, server.Client()
	return i
}

// firstKey is made once, since it takes long.
var firstKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (i *issuer) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	says := map[string]any{"issuer": i.url, "authorization_endpoint": i.url + "/authorize", "token_endpoint": i.url + "/token", "jwks_uri": i.url + "/keys",
		"id_token_signing_alg_values_supported": []string{"RS256"}}
	maps.Copy(says, i.discover)
	reply(w, says)
}

func (i *issuer) serveKeys(w http.ResponseWriter, _ *http.Request) {
	i.asked.Add(1)
	if i.beforeKeys != nil {
		i.beforeKeys()
	}
	keys := []map[string]string{}
	for kid, key := range i.keys {
		keys = append(keys, map[string]string{"kty": "RSA", "use": "sig", "kid": kid, "n": b64url(key.N.Bytes()), "e": b64url(big.NewInt(int64(key.E)).Bytes())})
	}
	reply(w, map[string]any{"keys": keys})
}

// serveToken is as strict as a real server: the client, the code, the page it came back to and the PKCE verifier must be right.
func (i *issuer) serveToken(w http.ResponseWriter, r *http.Request) {
	id, secret, header := r.BasicAuth()
	if header {
		i.basic.Add(1)
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
	}
	asked, ok := i.codes[r.FormValue("code")]
	delete(i.codes, r.FormValue("code"))
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if id != clientID || secret != clientSecret || !ok || r.FormValue("redirect_uri") != asked.Get("redirect_uri") || b64url(sum[:]) != asked.Get("code_challenge") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant","error_description":"<b>page</b>`+clientSecret+`"}`)
		return
	}
	claims := map[string]any{"iss": i.url, "sub": "4711", "aud": clientID, "exp": i.clock.now.Add(time.Minute).Unix(), "iat": i.clock.now.Unix(), "nonce": asked.Get("nonce")}
	maps.Copy(claims, i.claims)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	i.token(w, i.sign(claims))
}

// authorize is what the person does at the issuer: the browser comes back with a code.
func (i *issuer) authorize(address string) url.Values {
	i.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		i.t.Fatal(err)
	}
	q := u.Query()
	if u.Scheme+"://"+u.Host+u.Path != i.url+"/authorize" || q.Get("response_type") != "code" || q.Get("client_id") != clientID || q.Get("code_challenge_method") != "S256" {
		i.t.Fatalf("the browser is sent to %s", address)
	}
	code := fmt.Sprintf("code-%d", len(i.codes))
	i.codes[code] = q
	return url.Values{"code": {code}, "state": {q.Get("state")}}
}

func (i *issuer) signWith(kid string, key *rsa.PrivateKey, claims map[string]any) string {
	body := jwt(map[string]string{"alg": "RS256", "kid": kid}, claims)
	sum := sha256.Sum256([]byte(body))
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		i.t.Error(err)
	}
	return body + "." + b64url(sig)
}

func jwt(header, claims any) string {
	h, _ := json.Marshal(header)
	c, _ := json.Marshal(claims)
	return b64url(h) + "." + b64url(c)
}

func b64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (i *issuer) options() auth.OIDCOptions {
	return auth.OIDCOptions{Issuer: i.url, ClientID: clientID, Secret: clientSecret, Redirect: "https://backup.example.com/signin/oidc",
		Scopes: []string{"email", "profile"}, Client: i.client, Clock: i.clock, Random: rand.Reader}
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
	return o.Finish(i.t.Context(), kept, i.authorize(address))
}
