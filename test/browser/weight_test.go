package browser_test

import (
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/browser"
	"github.com/backstay/backstay/test/browser/example"
)

const kib = 1 << 10

func TestPagesAreLightAndStandStill(t *testing.T) {
	s, e := filled(t, func(e *example.Site) { e.Busy = true })
	p := browser.Start(t, s.URL)
	p.SignIn(s.Owner.Cookies(t))
	p.Open("/")
	if n := p.Bytes(); n > 300*kib || n < kib {
		t.Errorf("the first visit takes %d bytes, want less than 300 KiB", n)
	} else {
		t.Logf("the first visit takes %d KiB", n/kib)
	}
	for _, path := range []string{"/", "/plans", "/plans/new", "/activity", "/storage", "/snapshots", "/settings", "/settings/groups"} {
		p.Open(path)
		if n := p.Bytes(); n > 30*kib || n < 500 {
			t.Errorf("%s takes %d bytes after the first visit, want less than 30 KiB", path, n)
		} else {
			t.Logf("%s takes %.1f KiB", path, float64(n)/kib)
		}
	}
	busy := running(t, s)
	for _, path := range []string{"/", "/activity", "/activity/" + busy} {
		p.Open(path)
		before := p.Text()
		s.Owner.Post(t, "/plans/"+e.IDs["/plans"][2]+"/start", nil, nil) // which fails, and is told of
		for end := time.Now().Add(15 * time.Second); p.Text() == before && time.Now().Before(end); {
			time.Sleep(100 * time.Millisecond)
		}
		p.WaitStill()
		moved := p.Shift()
		t.Logf("%s: live data changed the text: %v; it moved by %.4f", path, p.Text() != before, moved)
		if moved >= 0.01 {
			t.Errorf("%s moves by %.4f when live data arrives", path, moved)
		}
	}
}

// running is the run that is at work.
func running(t *testing.T, s *servertest.Server) string {
	t.Helper()
	for range 200 {
		var runs struct{ Items []backstay.Run }
		if s.Owner.Get(t, "/runs?state=running", &runs); len(runs.Items) > 0 {
			return runs.Items[0].ID
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("no run is at work")
	return ""
}
