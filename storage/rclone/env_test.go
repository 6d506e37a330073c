package rclone_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/rclone"
	"github.com/backstay/backstay/test/servers"
)

// env is that of a program without a guard.
func env() storage.Env {
	return storage.Env{Clock: clock.System, Rand: rand.Reader, Dial: new(net.Dialer).DialContext}
}

// open opens a storage by its settings.
func open(t testing.TB, p storage.Provider, v settings.Values, e storage.Env) storage.Backend {
	t.Helper()
	v, err := settings.Check(p.Fields, v)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Open(v, e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// stores are the kinds with a server for each.
var stores = map[string]func(t testing.TB) (storage.Provider, settings.Values){
	"azure": func(t testing.TB) (storage.Provider, settings.Values) {
		return rclone.Azure, azureAt(servers.StartAzurite(t, "", ""), "repo")
	},
	"gs": func(t testing.TB) (storage.Provider, settings.Values) {
		return rclone.GS, gsAt(servers.StartGCS(t, "", ""), "repo")
	},
}

func TestEveryConnectionIsMadeByTheDialOfTheEnvironment(t *testing.T) {
	for name, start := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, v := start(t)
			refused := errors.New("addresses like this are not allowed")
			e := env()
			e.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, refused }
			b := open(t, p, v, e)
			if err := b.Save(t.Context(), "config", storage.Bytes([]byte("x"))); err == nil || !strings.Contains(err.Error(), refused.Error()) {
				t.Errorf("Save with a dial that refuses = %v, want its error", err)
			}
			var dialed atomic.Int64
			e.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				dialed.Add(1)
				if address != addressOf(t, v) {
					t.Errorf("a connection to %s is made, want all to the server", address)
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			}
			b = open(t, p, v, e)
			if err := b.Save(t.Context(), "config", storage.Bytes([]byte("x"))); err != nil || dialed.Load() == 0 {
				t.Errorf("Save = %v after %d connections made by the dial", err, dialed.Load())
			}
		})
	}
}

// addressOf is where the server of a storage is.
func addressOf(t testing.TB, v settings.Values) string {
	u, err := url.Parse(v["endpoint"])
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func TestNeitherTheEnvironmentNorTheFileOfRcloneIsHeeded(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "rclone.conf")
	if err := os.WriteFile(file, []byte("[backstay]\ntype = azureblob\nendpoint = http://127.0.0.1:1/file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	type store struct {
		p storage.Provider
		v settings.Values
	}
	running := make(map[string]store)
	for name, start := range stores {
		p, v := start(t)
		running[name] = store{p, v}
	}
	for name, value := range map[string]string{
		"RCLONE_HTTP_PROXY": "http://127.0.0.1:1", "RCLONE_CONFIG": file, "HOME": home, "RCLONE_CA_CERT": "/none", "RCLONE_LOG_LEVEL": "DEBUG", "RCLONE_LOW_LEVEL_RETRIES": "20",
		"RCLONE_CONFIG_BACKSTAY_URL": "http://127.0.0.1:1/",
		"RCLONE_AZUREBLOB_ENDPOINT":  "http://127.0.0.1:1/x", "RCLONE_AZUREBLOB_USE_EMULATOR": "true", "AZURE_STORAGE_ACCOUNT_NAME": "x",
		"RCLONE_GCS_ENDPOINT": "http://127.0.0.1:1/", "RCLONE_GCS_ANONYMOUS": "true", "RCLONE_CONFIG_BACKSTAY_ANONYMOUS": "true",
	} {
		t.Setenv(name, value)
	}
	for name, s := range running {
		if err := open(t, s.p, s.v, env()).Save(t.Context(), "config", storage.Bytes([]byte("x"))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWrongCredentialsArePermanentAndNoSecretIsShown(t *testing.T) {
	for name, change := range map[string]map[string]string{
		"azure": {"account-key": "d3Jvbmctc2VjcmV0LXdyb25nLXNlY3JldA=="},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, v := stores[name](t)
			for field, value := range change {
				v[field] = value
			}
			b := open(t, p, v, env())
			_, statErr := b.Stat(t.Context(), "config")
			for what, err := range map[string]error{
				"Save": b.Save(t.Context(), "config", storage.Bytes([]byte("x"))), "Stat": statErr, "List": listing(t, b, "data"),
				"Load": b.Load(t.Context(), "config", make([]byte, 1), 0), "Remove": b.Remove(t.Context(), "config"),
			} {
				if !errors.Is(err, storage.ErrPermanent) || !strings.Contains(err.Error(), "credentials") {
					t.Errorf("%s with wrong credentials = %v, want ErrPermanent that tells to check them", what, err)
				}
				for _, secret := range change {
					if err != nil && strings.Contains(err.Error(), secret) {
						t.Errorf("%s = %v, which shows the secret", what, err)
					}
				}
				if err != nil && strings.Contains(err.Error(), "sig=") {
					t.Errorf("%s = %v, which shows a signature", what, err)
				}
			}
		})
	}
}

func TestAPlaceThatIsNotThereIsNotAnEmptyOne(t *testing.T) {
	for name, change := range map[string]map[string]string{
		"azure": {"container": "none"}, "gs": {"bucket": "none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, v := stores[name](t)
			for field, value := range change {
				v[field] = value
			}
			b := open(t, p, v, env())
			if err := listing(t, b, "data"); err == nil {
				t.Error("List in a place that isn't there = nil error")
			}
			err := b.Save(t.Context(), "config", storage.Bytes([]byte("x")))
			if !errors.Is(err, storage.ErrPermanent) {
				t.Errorf("Save = %v, want ErrPermanent", err)
			}
		})
	}
}

func TestAServerThatIsDownIsAPassingError(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := dead.Addr().String()
	_ = dead.Close()
	for _, tt := range []struct {
		p storage.Provider
		v settings.Values
	}{
		{rclone.Azure, settings.Values{"container": "c", "account": "a", "account-key": "YWJjZA==", "endpoint": "http://" + address + "/a"}},
		{rclone.GS, settings.Values{"bucket": "b", "access-token": "abcd", "endpoint": "http://" + address + "/storage/v1/"}},
	} {
		b := open(t, tt.p, tt.v, env())
		_, statErr := b.Stat(t.Context(), "config")
		for what, err := range map[string]error{"Stat": statErr, "List": listing(t, b, "data"), "Save": b.Save(t.Context(), "x", storage.Bytes(nil))} {
			if err == nil || errors.Is(err, storage.ErrPermanent) || errors.Is(err, storage.ErrNotFound) || !strings.Contains(err.Error(), "refused") {
				t.Errorf("%s of %s with no server = %v, want a passing error that says so", what, tt.p.Kind, err)
			}
		}
	}
}

// listing returns the error that a listing ends with.
func listing(t testing.TB, b storage.Backend, dir string) (last error) {
	for _, err := range b.List(t.Context(), dir) {
		last = err
	}
	return last
}
