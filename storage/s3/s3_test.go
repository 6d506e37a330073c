package s3_test

import (
	"crypto/rand"
	"fmt"
	"maps"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/s3"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/servers"
)

// env is the program around the adapter. It connects to this machine only.
func env() storage.Env {
	return storage.Env{Clock: clock.System, Rand: rand.Reader, Dial: new(net.Dialer).DialContext}
}

// try opens a location, with settings beside it.
func try(location string, more settings.Values, env storage.Env) (storage.Backend, error) {
	v, err := s3.Provider.Parse(strings.TrimPrefix(location, "s3:"))
	if err != nil {
		return nil, err
	}
	maps.Copy(v, more)
	if v, err = settings.Check(s3.Provider.Fields, v); err != nil {
		return nil, err
	}
	return s3.Provider.Open(v, env)
}

func open(t testing.TB, location string, more settings.Values) *s3.Backend {
	t.Helper()
	b, err := try(location, more, env())
	if err != nil {
		t.Fatal(err)
	}
	return b.(*s3.Backend)
}

// owner are the settings of the owner of a server.
func owner(s servers.S3Server) settings.Values {
	return settings.Values{"access-key-id": s.AccessKey, "secret-access-key": s.SecretKey}
}

// with returns values with some more, given as name and value in turn.
func with(v settings.Values, more ...string) settings.Values {
	v = maps.Clone(v)
	for i := 0; i < len(more); i += 2 {
		v[more[i]] = more[i+1]
	}
	return v
}

// location returns that of a folder in a bucket.
func location(address, folder string) string { return "s3:http://" + address + "/bucket/" + folder }

// startFake runs the other implementation. It needs no account.
func startFake(t testing.TB) (address string) {
	server := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

var anybody = settings.Values{"access-key-id": "any", "secret-access-key": "body"}

// ready opens a folder of its own in a bucket that is there.
func ready(t testing.TB, address string, v settings.Values) *s3.Backend {
	t.Helper()
	b := open(t, location(address, fmt.Sprintf("%x/nested", rand.Text())), v)
	if err := b.Save(t.Context(), "config", storage.Bytes(nil)); err != nil { // a bucket comes with a new repository only
		t.Fatal(err)
	}
	if err := b.Remove(t.Context(), "config"); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVersityGatewayKeepsThePromises(t *testing.T) {
	s := servers.StartS3(t)
	storagetest.Run(t, func(t *testing.T) storage.Backend { return ready(t, s.Address, owner(s)) }, s3.Provider.Lacks...)
}

func TestVersityGatewayKeepsThePromisesWithARegion(t *testing.T) {
	s := servers.StartS3(t)
	storagetest.Run(t, func(t *testing.T) storage.Backend { return ready(t, s.Address, with(owner(s), "region", s.Region)) }, s3.Provider.Lacks...)
}

func TestGofakes3KeepsThePromises(t *testing.T) {
	address := startFake(t)
	storagetest.Run(t, func(t *testing.T) storage.Backend { return ready(t, address, anybody) }, s3.Provider.Lacks...)
}
