package rclone

import (
	"crypto/rand"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/servers"
)

func TestATunnelEndsWithTheStorageThatUsedIt(t *testing.T) {
	address := make(chan string, 1)
	func() {
		d := servers.NewB2(t)
		b, err := B2.Open(settings.Values{"bucket": d.Bucket, "account-id": d.KeyID, "account-key": d.Key, "ca-certificate": d.CA},
			storage.Env{Clock: clock.System, Rand: rand.Reader, Dial: d.Dial})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = b.Stat(t.Context(), "config")
		o, err := b.(*Backend).session.get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		address <- o.tunnel.listener.Addr().String()
	}()
	tunnel := <-address
	for range 100 {
		runtime.GC()
		c, err := net.DialTimeout("tcp", tunnel, time.Second)
		if err != nil {
			return
		}
		c.Close()
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("the tunnel of a storage that nobody uses any more still listens")
}
