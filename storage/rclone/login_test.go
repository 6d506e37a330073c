package rclone_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/rclone"
)

// desk gives out tokens, and is a store that has nothing for those who bring one.
type desk struct {
	address string

	mu    sync.Mutex
	asked []string // guarded by mu: for a token: the path, and what identifies
	seen  []string // guarded by mu: the Authorization and the query of other requests
}

func startDesk(t *testing.T) *desk {
	d := new(desk)
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	d.address = server.Listener.Addr().String()
	return d
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/token") {
		d.asked = append(d.asked, r.URL.Path+" "+r.URL.Query().Get("client_id")+r.FormValue("grant_type"))
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token": "the-token", "token_type": "Bearer", "expires_in": 3600, "resource": "x"}`)
		return
	}
	d.seen = append(d.seen, r.Header.Get("Authorization")+" "+r.URL.RawQuery)
	w.WriteHeader(http.StatusNotFound)
}

// check asks the store for a file and fails the test unless it was shown what fits.
func (d *desk) check(t *testing.T, p storage.Provider, v settings.Values, asked, seen string) {
	t.Helper()
	e := env()
	e.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, d.address)
	}
	b := open(t, p, v, e)
	for range 2 {
		if _, err := b.Stat(t.Context(), "config"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Stat = %v, want ErrNotFound", err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if got := strings.Join(d.asked, ", "); got != asked {
		t.Errorf("asked for tokens: %q, want %q", got, asked)
	}
	for _, got := range d.seen {
		if !strings.Contains(got, seen) {
			t.Errorf("a request shows %q, want %q in it", got, seen)
		}
	}
	if len(d.seen) < 2 {
		t.Errorf("there were %d requests", len(d.seen))
	}
}

func TestAzureTakesTheIdentityOfTheMachineOrASignature(t *testing.T) {
	v := settings.Values{"container": "c", "account": "a", "endpoint": "http://store.example"}
	d := startDesk(t)
	v["managed-identity"] = "this-one"
	d.check(t, rclone.Azure, v, "/metadata/identity/oauth2/token this-one", "Bearer the-token ")
	d = startDesk(t)
	v["sas"] = "?sv=2024-01-01&sig=a%2Fb%3D"
	d.check(t, rclone.Azure, v, "", "sv=2024-01-01&sig=a%2Fb%3D")
}

func TestGoogleCloudStorageTakesTheKeyOfAServiceAccount(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "me@example.com", "token_uri": "http://login.example/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, credentials := range []string{string(text), file} {
		startDesk(t).check(t, rclone.GS, settings.Values{"bucket": "b", "credentials": credentials, "endpoint": "http://store.example/storage/v1/"},
			"/token urn:ietf:params:oauth:grant-type:jwt-bearer", "Bearer the-token ")
	}
}
