package s3_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/servers"
)

// signedBy saves a file by a backend of these settings, and returns the access key and the session token that came with it.
func signedBy(t *testing.T, v settings.Values, env storage.Env) (key, token string) {
	t.Helper()
	address, r := startRecorder(t, nil)
	b, err := try(location(address, "repo"), v, env)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Save(t.Context(), "config", storage.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	last := r.got[len(r.got)-1]
	_, credential, _ := strings.Cut(last.Header.Get("Authorization"), "Credential=")
	key, _, _ = strings.Cut(credential, "/")
	return key, last.Header.Get("X-Amz-Security-Token")
}

func TestTheAccessKeyComesFromTheSettings(t *testing.T) {
	key, token := signedBy(t, settings.Values{"access-key-id": "AKIA1", "secret-access-key": "s", "session-token": "t"}, env())
	if key != "AKIA1" || token != "t" {
		t.Errorf("signed by %q with token %q, want AKIA1 with t", key, token)
	}
	if key, _ := signedBy(t, settings.Values{"anonymous": "true"}, env()); key != "" {
		t.Errorf("without an access key it is signed by %q", key)
	}
}

func TestTheAccessKeyComesFromACredentialsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	content := "[default]\naws_access_key_id=AKIA2\naws_secret_access_key=s\n[other]\naws_access_key_id=AKIA3\naws_secret_access_key=s\naws_session_token=t3\n"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if key, token := signedBy(t, settings.Values{"credentials-file": file}, env()); key != "AKIA2" || token != "" {
		t.Errorf("signed by %q with token %q, want AKIA2 without", key, token)
	}
	if key, token := signedBy(t, settings.Values{"credentials-file": file, "profile": "other"}, env()); key != "AKIA3" || token != "t3" {
		t.Errorf("signed by %q with token %q, want AKIA3 with t3", key, token)
	}
	for _, v := range []settings.Values{{"credentials-file": file, "profile": "none"}, {"credentials-file": file + "x"}} {
		err := open(t, "s3:http://127.0.0.1:1/bucket", v).Save(t.Context(), "config", storage.Bytes(nil))
		if !errors.Is(err, storage.ErrPermanent) || !strings.Contains(err.Error(), "access key") {
			t.Errorf("Save with %v = %v, want ErrPermanent about the access key", map[string]string(v), err)
		}
	}
}

// redirected is an Env that connects to one address when another is asked for.
func redirected(from, to string) storage.Env {
	e := env()
	dial := e.Dial
	e.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == from {
			address = to
		}
		if host, _, _ := net.SplitHostPort(address); host != "127.0.0.1" {
			return nil, fmt.Errorf("%s may not be reached", address)
		}
		return dial(ctx, network, address)
	}
	return e
}

const metadata = "169.254.169.254:80"

func TestTheAccessKeyComesFromTheMachineWhereNoneIsGiven(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/latest/api/token":
			_, _ = io.WriteString(w, "token")
		case strings.HasSuffix(r.URL.Path, "/security-credentials/"):
			_, _ = io.WriteString(w, "role\n")
		default:
			_, _ = fmt.Fprintf(w, `{"Code":"Success","AccessKeyId":"AKIA4","SecretAccessKey":"s","Token":"t4","Expiration":%q}`, time.Now().Add(time.Hour).Format(time.RFC3339))
		}
	}))
	t.Cleanup(server.Close)
	if key, token := signedBy(t, nil, redirected(metadata, server.Listener.Addr().String())); key != "AKIA4" || token != "t4" {
		t.Errorf("signed by %q with token %q, want AKIA4 with t4", key, token)
	}
	b, err := try("s3:http://127.0.0.1:1/bucket", nil, redirected("", ""))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Save(t.Context(), "config", storage.Bytes(nil)); !errors.Is(err, storage.ErrPermanent) || !strings.Contains(err.Error(), "access key") {
		t.Errorf("Save without any access key = %v, want ErrPermanent that says so", err)
	}
}

func TestARoleIsAssumedWithTheAccessKey(t *testing.T) {
	var asked *http.Request
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked = r; r.ParseForm() != nil || r.Form.Get("ExternalId") == "wrong" {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>`)
			return
		}
		_, _ = fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>ASIA5</AccessKeyId><SecretAccessKey>s</SecretAccessKey>`+
			`<SessionToken>t5</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(sts.Close)
	v := settings.Values{"access-key-id": "AKIA1", "secret-access-key": "hidden", "session-token": "t", "role-arn": "arn:aws:iam::1:role/backup",
		"role-external-id": "ext", "sts-endpoint": sts.URL, "region": "eu-test-1"}
	if key, token := signedBy(t, v, env()); key != "ASIA5" || token != "t5" {
		t.Errorf("signed by %q with token %q, want ASIA5 with t5", key, token)
	}
	for name, want := range map[string]string{"Action": "AssumeRole", "RoleArn": "arn:aws:iam::1:role/backup", "ExternalId": "ext", "RoleSessionName": "backstay"} {
		if got := asked.Form.Get(name); got != want {
			t.Errorf("the STS is asked with %s %q, want %q", name, got, want)
		}
	}
	if auth := asked.Header.Get("Authorization"); !strings.Contains(auth, "Credential=AKIA1/") || !strings.Contains(auth, "/eu-test-1/sts/") || asked.Header.Get("X-Amz-Security-Token") != "t" {
		t.Errorf("the STS is asked with the signature %q, want AKIA1's for the region, and its token", auth)
	}
	err := open(t, "s3:http://127.0.0.1:1/bucket", with(v, "role-external-id", "wrong")).Save(t.Context(), "config", storage.Bytes(nil))
	if !errors.Is(err, storage.ErrPermanent) || !strings.Contains(err.Error(), "role/backup") || strings.Contains(err.Error(), "hidden") {
		t.Errorf("Save with a role that is refused = %v, want ErrPermanent that names it", err)
	}
}

func TestAmazonIsReachedAtTheNameOfTheBucketAndNeedsNoLook(t *testing.T) {
	ca := servers.NewCA(t)
	const host = "bucket.s3.dualstack.eu-central-1.amazonaws.com"
	config := ca.ServerOf(t, func(c *x509.Certificate) { c.DNSNames = []string{host} })
	r := &recorder{next: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	server := httptest.NewUnstartedServer(r)
	server.TLS = config
	server.StartTLS()
	t.Cleanup(server.Close)
	b, err := try("s3:s3.eu-central-1.amazonaws.com/bucket/repo", with(anybody, "ca-certificate", ca.PEM, "storage-class", "GLACIER", "encryption", "aws:kms", "kms-key-id", "key1"),
		redirected(host+":443", server.Listener.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"data/x", "index/x"} {
		if err := b.Save(t.Context(), name, storage.Bytes([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		request := r.got[len(r.got)-1]
		want := map[string]string{"If-None-Match": "*", "X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "key1",
			"X-Amz-Checksum-Sha256": "LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=", "X-Amz-Content-Sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}
		if name == "data/x" {
			want["X-Amz-Storage-Class"] = "GLACIER"
		} else if got := request.Header.Get("X-Amz-Storage-Class"); got != "" {
			t.Errorf("an index is put with the storage class %q, from which it can't be read at once", got)
		}
		for header, value := range want {
			if got := request.Header.Get(header); got != value {
				t.Errorf("a put of %q says %s: %q, want %q", name, header, got, value)
			}
		}
		if request.Host != host || request.URL.Path != "/repo/"+name || !strings.Contains(request.Header.Get("Authorization"), "/eu-central-1/s3/") {
			t.Errorf("put to %s%s, signed %q", request.Host, request.URL.Path, request.Header.Get("Authorization"))
		}
	}
	if got := r.methods(); len(got) != 2 {
		t.Errorf("two Saves make the requests %v, want two", got)
	}
}
