package rclone

import (
	"context"
	"crypto/rand"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

func TestATunnelEndsWithTheStorageThatUsedIt(t *testing.T) {
	address := make(chan string, 1)
	func() {
		b, err := WebDAV.Open(settings.Values{"url": "http://127.0.0.1:1/x"}, storage.Env{Clock: clock.System, Rand: rand.Reader,
			Dial: func(ctx context.Context, network, address string) (net.Conn, error) { return nil, net.ErrClosed }})
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
