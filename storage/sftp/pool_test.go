package sftp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/sftp"
	"github.com/backstay/backstay/test/servers"
)

// beats is a clock on which a connection is looked after when the test says so.
type beats chan struct{}

func (beats) Now() time.Time { return time.Now() }

func (b beats) Sleep(ctx context.Context, d time.Duration) error {
	if d < 30*time.Second {
		return clock.System.Sleep(ctx, d)
	}
	select {
	case <-b:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// beat lets n beats pass, with time for an answer after each. It reports whether the connection was still looked after.
func (b beats) beat(n int) bool {
	for range n {
		select {
		case b <- struct{}{}:
		case <-time.After(time.Second):
			return false
		}
		time.Sleep(50 * time.Millisecond)
	}
	return true
}

func openAt(t *testing.T, v settings.Values, c clock.Clock) storage.Backend {
	t.Helper()
	v, err := settings.Check(sftp.Provider.Fields, v)
	if err != nil {
		t.Fatal(err)
	}
	b, err := sftp.Provider.Open(v, storage.Env{Clock: c, Dial: loopback})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.(interface{ CloseIdle() }).CloseIdle)
	return b
}

func TestAConnectionThatNobodyUsesIsClosed(t *testing.T) {
	s, c := servers.StartSFTP(t), make(beats)
	b := openAt(t, at(s, s.Dir), c)
	save(t, b, "config", []byte("x"))
	if !c.beat(1) || len(s.Sessions(t)) == 0 {
		t.Error("the connection is closed at the first beat after it was used")
	}
	if !c.beat(1) || c.beat(1) {
		t.Error("the connection isn't closed at the second")
	}
	for start := time.Now(); len(s.Sessions(t)) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatal("the server still has a session")
		}
	}
	if _, err := b.Stat(t.Context(), "config"); err != nil {
		t.Errorf("Stat after that = %v", err)
	}
}

func TestAServerThatIsGoneIsFoundOut(t *testing.T) {
	s, c := servers.StartSFTP(t), make(beats)
	b := openAt(t, at(s, s.Dir), c)
	save(t, b, "config", []byte("x"))
	s.SignalSessions(t, syscall.SIGSTOP)
	ended := make(chan error, 1)
	go func() {
		_, err := b.Stat(t.Context(), "config")
		ended <- err
	}()
	c.beat(3)
	select {
	case err := <-ended:
		t.Fatalf("Stat ends after three beats: %v", err)
	default:
	}
	c.beat(3)
	select {
	case err := <-ended:
		if err == nil || errors.Is(err, storage.ErrPermanent) {
			t.Errorf("Stat = %v, want an error that passes", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Stat goes on after six beats without a sign of the server")
	}
	if _, err := b.Stat(t.Context(), "config"); err != nil {
		t.Errorf("Stat over the next connection = %v", err)
	}
}

func TestALongSilenceOfOurOwnBreaksNothing(t *testing.T) {
	s, c := servers.StartSFTP(t), make(beats)
	b := openAt(t, at(s, s.Dir), c)
	body := storage.Body{Size: 4, Open: func() io.Reader {
		wait := readerFunc(func([]byte) (int, error) {
			if !c.beat(10) {
				t.Error("the connection is given up")
			}
			return 0, io.EOF
		})
		return io.MultiReader(bytes.NewReader([]byte("12")), wait, bytes.NewReader([]byte("34")))
	}}
	if err := b.Save(t.Context(), packName, body); err != nil {
		t.Errorf("Save of a body that comes slowly = %v", err)
	}
}
