package rclone_test

import (
	"crypto/rand"
	"net"
	"testing"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/rclone"
	"github.com/backstay/backstay/storage/storagetest"
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

func webdavAt(s *servers.WebDAV, folder string) settings.Values {
	return settings.Values{"url": s.URL + folder, "user": s.User, "password": s.Password}
}

func TestWebDAVKeepsThePromises(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t testing.TB) *servers.WebDAV{
		"Go":     func(t testing.TB) *servers.WebDAV { return servers.StartWebDAV(t, nil) },
		"Apache": servers.StartApache,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Run(t, func(t *testing.T) storage.Backend {
				s := start(t)
				servers.Folder(t, s.Dir, "the repository/ä")
				return open(t, rclone.WebDAV, webdavAt(s, "/the%20repository/ä"), env())
			}, rclone.WebDAV.Lacks...)
		})
	}
}
