//go:build unix

package rclone_test

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/rclone"
	"github.com/backstay/backstay/test/servers"
)

// rclone ends the program when it is interrupted, once it has sent something in parts. Where it does, this test doesn't fail but ends.
func TestASignalIsLeftToTheProgram(t *testing.T) {
	d := servers.NewOneDrive(t)
	b := begun(t, rclone.OneDrive, onedriveAt(d), d)
	if err := b.Save(t.Context(), "config", storage.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	ours := make(chan os.Signal, 1)
	signal.Notify(ours, os.Interrupt)
	defer signal.Stop(ours)
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	<-ours
	time.Sleep(300 * time.Millisecond) // rclone would end the program in another goroutine
	if _, err := b.Stat(t.Context(), "config"); err != nil {
		t.Errorf("Stat after the signal: %v", err)
	}
}
