package hook

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/chain"
	"github.com/backstay/backstay/internal/notify"
	"github.com/backstay/backstay/internal/notify/notifytest"
	"github.com/backstay/backstay/internal/sink"
	"github.com/backstay/backstay/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="

func opened(t *testing.T, mood notifytest.Mood) (*notifytest.Receiver, sink.Sink) {
	t.Helper()
	r := notifytest.NewReceiver(t, mood, "", "hooks.example")
	s, err := Provider.Open(settings.Values{"url": "https://hooks.example/in", "secret": secret, "ca-certificate": r.CA}, r.Env)
	if err != nil {
		t.Fatal(err)
	}
	return r, s
}

func records() []sink.Record {
	at := time.Date(2026, 11, 28, 2, 3, 4, 0, time.UTC)
	h := chain.NewSigner(make([]byte, 32)).Sign(2, chain.Hash{1}, at)
	return []sink.Record{{Event: backstay.AuditEvent{Seq: 1, Time: at, Action: "plan.updated", Hash: "aa"}}, {Event: backstay.AuditEvent{Seq: 2, Time: at, Action: "plan.deleted", Hash: "bb"}}, {Head: &h}}
}

func TestEachRecordIsASignedRequestWithAnIDOfItsOwn(t *testing.T) {
	r, s := opened(t, notifytest.Takes)
	for range 2 { // what comes again has the same id
		if taken, err := s.Send(t.Context(), records()); taken != 3 || err != nil {
			t.Fatalf("Send = %d, %v", taken, err)
		}
	}
	w, err := standard.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]int{}
	for i, request := range r.Requests() {
		if err := w.Verify(request.Body, request.Header); err != nil {
			t.Errorf("request %d: %v", i, err)
		}
		ids[request.Header.Get("webhook-id")]++
		var p Payload
		if err := json.Unmarshal(request.Body, &p); err != nil {
			t.Fatal(err)
		}
		if want := []string{"audit.event", "audit.event", "audit.head"}[i%3]; p.Type != want {
			t.Errorf("request %d is of type %s, want %s", i, p.Type, want)
		}
	}
	if len(ids) != 3 || ids["audit-2-bb"] != 2 {
		t.Errorf("ids = %v", ids)
	}
}

func TestARefusalIsAnError(t *testing.T) {
	_, s := opened(t, notifytest.Refuses)
	if taken, err := s.Send(t.Context(), records()); taken != 0 || !errors.Is(err, notify.ErrRefused) {
		t.Errorf("Send = %d, %v", taken, err)
	}
}
