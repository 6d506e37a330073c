package s3_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"go.uber.org/goleak"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/servers"
)

// everyCall makes each call of a backend once and returns their errors by what was called.
func everyCall(ctx context.Context, b storage.Backend) map[string]error {
	_, stat := b.Stat(ctx, "config")
	var list error
	for _, err := range b.List(ctx, "data") {
		list = err
	}
	return map[string]error{"Save": b.Save(ctx, "data/x", storage.Bytes([]byte("x"))), "Load": b.Load(ctx, "data/x", make([]byte, 1), 0),
		"Stat": stat, "List": list, "Remove": b.Remove(ctx, "data/x")}
}

func TestWrongKeysArePermanentErrorsWithoutSecrets(t *testing.T) {
	s := servers.StartS3(t)
	ready(t, s.Address, owner(s))
	for _, v := range []settings.Values{
		{"access-key-id": s.AccessKey, "secret-access-key": "hidden"},
		{"access-key-id": "AKIANOBODY", "secret-access-key": "hidden"},
		{"access-key-id": s.AccessKey, "secret-access-key": "hidden", "region": s.Region},
	} {
		for call, err := range everyCall(t.Context(), open(t, location(s.Address, "repo"), v)) {
			if !errors.Is(err, storage.ErrPermanent) || errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s with wrong keys = %v, want ErrPermanent", call, err)
			} else if strings.Contains(err.Error(), "hidden") || !strings.Contains(err.Error(), "check") {
				t.Errorf("%s with wrong keys = %v, want what to check, and no secret", call, err)
			}
		}
	}
}

func TestAMissingBucketIsAnErrorAndOnlyANewRepositoryMakesIt(t *testing.T) {
	s := servers.StartS3(t)
	for _, v := range []settings.Values{owner(s), with(owner(s), "region", s.Region)} {
		b := open(t, "s3:http://"+s.Address+"/missing"+v["region"]+"/repo", v)
		for call, err := range everyCall(t.Context(), b) {
			if err == nil || call == "List" && !errors.Is(err, storage.ErrPermanent) || (call == "Stat" || call == "Load") && !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s in a missing bucket = %v", call, err)
			}
		}
		if err := b.Save(t.Context(), "keys/x", storage.Bytes([]byte("x"))); err != nil {
			t.Errorf("Save of a first key: %v", err)
		}
		if got, err := storage.LoadAll(t.Context(), b, "keys/x"); err != nil || string(got) != "x" {
			t.Errorf("LoadAll after that = %q, %v", got, err)
		}
	}
}

func TestAServerThatIsDownIsAPassingErrorSoon(t *testing.T) {
	b := open(t, "s3:http://127.0.0.1:1/bucket", settings.Values{"access-key-id": "key", "secret-access-key": "hidden"})
	start := time.Now()
	for call, err := range everyCall(t.Context(), b) {
		if err == nil || errors.Is(err, storage.ErrPermanent) || errors.Is(err, storage.ErrNotFound) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s without a server = %v, want an error that may pass", call, err)
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("five calls without a server took %v: the client tries again by itself", took)
	}
}

// startTLS runs the other implementation behind TLS.
func startTLS(t *testing.T, config *tls.Config) (address string) {
	server := httptest.NewUnstartedServer(gofakes3.New(s3mem.New()).Server())
	server.TLS = config
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestOnlyAServerWithATrustedCertificateIsSpokenTo(t *testing.T) {
	ca, other := servers.NewCA(t), servers.NewCA(t)
	for what, c := range map[string]struct {
		config *tls.Config
		ca     string
		fine   bool
	}{
		"a certificate of the given authority": {ca.Server(t), ca.PEM, true},
		"a certificate that nobody knows":      {ca.Server(t), "", false},
		"a certificate of another authority":   {ca.Server(t), other.PEM, false},
		"an expired certificate":               {ca.ServerOf(t, servers.Expired), ca.PEM, false},
		"a certificate for another host":       {ca.ServerOf(t, servers.ForAnotherHost), ca.PEM, false},
	} {
		b := open(t, "s3:https://"+startTLS(t, c.config)+"/bucket", with(anybody, "ca-certificate", c.ca))
		err := b.Save(t.Context(), "config", storage.Bytes([]byte("x")))
		if c.fine && err != nil || !c.fine && (!errors.Is(err, storage.ErrUntrusted) || !strings.Contains(err.Error(), "certificate")) {
			t.Errorf("Save with %s = %v, fine %t", what, err, c.fine)
		}
	}
	old := open(t, "s3:https://"+startTLS(t, servers.OnlyTLS10(ca.Server(t)))+"/bucket", with(anybody, "ca-certificate", ca.PEM))
	if err := old.Save(t.Context(), "config", storage.Bytes([]byte("x"))); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("Save with TLS 1.0 = %v, want it refused", err)
	}
	plain := open(t, "s3:https://"+startFake(t)+"/bucket", anybody)
	if err := plain.Save(t.Context(), "config", storage.Bytes([]byte("x"))); !errors.Is(err, storage.ErrPermanent) || !strings.Contains(err.Error(), "http://") {
		t.Errorf("Save by TLS to a server without = %v, want ErrPermanent and what to write", err)
	}
}

// answering runs a server that gives each request the same answer.
func answering(t *testing.T, status int, body string) (address string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestAnAnswerThatIsNoListingIsNoEmptyListing(t *testing.T) {
	for _, body := range []string{"", "<html><body>Log in first</body></html>", `<?xml version="1.0"?><Other/>`, "<ListBucketResult>", "<ListBucketResult><Name>x"} {
		b := open(t, location(answering(t, http.StatusOK, body), "repo"), with(anybody, "region", "x"))
		last := error(nil)
		for _, err := range b.List(t.Context(), "data") {
			last = err
		}
		if last == nil || errors.Is(last, storage.ErrNotFound) {
			t.Errorf("List of %q ends with %v, want an error", body, last)
		}
	}
}

func TestAListingThatGoesRoundInACircleEnds(t *testing.T) {
	page := `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>` +
		`<Contents><Key>repo/data/a</Key></Contents><Contents><Key>repo/data/b</Key></Contents><Contents><Key>repo/data/c</Key></Contents></ListBucketResult>`
	b := open(t, location(answering(t, http.StatusOK, page), "repo"), with(anybody, "region", "x"))
	n, last := 0, error(nil)
	for _, err := range b.List(t.Context(), "data") {
		if n++; n > 100 {
			t.Fatal("List doesn't end")
		}
		last = err
	}
	if last == nil || !strings.Contains(last.Error(), "circle") {
		t.Errorf("List ends with %v after %d, want an error", last, n)
	}
}

func TestWhatTheServerRefusesForGoodIsPermanent(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		want   error // nil: it may pass
	}{
		{403, "AccessDenied", storage.ErrPermanent}, {403, "RequestTimeTooSkewed", storage.ErrPermanent}, {400, "InvalidStorageClass", storage.ErrPermanent}, {405, "MethodNotAllowed", storage.ErrPermanent},
		{507, "XMinioStorageFull", storage.ErrFull}, {507, "SomethingNew", storage.ErrFull}, {403, "QuotaExceeded", storage.ErrFull},
		{403, "InvalidAccessKeyId", storage.ErrLogin}, {403, "SignatureDoesNotMatch", storage.ErrLogin}, {301, "PermanentRedirect", storage.ErrPermanent}, {403, "SomethingNew", storage.ErrPermanent},
		{400, "RequestTimeout", nil}, {400, "ExpiredToken", nil}, {400, "IncompleteBody", nil}, {409, "ConditionalRequestConflict", nil},
		{500, "InternalError", nil}, {503, "SlowDown", nil}, {429, "TooManyRequests", nil},
	} {
		body := fmt.Sprintf("<Error><Code>%s</Code><Message>some words</Message></Error>", c.code)
		b := open(t, location(answering(t, c.status, body), "repo"), with(anybody, "region", "x"))
		for call, err := range everyCall(t.Context(), b) {
			if call == "Stat" || call == "Save" {
				continue // HEAD has no body to say the code in
			}
			if err == nil || errors.Is(err, storage.ErrPermanent) != (c.want != nil) || c.want != nil && !errors.Is(err, c.want) || errors.Is(err, storage.ErrExists) {
				t.Errorf("%s refused with %d %s = %v, want %v", call, c.status, c.code, err, c.want)
			}
		}
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	idle := goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop") // connections that are kept for a minute
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(), idle, goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer server.Close()
	defer close(hang)
	b := open(t, location(server.Listener.Addr().String(), "repo"), anybody)
	cause := errors.New("somebody pressed a key")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
	start := time.Now()
	for call, err := range everyCall(ctx, b) {
		if !errors.Is(err, cause) {
			t.Errorf("%s = %v, want the cause of the context", call, err)
		}
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("calls ended %v after their context", took)
	}
}

func TestAListingThatIsCancelledAtItsLastFileSaysSo(t *testing.T) {
	b := ready(t, startFake(t), anybody)
	if err := b.Save(t.Context(), "data/x", storage.Bytes(nil)); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("somebody pressed a key")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var last error
	for _, err := range b.List(ctx, "data") {
		last = err
		cancel(cause)
	}
	if !errors.Is(last, cause) {
		t.Errorf("List ends with %v, want the cause of the context", last)
	}
}

func TestAServerThatKnowsNoRangesGivesNoWrongBytes(t *testing.T) {
	address, _ := startRecorder(t, func(_ http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("Range")
		return true
	})
	b, p := ready(t, address, anybody), content(1000, 1)
	if err := b.Save(t.Context(), "data/x", storage.Bytes(p)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 100)
	if err := b.Load(t.Context(), "data/x", got, 0); err != nil || !bytes.Equal(got, p[:100]) {
		t.Errorf("Load from the start: %v", err)
	}
	if err := b.Load(t.Context(), "data/x", got, 500); err == nil {
		t.Error("Load from the middle, which the server can't do = nil error")
	}
}

func TestNothingIsTriedTwice(t *testing.T) {
	fail := false
	address, r := startRecorder(t, func(w http.ResponseWriter, _ *http.Request) bool {
		if fail {
			w.WriteHeader(http.StatusInternalServerError)
		}
		return !fail
	})
	b := ready(t, address, with(anybody, "region", "x"))
	r.methods()
	fail = true
	for call, err := range everyCall(t.Context(), b) {
		if err == nil || errors.Is(err, storage.ErrPermanent) {
			t.Errorf("%s answered with status 500 = %v, want an error that may pass", call, err)
		}
	}
	if got := r.methods(); len(got) != 5 {
		t.Errorf("five calls that fail make the requests %v, want five", got)
	}
}
