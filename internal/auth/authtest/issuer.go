package authtest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Issuer is a small OIDC server. Its fields are what tests break.
type Issuer struct {
	URL        string
	CA         string // its certificate, as PEM
	Client     *http.Client
	Keys       map[string]*rsa.PrivateKey // by kid; all are published
	Sign       func(claims map[string]any) string
	Claims     map[string]any                         // of the next token, beside the usual ones; nil values leave one out
	Discovery  map[string]any                         // what discovery says otherwise
	Token      func(w http.ResponseWriter, id string) // answers with the token
	BeforeKeys func()                                 // is called before the keys are sent
	Asked      atomic.Int32                           // times that the keys were fetched
	Basic      atomic.Int32                           // times that the client named itself by the header

	t     testing.TB
	now   func() time.Time
	mu    sync.Mutex
	codes map[string]url.Values // what was asked for, by code; guarded by mu
	given int                   // how many codes there were; guarded by mu
}

// What the client is called at the issuer, and what it proves itself by.
const ClientID, ClientSecret = "backstay-client", "canary+secret/of=client"

// NewIssuer starts a server whose tokens are of the time that now tells.
func NewIssuer(t testing.TB, now func() time.Time) *Issuer {
	t.Helper()
	i := &Issuer{t: t, now: now, Keys: map[string]*rsa.PrivateKey{"one": firstKey()}, Claims: map[string]any{}, Discovery: map[string]any{}, codes: map[string]url.Values{}}
	i.Sign = func(claims map[string]any) string { return i.SignWith("one", i.Keys["one"], claims) }
	i.Token = func(w http.ResponseWriter, id string) {
		Reply(w, map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 60, "id_token": id})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.serveDiscovery)
	mux.HandleFunc("GET /keys", i.serveKeys)
	mux.HandleFunc("POST /token", i.serveToken)
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	i.URL, i.Client = server.URL, server.Client()
	i.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
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

// NewKey makes a key that the issuer doesn't have.
func NewKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Reply answers with JSON.
func Reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (i *Issuer) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	says := map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
		"id_token_signing_alg_values_supported": []string{"RS256"}}
	maps.Copy(says, i.Discovery)
	Reply(w, says)
}

func (i *Issuer) serveKeys(w http.ResponseWriter, _ *http.Request) {
	i.Asked.Add(1)
	if i.BeforeKeys != nil {
		i.BeforeKeys()
	}
	keys := []map[string]string{}
	for kid, key := range i.Keys {
		keys = append(keys, map[string]string{"kty": "RSA", "use": "sig", "kid": kid, "n": Base64(key.N.Bytes()), "e": Base64(big.NewInt(int64(key.E)).Bytes())})
	}
	Reply(w, map[string]any{"keys": keys})
}

// serveToken is as strict as a real server: the client, the code, the page it came back to and the PKCE verifier must be right.
func (i *Issuer) serveToken(w http.ResponseWriter, r *http.Request) {
	id, secret, header := r.BasicAuth()
	if header {
		i.Basic.Add(1)
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
	}
	asked, ok := i.take(r.FormValue("code"))
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if id != ClientID || secret != ClientSecret || !ok || r.FormValue("redirect_uri") != asked.Get("redirect_uri") || Base64(sum[:]) != asked.Get("code_challenge") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_grant","error_description":"<b>page</b>`+ClientSecret+`"}`)
		return
	}
	claims := map[string]any{"iss": i.URL, "sub": "4711", "aud": ClientID, "exp": i.now().Add(time.Minute).Unix(), "iat": i.now().Unix(), "nonce": asked.Get("nonce")}
	maps.Copy(claims, i.Claims)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	i.Token(w, i.Sign(claims))
}

// take returns what was asked for by a code, once.
func (i *Issuer) take(code string) (asked url.Values, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	asked, ok = i.codes[code]
	delete(i.codes, code)
	return asked, ok
}

// Authorize is what the person does at the issuer, where the browser was sent: it comes back with a code.
func (i *Issuer) Authorize(address string) url.Values {
	i.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		i.t.Fatal(err)
	}
	q := u.Query()
	if u.Scheme+"://"+u.Host+u.Path != i.URL+"/authorize" || q.Get("response_type") != "code" || q.Get("client_id") != ClientID || q.Get("code_challenge_method") != "S256" {
		i.t.Fatalf("the browser is sent to %s", address)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.given++
	code := fmt.Sprintf("code-%d", i.given)
	i.codes[code] = q
	return url.Values{"code": {code}, "state": {q.Get("state")}}
}

// SignWith makes a token that says that it is signed by the key kid.
func (i *Issuer) SignWith(kid string, key *rsa.PrivateKey, claims map[string]any) string {
	body := JWT(map[string]string{"alg": "RS256", "kid": kid}, claims)
	sum := sha256.Sum256([]byte(body))
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		i.t.Error(err)
	}
	return body + "." + Base64(sig)
}

// JWT is a token without its signature.
func JWT(header, claims any) string {
	h, _ := json.Marshal(header)
	c, _ := json.Marshal(claims)
	return Base64(h) + "." + Base64(c)
}

// Base64 is how tokens write bytes.
func Base64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
