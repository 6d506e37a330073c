package api_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// TestWhoMayNoLongerSeeARunSeesItsEventsNoMore takes the rights of somebody who watches a run.
func TestWhoMayNoLongerSeeARunSeesItsEventsNoMore(t *testing.T) {
	w := newWorld(t, "")
	eve := w.person(t, "viewer whose rights end", nil, backstay.Right{Role: builtIn(backstay.RoleViewer), Scope: backstay.ProjectScope(w.one), Effect: backstay.Allow})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL+"/api/v1/runs/"+w.pendingRun(t)+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(eve.header[0], eve.header[1])
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("watch = %+v, %v", answer, err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, answer.Body)
		ended <- errors.Join(err, answer.Body.Close())
	}()
	select {
	case err := <-ended:
		t.Fatalf("the stream ended at once: %v", err)
	case <-time.After(6500 * time.Millisecond): // they were looked up again
	}
	w.write(t, func(tx *db.Tx) error { return db.Delete[backstay.Grant](t.Context(), tx, eve.who.User+"-0") })
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("who may see the run no longer still watches it")
	}
}
