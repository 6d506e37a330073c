package rclone

import (
	"bytes"
	"crypto/rand"
	"runtime"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/servers"
)

// stacks is what all goroutines do.
func stacks() []byte {
	p := make([]byte, 4<<20)
	return p[:runtime.Stack(p, true)]
}

func TestWhatRenewsTheTokensOfOneDriveEndsWithTheStorageThatUsedIt(t *testing.T) {
	renewing := []byte("oauthutil.(*Renew)")
	func() {
		d := servers.NewOneDrive(t)
		b, err := OneDrive.Open(settings.Values{"path": "repo", "drive-id": d.DriveID, "token": d.Token(false), "ca-certificate": d.CA},
			storage.Env{Clock: clock.System, Rand: rand.Reader, Dial: d.Dial})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = b.Stat(t.Context(), "config")
		if !bytes.Contains(stacks(), renewing) {
			t.Fatal("nothing renews tokens: this test is of no use")
		}
	}()
	for range 100 {
		runtime.GC()
		if !bytes.Contains(stacks(), renewing) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("the tokens of a storage that nobody uses any more are still renewed")
}
