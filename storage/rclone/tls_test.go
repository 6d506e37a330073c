package rclone_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/rclone"
	"github.com/backstay/backstay/test/servers"
)

// encrypted is a kind of storage whose server is reached by TLS.
type encrypted struct {
	storage.Provider
	values    settings.Values // without the certificate authority
	hosts     []string        // the names that the server goes by
	scheme    string          // behind the encryption
	transport http.RoundTripper
}

// encryptedKinds starts a server of each kind.
func encryptedKinds(t *testing.T) (all []encrypted) {
	t.Helper()
	box, bucket := servers.StartAzurite(t, "", ""), servers.StartGCS(t, "", "")
	for _, plain := range []struct {
		p          storage.Provider
		v          settings.Values
		host, path string
	}{
		{rclone.Azure, azureAt(box, "repo"), box.Account + ".blob.core.windows.net", ""},
		{rclone.GS, gsAt(bucket, "repo"), "store.example", "/storage/v1/"},
	} {
		address := addressOf(t, plain.v)
		plain.v["endpoint"] = "https://" + plain.host + plain.path
		behind := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}}
		t.Cleanup(behind.CloseIdleConnections)
		all = append(all, encrypted{plain.p, plain.v, []string{plain.host}, "http", behind})
	}
	for _, kind := range imitations(t) {
		scheme, behind := kind.Behind(t)
		all = append(all, encrypted{kind.Provider, kind.values, kind.Hosts(), scheme, behind})
	}
	return all
}

// save saves a file by way of a front, and reports how many requests came through.
func (k encrypted) save(t *testing.T, config *tls.Config, ca string) (int64, error) {
	t.Helper()
	front := servers.StartFront(t, config, k.scheme, k.transport)
	e := env()
	e.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, front.Address)
	}
	v := maps.Clone(k.values)
	v["ca-certificate"] = ca
	err := open(t, k.Provider, v, e).Save(t.Context(), "config", storage.Bytes([]byte("x")))
	return front.Requests.Load(), err
}

func TestEveryServerHasToProveWhoItIs(t *testing.T) {
	t.Parallel()
	ca := servers.NewCA(t)
	for _, kind := range encryptedKinds(t) {
		named := func(cert *x509.Certificate) { cert.DNSNames = kind.hosts }
		good := ca.ServerOf(t, named)
		for name, tt := range map[string]struct {
			config *tls.Config
			ca     string
			says   string // "": it works
		}{
			"own authority":     {good, ca.PEM, ""},
			"self-signed":       {servers.SelfSigned(t, kind.hosts...), "", "unknown authority"},
			"unknown authority": {good, "", "unknown authority"},
			"another authority": {good, servers.NewCA(t).PEM, "unknown authority"},
			"expired":           {ca.ServerOf(t, func(cert *x509.Certificate) { named(cert); servers.Expired(cert) }), ca.PEM, "expired"},
			"another host":      {ca.ServerOf(t, servers.ForAnotherHost), ca.PEM, "not " + kind.hosts[0]},
			"TLS 1.0":           {servers.OnlyTLS10(good), ca.PEM, "protocol version"},
			"TLS 1.1":           {servers.OnlyTLS11(good), ca.PEM, "protocol version"},
		} {
			t.Run(kind.Kind+"/"+name, func(t *testing.T) {
				t.Parallel() // rclone asks five times for a token, a second apart
				passed, err := kind.save(t, tt.config, tt.ca)
				switch {
				case tt.says == "":
					if err != nil || passed == 0 {
						t.Errorf("Save = %v after %d requests", err, passed)
					}
				case err == nil || !strings.Contains(err.Error(), tt.says) || passed != 0:
					t.Errorf("Save = %v after %d requests, want an error that says %q after none", err, passed, tt.says)
				case tt.says != "protocol version" && !errors.Is(err, storage.ErrUntrusted):
					t.Errorf("Save = %v, want ErrUntrusted", err)
				}
			})
		}
	}
}

func TestTwoRepositoriesTrustWhatEachOfThemSays(t *testing.T) {
	one, other := servers.NewB2(t), servers.NewB2(t)
	begun(t, rclone.B2, b2At(one), one)
	begun(t, rclone.B2, b2At(other), other)
	v := b2At(one)
	v["ca-certificate"] = other.CA
	if err := openDouble(t, rclone.B2, v, one).Save(t.Context(), "config", storage.Bytes(nil)); err == nil {
		t.Error("a server is trusted by what another repository trusts")
	}
}
