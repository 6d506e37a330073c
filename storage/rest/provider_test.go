package rest_test

import (
	"crypto/tls"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/rest"
	"github.com/backstay/backstay/test/servers"
)

func TestLocationsAreTakenApart(t *testing.T) {
	for location, want := range map[string]settings.Values{
		"http://host:8000":                        {"url": "http://host:8000"},
		"http://host:8000/":                       {"url": "http://host:8000/"},
		"https://host/a/b/":                       {"url": "https://host/a/b/"},
		"https://user:pass@host/path/":            {"url": "https://host/path/", "user": "user", "password": "pass"},
		"https://user@host/":                      {"url": "https://host/", "user": "user", "password": ""},
		"https://a%40b:p%3A%2F%25@host/":          {"url": "https://host/", "user": "a@b", "password": "p:/%"},
		"https://user:p@ss@host/":                 {"url": "https://host/", "user": "user", "password": "p@ss"},
		"http://[::1]:8000/x":                     {"url": "http://[::1]:8000/x"},
		"http://user:pass@[fe80::1%25eth0]:80/":   {"url": "http://[fe80::1%25eth0]:80/", "user": "user", "password": "pass"},
		"http+unix:///tmp/rest.socket:/my_repo/":  {"url": "http+unix:///tmp/rest.socket:/my_repo/"},
		"http+unix://u:p@/tmp/rest.socket:/repo/": {"url": "http+unix:///tmp/rest.socket:/repo/", "user": "u", "password": "p"},
	} {
		got, err := rest.Provider.Parse(location)
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("Parse(%q) = %v, %v, want %v", location, map[string]string(got), err, map[string]string(want))
			continue
		}
		if _, err := rest.Provider.Open(got, storage.Env{Clock: clock.System}); err != nil {
			t.Errorf("Open of %q: %v", location, err)
		}
	}
}

func TestAddressesThatCannotBeRightAreRefusedAndNotShown(t *testing.T) {
	for _, location := range []string{
		"", "host", "host:8000", "//user:secret@host", "ftp://user:secret@host/", "http://", "http:///path", "http://user:secret@/", "http://:8000/",
		"http://user:secret@host:port/", "http://user:secret@host/?create=true", "http://user:secret@host/#x", "http://user:sec ret%zz@host/",
		"http+unix://host/tmp/x:/", "http+unix:", "https:host",
	} {
		v, err := rest.Provider.Parse(location)
		if err == nil {
			_, err = rest.Provider.Open(v, storage.Env{Clock: clock.System})
		}
		if err == nil || strings.Contains(err.Error(), "sec") && !strings.Contains(err.Error(), "HOST") {
			t.Errorf("Parse and Open of %q = %v, want an error", location, err)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "sec ret")) {
			t.Errorf("Parse and Open of %q = %v, which shows the password", location, err)
		}
	}
	for name, value := range map[string]string{"ca-certificate": "secret", "client-certificate": "secret"} {
		_, err := rest.Provider.Open(settings.Values{"url": "https://host/", name: value}, storage.Env{Clock: clock.System})
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "secret") {
			t.Errorf("Open with a %s that is none = %v, want an error that names the setting", name, err)
		}
	}
}

func TestOnlyTheRightPasswordLetsIn(t *testing.T) {
	s := servers.StartREST(t, servers.RESTOptions{User: "user", Password: "right horse"})
	place := strings.TrimPrefix(s.Location, "rest:http://")
	save(t, at(t, "rest:http://user:right%20horse@"+place, nil), "config", []byte("x"))
	save(t, at(t, s.Location, settings.Values{"user": "user", "password": "right horse"}), packName, []byte("x"))
	for _, b := range []storage.Backend{at(t, s.Location, nil), at(t, "rest:http://user:wrong-horse@"+place, nil)} {
		for what, err := range everyCall(t, b) {
			if !errors.Is(err, storage.ErrLogin) || !strings.Contains(err.Error(), "check user and password") {
				t.Errorf("%s with a wrong password = %v, want ErrLogin that says so", what, err)
			}
			if strings.Contains(err.Error(), "horse") {
				t.Errorf("%s = %v, which shows the password", what, err)
			}
		}
	}
}

// everyCall returns the errors of one call of each method.
func everyCall(t *testing.T, b storage.Backend) map[string]error {
	_, stat := b.Stat(t.Context(), "config")
	_, listed := list(t.Context(), b, "data")
	return map[string]error{"Stat": stat, "List": listed, "Load": b.Load(t.Context(), "config", make([]byte, 1), 0),
		"Save": b.Save(t.Context(), "keys/"+anID, storage.Bytes([]byte("x"))), "Remove": b.Remove(t.Context(), packName)}
}

func TestAServerThatIsDownIsATroubleThatPasses(t *testing.T) {
	for what, err := range everyCall(t, at(t, "rest:http://user:secret@127.0.0.1:1/secret/", nil)) {
		if err == nil || errors.Is(err, storage.ErrPermanent) || errors.Is(err, storage.ErrNotFound) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s where nobody listens = %v, want an error that passes and shows nothing", what, err)
		}
	}
}

func TestOnlyAServerThatProvesItsNameIsTalkedTo(t *testing.T) {
	ours, other := servers.NewCA(t), servers.NewCA(t)
	good := ours.Server(t)
	for _, tt := range []struct {
		says   string
		server *tls.Config
		beside settings.Values
		want   string // "": it is talked to
	}{
		{"right", good, settings.Values{"ca-certificate": ours.PEM}, ""},
		{"an authority that isn't trusted", good, nil, "unknown authority"},
		{"another authority", good, settings.Values{"ca-certificate": other.PEM}, "unknown authority"},
		{"expired", ours.ServerOf(t, servers.Expired), settings.Values{"ca-certificate": ours.PEM}, "expired"},
		{"another host", ours.ServerOf(t, servers.ForAnotherHost), settings.Values{"ca-certificate": ours.PEM}, "127.0.0.1"},
		{"TLS 1.0", servers.OnlyTLS10(good), settings.Values{"ca-certificate": ours.PEM}, "protocol version"},
		{"a client certificate is wanted", ours.WantingClients(good), settings.Values{"ca-certificate": ours.PEM}, "certificate required"},
		{"a client certificate is wanted and shown", ours.WantingClients(good),
			settings.Values{"ca-certificate": ours.PEM, "client-certificate": ours.Client(t)}, ""},
	} {
		t.Run(tt.says, func(t *testing.T) {
			s := servers.StartREST(t, servers.RESTOptions{TLS: tt.server})
			err := at(t, s.Location, tt.beside).Save(t.Context(), "config", storage.Bytes([]byte("x")))
			if tt.want == "" && err != nil {
				t.Errorf("Save = %v", err)
			}
			if aboutTheirs := strings.Contains(tt.says, "client") || tt.says == "TLS 1.0"; tt.want != "" && errors.Is(err, storage.ErrUntrusted) == aboutTheirs {
				t.Errorf("Save = %v, want ErrUntrusted just where it is the certificate of the server", err)
			}
			if tt.want != "" && (!errors.Is(err, storage.ErrPermanent) || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Save = %v, want ErrPermanent that says %q", err, tt.want)
			}
		})
	}
	s := servers.StartREST(t, servers.RESTOptions{})
	err := at(t, strings.Replace(s.Location, "http:", "https:", 1), nil).Save(t.Context(), "config", storage.Bytes(nil))
	if !errors.Is(err, storage.ErrPermanent) {
		t.Errorf("Save over https to a server of http = %v, want ErrPermanent", err)
	}
}
