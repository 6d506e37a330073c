package api_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
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

// TestNobodyTakesAllConnectionsByWatching has one person open more streams than they may; others go on as before. S24.
func TestNobodyTakesAllConnectionsByWatching(t *testing.T) {
	w := newWorld(t, "")
	eve := w.person(t, "who watches a lot", nil, backstay.Right{Role: builtIn(backstay.RoleViewer), Scope: backstay.ProjectScope(w.one), Effect: backstay.Allow})
	address := w.URL + "/api/v1/runs/" + w.pendingRun(t) + "/events"
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	var open []io.Closer
	watch := func() int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(eve.header[0], eve.header[1])
		answer, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, answer.Body)
		return answer.StatusCode
	}
	statuses := map[int]int{}
	for range 300 {
		statuses[watch()]++
	}
	if statuses[http.StatusOK] != 256 || statuses[http.StatusTooManyRequests] != 44 {
		t.Errorf("300 streams at once = %v, want 256 of 200 and the rest 429", statuses)
	}
	var took []time.Duration
	for range 200 {
		begun := time.Now()
		w.Owner.Get(t, "/projects", nil)
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	if p99 := took[len(took)*99/100]; p99 > 2*time.Second {
		t.Errorf("others waited %v (p99), want less than 2 s", p99)
	}
	for _, c := range open {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	soon(t, "room for another stream", func() bool { return watch() == http.StatusOK })
}
