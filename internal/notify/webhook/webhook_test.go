package webhook

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	"github.com/backstay/backstay/internal/notify/notifytest"
	"github.com/backstay/backstay/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	newSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
	oldOne    = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrs="
	token     = "tok-3f9a8b7c"
)

func values(r *notifytest.Receiver) settings.Values {
	return settings.Values{"url": "https://hooks.example/in/" + token + "?key=" + token, "secret": newSecret, "old-secret": oldOne, "ca-certificate": r.CA}
}

func bench(t *testing.T, mood notifytest.Mood) notifytest.Bench {
	r := notifytest.NewReceiver(t, mood, "thanks", "hooks.example")
	c, err := open(values(r), r.Env)
	if err != nil {
		t.Fatal(err)
	}
	return notifytest.Bench{Channel: c, Secrets: []string{token, newSecret, oldOne, strings.TrimPrefix(newSecret, prefix)}, Received: func() (all []notifytest.Received) {
		for _, request := range r.Requests() {
			var p Payload
			if err := json.Unmarshal(request.Body, &p); err != nil {
				t.Errorf("the body is no JSON: %v", err)
			}
			text := p.Data.Subject + "\n" + p.Data.Text + "\n" + p.Data.Link + "\n" + p.Data.Project
			for _, f := range p.Data.Facts {
				text += "\n" + f.Name + ": " + f.Value
			}
			all = append(all, notifytest.Received{ID: request.Header.Get("webhook-id"), Text: text, Header: request.Header, Size: request.Size()})
		}
		return all
	}}
}

func TestChannel(t *testing.T) { notifytest.Run(t, bench) }

// The verifier is that of Standard Webhooks itself.
func TestReceiversVerifyMessagesWithTheNewSecretAndTheOld(t *testing.T) {
	r := notifytest.NewReceiver(t, notifytest.Takes, "", "hooks.example")
	c, err := open(values(r), r.Env)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(t.Context(), notifytest.Message("m1")); err != nil {
		t.Fatal(err)
	}
	got := r.Requests()[0]
	for _, secret := range []string{newSecret, oldOne} {
		verify(t, secret, got.Body, got.Header, true)
	}
	other := prefix + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 32)))
	verify(t, other, got.Body, got.Header, false)
	for name, value := range map[string]string{"Webhook-Id": "m2", "Webhook-Timestamp": "1", "Webhook-Signature": "v1,aaaa"} {
		changed := got.Header.Clone()
		changed.Set(name, value)
		verify(t, newSecret, got.Body, changed, false)
	}
	verify(t, newSecret, append([]byte(" "), got.Body...), got.Header, false)
}

func verify(t *testing.T, secret string, body []byte, header http.Header, want bool) {
	t.Helper()
	w, err := standard.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Verify(body, header); (err == nil) != want {
		t.Errorf("Verify = %v, want that it passes: %t", err, want)
	}
}

func TestTheBodyIsAsDocumented(t *testing.T) {
	r := notifytest.NewReceiver(t, notifytest.Takes, "", "hooks.example")
	c, err := open(values(r), r.Env)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(t.Context(), notifytest.Message("m1")); err != nil {
		t.Fatal(err)
	}
	const want = `{"type":"run.failed","timestamp":"2026-11-27T22:00:00Z","data":{"severity":"error","project":"Shop","subject":"Backup of db failed m1",` +
		`"text":"The server went away.\nNothing was saved.","link":"https://backstay.example/runs/1?a=b\u0026c=d",` +
		`"facts":[{"name":"Files","value":"12,345"},{"name":"Size","value":"3 \u003c 4"}],"thread":"alert-1"}}`
	got := r.Requests()[0]
	if string(got.Body) != want || got.Method != http.MethodPost || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s of %s with body\n%s\nwant\n%s", got.Method, got.Header.Get("Content-Type"), got.Body, want)
	}
}

// The vector is that of the specification's own libraries.
func TestSignaturesAreThoseOfTheSpecification(t *testing.T) {
	k, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := sign([]key{k}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("sign = %s, want %s", got, want)
	}
}

func TestSettingsThatCannotBeRightAreNamedAndNotShown(t *testing.T) {
	for _, wrong := range []settings.Values{
		{"url": "hooks.example/" + token}, {"url": "ftp://hooks.example/" + token}, {"url": "https:///" + token}, {"url": "https://u:" + token + "@h/"},
		{"url": "https://h/%zz" + token}, {"secret": token}, {"secret": "whsec_" + token}, {"secret": "whsec_c2hvcnQ="}, {"old-secret": token}, {"ca-certificate": token},
	} {
		v := settings.Values{"url": "https://hooks.example/", "secret": newSecret}
		for name, value := range wrong {
			v[name] = value
		}
		if _, err := open(v, notifytest.Env(notifytest.Takes, "")); err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("open with %v = %v, want an error without the value", map[string]string(wrong), err)
		}
	}
}

func TestAnIDThatCannotStandInAHeaderIsReplaced(t *testing.T) {
	if got := messageID("run-1"); got != "run-1" {
		t.Errorf("messageID = %q", got)
	}
	for _, id := range []string{"", "a.b", "a b", "a\r\nb", "ü"} {
		if got := messageID(id); !strings.HasPrefix(got, "msg_") || got != messageID(id) {
			t.Errorf("messageID(%q) = %q", id, got)
		}
	}
}
