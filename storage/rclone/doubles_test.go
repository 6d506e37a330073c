package rclone_test

import (
	"context"
	"net"
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/rclone"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/servers"
)

// quickly is how a repository is begun with a key that takes as little work as is allowed.
var quickly = repo.InitOptions{KDF: crypto.KDF{N: 1 << 15, R: 8, P: 1}}

// dialer is how a double is reached.
type dialer interface {
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// openDouble opens a storage by its settings, whose connections all end at a double.
func openDouble(t testing.TB, p storage.Provider, v settings.Values, d dialer) storage.Backend {
	t.Helper()
	e := env()
	e.Dial = d.Dial
	return open(t, p, v, e)
}

func b2At(d *servers.B2) settings.Values {
	return settings.Values{"bucket": d.Bucket, "prefix": "the repository/ä", "account-id": d.KeyID, "account-key": d.Key, "ca-certificate": d.CA}
}

// oauthAt are the settings of a service whose token has to be refreshed before its first use.
func oauthAt(o *servers.OAuth, d *servers.Double) settings.Values {
	return settings.Values{"path": "the repository/ä", "token": o.Token(true), "client-id": o.ClientID, "client-secret": o.ClientSecret, "ca-certificate": d.CA}
}

func onedriveAt(d *servers.OneDrive) settings.Values {
	v := oauthAt(d.OAuth, d.Double)
	v["drive-id"] = d.DriveID
	return v
}

// begun returns an empty storage whose location is there, since a repository was begun in it.
func begun(t testing.TB, p storage.Provider, v settings.Values, d dialer) storage.Backend {
	t.Helper()
	b := openDouble(t, p, v, d)
	if err := b.Save(t.Context(), "config", storage.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(t.Context(), "config"); err != nil {
		t.Fatal(err)
	}
	return b
}

// seeded is a storage into whose double files are put past it: rclone sends most services no more than a hundred requests a second.
type seeded struct {
	storage.Backend
	seed func(path string, content []byte)
}

// Seed implements storagetest.Seeder.
func (s seeded) Seed(name string, content []byte) { s.seed("the repository/ä/"+name, content) }

func TestOneDriveKeepsThePromises(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Backend {
		d := servers.NewOneDrive(t)
		return seeded{begun(t, rclone.OneDrive, onedriveAt(d), d), d.Seed}
	}, rclone.OneDrive.Lacks...)
}

func TestB2KeepsThePromises(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Backend {
		d := servers.NewB2(t)
		return seeded{begun(t, rclone.B2, b2At(d), d), d.Upload}
	}) // within one process it lacks nothing
}

func TestDropboxKeepsThePromises(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Backend {
		d := servers.NewDropbox(t)
		return seeded{begun(t, rclone.Dropbox, oauthAt(d.OAuth, d.Double), d), d.Seed}
	}, rclone.Dropbox.Lacks...)
}

func TestDriveKeepsThePromises(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Backend {
		d := servers.NewDrive(t)
		return seeded{begun(t, rclone.Drive, oauthAt(d.OAuth, d.Double), d), d.Seed}
	}, rclone.Drive.Lacks...)
}
