package servers

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// OAuth is how a double knows its user: by OAuth 2.0 (RFC 6749), access tokens for an hour and refresh tokens for longer.
type OAuth struct {
	ClientID, ClientSecret string

	rotates bool // whether a refresh hands out a new refresh token
	service *rsa.PrivateKey

	mu        sync.Mutex
	access    map[string]bool // guarded by mu, like refresh and refreshed
	refresh   map[string]bool
	refreshed int
}

func newOAuth(rotates bool) *OAuth {
	o := &OAuth{ClientID: "client", ClientSecret: "clientSecretSecret", rotates: rotates,
		access: map[string]bool{"accessSecret-0": true}, refresh: map[string]bool{"refreshSecret-0": true}}
	return o
}

// Token is what the user was given when access was granted, as rclone writes it down. An expired one must be refreshed at once.
func (o *OAuth) Token(expired bool) string {
	year := "2099"
	if expired {
		year = "2020"
	}
	return `{"access_token":"accessSecret-0","token_type":"Bearer","refresh_token":"refreshSecret-0","expiry":"` + year + `-01-01T00:00:00Z"}`
}

// Revoke has the user take access back.
func (o *OAuth) Revoke() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.access)
	clear(o.refresh)
}

// Refreshed returns how often an access token was fetched.
func (o *OAuth) Refreshed() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refreshed
}

// allowed says whether a request bears an access token that is valid.
func (o *OAuth) allowed(r *http.Request) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return isBearer && o.access[token]
}

// token is the token endpoint: RFC 6749 sections 4.4 and 6, RFC 7523 for service accounts, and section 5.2 for what it refuses.
func (o *OAuth) token(w http.ResponseWriter, r *http.Request) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	client := id == o.ClientID && secret == o.ClientSecret
	granted := false
	switch r.FormValue("grant_type") {
	case "refresh_token":
		granted = client && o.refresh[r.FormValue("refresh_token")]
	case "client_credentials":
		granted = client
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		granted = o.signed(r.FormValue("assertion"))
	}
	if !granted {
		answer(w, http.StatusBadRequest, object{"error": "invalid_grant", "error_description": "expired or revoked"})
		return
	}
	o.refreshed++
	access := fmt.Sprintf("accessSecret-%d", o.refreshed)
	o.access[access] = true
	granting := object{"access_token": access, "token_type": "Bearer", "expires_in": 3600}
	if o.rotates {
		refresh := fmt.Sprintf("refreshSecret-%d", o.refreshed)
		o.refresh[refresh] = true
		granting["refresh_token"] = refresh
	}
	answer(w, http.StatusOK, granting)
}

// ServiceAccount returns the JSON key of an account that signs for itself ("Using OAuth 2.0 for Server to Server Applications").
func (o *OAuth) ServiceAccount(t testing.TB, tokenURI string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.service = key
	account, err := json.Marshal(object{"type": "service_account", "client_email": "backups@double.iam.gserviceaccount.com", "private_key_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": tokenURI})
	if err != nil {
		t.Fatal(err)
	}
	return string(account)
}

// signed says whether the service account signed an assertion.
func (o *OAuth) signed(assertion string) bool {
	i := strings.LastIndexByte(assertion, '.')
	if i < 0 || o.service == nil {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(assertion[i+1:])
	sum := sha256.Sum256([]byte(assertion[:i]))
	return err == nil && rsa.VerifyPKCS1v15(&o.service.PublicKey, crypto.SHA256, sum[:], signature) == nil
}
